"""Seen: everything an expectation may ask about at one instant, read from the store and from what providers took."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from engage.domain.catalog import Catalog
from engage.domain.delivery.delivery import CALLS, UNSUCCESSFUL, Channel, Delivery, Mark
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.profile.person import address_of
from engage.domain.profile.profile import Profile
from engage.ports.storage import Transaction
from engage.testing.people import memberships, profiles_of, shown_names
from engage.testing.scripted import Message
from engage.testing.scripted_calls import CallTaken
from engage.testing.stage import Stage
from engage.testing.watched import RunSeen

Order = Callable[["Line"], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message, refusal or failure, with everything that may be expected of it."""

    profile: ProfileId | None
    at: datetime
    position: int
    """Of its step within the journey."""
    number: int
    """Order of asking."""
    values: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    """Where `contains` looks."""


@dataclass
class Seen:
    """One look at the world. Use within the transaction it was made with."""

    stage: Stage
    tx: Transaction
    _profiles_by_name: dict[str, ProfileId | None] = field(default_factory=dict)

    @cached_property
    def catalog(self) -> Catalog:
        """What is live."""
        return self.stage.catalog_of(self.tx)

    @cached_property
    def deliveries(self) -> list[Delivery]:
        """All deliveries since the start, in the order of asking."""
        return [d for d in self.stage.deliveries(self.tx) if d.asked_at >= self.stage.start]

    @cached_property
    def memberships(self) -> dict[ProfileId, set[str]]:
        """The audiences of everybody."""
        return memberships(self.tx)

    @cached_property
    def runs(self) -> list[RunSeen]:
        """All runs, ended ones too."""
        return list(self.stage.store.chronicle.runs.values())

    @cached_property
    def messages(self) -> list[Line]:
        """What the providers took, one line a call."""
        known = {delivery.id: delivery for delivery in self.deliveries}
        taken = [m for m in self.stage.providers.messages() if m.delivery in known]
        return [self._message(known[message.delivery], message) for message in taken]

    @cached_property
    def accepted(self) -> list[Delivery]:
        """The deliveries that a provider took."""
        taken = {message.delivery for message in self.stage.providers.messages()}
        return [delivery for delivery in self.deliveries if delivery.id in taken]

    @property
    def _asked(self) -> list[Delivery]:
        """What was to reach a person: no calls to other systems."""
        return [delivery for delivery in self.deliveries if delivery.channel not in CALLS]

    def calls(self, channel: Channel) -> list[tuple[Delivery, CallTaken]]:
        """Return the calls of one kind since the start, in order of time, with what was told."""
        known = {delivery.id: delivery for delivery in self.deliveries}
        taken = self.stage.providers.calls(channel)
        return [(known[call.delivery], call) for call in taken if call.delivery in known]

    @cached_property
    def skipped(self) -> list[Line]:
        """What was refused."""
        return [self._ended(d, {Mark.SKIPPED}) for d in self._asked if d.status is Mark.SKIPPED]

    @cached_property
    def failed(self) -> list[Line]:
        """What failed for good."""
        return [self._ended(d, UNSUCCESSFUL) for d in self._asked if d.status in UNSUCCESSFUL]

    @cached_property
    def _numbers(self) -> dict[DeliveryId, int]:
        return {delivery.id: number for number, delivery in enumerate(self.deliveries)}

    @cached_property
    def names(self) -> dict[ProfileId, str]:
        """How to speak of those who were to get something."""
        concerned = {delivery.profile for delivery in self.deliveries}
        return shown_names(self.tx.people.lock(concerned))

    def profile_id(self, name: str) -> ProfileId | None:
        """Return whom a name stands for now."""
        if name not in self._profiles_by_name:
            self._profiles_by_name[name] = profiles_of(self.tx, [name]).get(name)
        return self._profiles_by_name[name]

    def profile(self, name: str) -> Profile | None:
        """Return the profile a name stands for now."""
        found = self.profile_id(name)
        return None if found is None else self.tx.people.lock([found]).get(found)

    def subscribed(self, name: str, channel: str, topic: str) -> bool:
        """Return whether consent allows this topic on this channel; without an address, as far as the person goes."""
        profile = self.profile(name)
        policy = self.catalog.settings.policy(channel, topic)
        address = "" if profile is None else address_of(profile, channel) or ""
        if profile is None:
            return False
        view = self.tx.consents.view([profile.id], {profile.id: [(channel, address)]})[profile.id]
        return view.refusal(channel, address, topic, policy) is None

    def events(self, name: str) -> dict[str, int]:
        """Return how often each event happened to a person."""
        profile = self.profile_id(name)
        counts: dict[str, int] = {}
        if profile is not None:
            for event in self.tx.events.history([profile], {"*": None}).get(profile, ()):
                counts[event.name] = counts.get(event.name, 0) + 1
        return counts

    def places(self, name: str, journey: str) -> list[str]:
        """Return the steps at which a person's active runs of a journey stand."""
        profile = self.profile_id(name)
        mine = [r for r in self.runs if r.active and r.journey == journey and self._now(r.profile) == profile]
        return [self._step_id(run) for run in mine if run.step is not None]

    def _now(self, profile: ProfileId) -> ProfileId:
        return self.stage.store.chronicle.profile(profile)

    def _step_id(self, run: RunSeen) -> str:
        nodes = self.catalog.version(run.journey, run.version).program.nodes
        return nodes[run.step].id if run.step in nodes else str(run.step)

    def _line(self, delivery: Delivery, at: datetime, text: str = "", **values: Any) -> Line:
        return Line(
            profile=delivery.profile,
            at=at,
            position=self._position(delivery),
            number=self._numbers[delivery.id],
            values={
                "to": delivery.profile,
                "at": at,
                "channel": str(delivery.channel),
                "step": delivery.step,
                "journey": delivery.journey,
                "template": delivery.template,
                **values,
            },
            text=text,
        )

    def _position(self, delivery: Delivery) -> int:
        if delivery.journey is None or delivery.version is None or delivery.step is None:
            return -1
        if not self.catalog.has_version(delivery.journey, delivery.version):
            return -1
        nodes = self.catalog.version(delivery.journey, delivery.version).program.walk()
        return next((n for n, node in enumerate(nodes) if node.id == delivery.step), -1)

    def _message(self, delivery: Delivery, message: Message) -> Line:
        return self._line(
            delivery,
            message.at,
            message.everything,
            address=message.address,
            subject=message.subject,
            body=message.body,
        )

    def _ended(self, delivery: Delivery, marks: Collection[str]) -> Line:
        told = self.stage.store.chronicle.deliveries.get(delivery.id, ())
        at = next((at for mark, at in told if mark in marks), delivery.asked_at)
        return self._line(
            delivery,
            at,
            address=delivery.address,
            reason=delivery.reason,
            rule=delivery.rule,
            code=delivery.code,
            status=str(delivery.status),
        )

    def orders(self) -> Sequence[Order]:
        """Return what "in order of time, then person, then step" may mean: names and steps as text or by number."""
        names = self.names

        def as_text(line: Line) -> Any:
            return (
                line.at,
                names.get(line.profile, "") if line.profile else "",
                str(line.values["step"] or ""),
            )

        def natural(line: Line) -> Any:
            name = names.get(line.profile, "") if line.profile else ""
            return (line.at, _by_number(name), line.position, line.number)

        def mixed(line: Line) -> Any:
            name = names.get(line.profile, "") if line.profile else ""
            return (line.at, name, line.position, line.number)

        def text_steps(line: Line) -> Any:
            name = names.get(line.profile, "") if line.profile else ""
            return (line.at, _by_number(name), str(line.values["step"] or ""), line.number)

        return (natural, mixed, as_text, text_steps)


def _by_number(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key in which u2 comes before u10."""
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for letter in name + "\0":
        if letter.isdigit():
            digits += letter
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, letter))
    return tuple(parts)
