"""Walk: how one run moves through its journey, step after step, until it rests or ends."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from engage.domain.audience.membership import apply_traits, follow, put_in_or_out
from engage.domain.consent.consent import (
    ConsentEntry,
    ConsentState,
    SuppressionEntry,
    family,
    ledger_key,
    state_after,
)
from engage.domain.decision import Decided
from engage.domain.delivery.delivery import CALLS, Delivery, Priority
from engage.domain.expression import Expression, Scope, Text, text_of
from engage.domain.fact import Identifier, Start
from engage.domain.ids import DeliveryId, RunId, uuid7
from engage.domain.journey.journey import Journey
from engage.domain.journey.run import Run, next_delivery
from engage.domain.profile.person import Person
from engage.domain.profile.profile import Event
from engage.domain.profile.spelling import user_traits
from engage.domain.profile.touched import Touched
from engage.domain.steps.base import Asked, Node
from engage.domain.timing import zone_of
from engage.domain.turn.turn import Follow, Turn


class RunWalk:
    """What the step at hand may see and do. Implements `steps.base.Walk`."""

    def __init__(self, turn: Turn, person: Person, run: Run, journey: Journey) -> None:
        self.turn, self.person, self.run, self.journey = turn, person, run, journey
        self.now = turn.now
        self.journey_name = run.journey
        self.bucket_key = person.profile.bucket_key
        self.node: Node | None = None
        self.reason: str | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The person's zone; an invalid one is recorded and replaced by the project's."""
        zone, invalid = self.person.zone(self.turn.catalog.settings)
        if invalid:
            self.note("zone_invalid", values={"timezone": self.person.profile.traits.get("timezone")})
        return zone

    def scope(self, event: Event | None = None) -> Scope:
        """See `Walk.scope`; without an event, `event` is the last matched one, else the entry."""
        looked_at = event.properties if event is not None else (self.run.event or self.run.entry)
        return self.person.scope(self.turn.catalog.settings, self.now, event=looked_at, run=self.run)

    def fill(self, data: Any) -> Any:
        """See `Walk.fill`."""
        return fill(data, self.scope())

    def zone_of(self, name: str | None) -> ZoneInfo:
        """See `Walk.zone_of`."""
        if name is None or name == "person":
            return self.zone
        return zone_of(name, self.turn.catalog.settings.zone)[0]

    def chosen(self, step: str) -> str | None:
        """See `Walk.chosen`."""
        return self.turn.choices.arm(self.person, step)

    @property
    def planned(self) -> datetime:
        """See `Walk.planned`."""
        return self.turn.planned or self.now

    def fill_secret(self, data: Any) -> Any:
        """See `Walk.fill_secret`."""
        scope = self.scope()
        scope.secret = marked_secret
        return fill(data, scope)

    def ask(self, node: Node, asked: Asked) -> str:
        """See `Walk.ask`: `(run, step, visit)` names the delivery, so that asking twice is asking once."""
        visit = self.run.visits.get(node.id, 0) + 1
        self.run.visits = {**self.run.visits, node.id: visit}
        delivery = self._delivery(node, asked, visit)
        self.turn.deliveries[delivery.id] = delivery
        self.turn.changes.deliveries[delivery.id] = delivery
        known = self.run.deliveries.get(node.id)
        newest = next_delivery(
            known, delivery=delivery.id, channel=delivery.channel, beside=self.run.state.get("asked", ())
        )
        self.run.deliveries = {**self.run.deliveries, node.id: newest}
        return delivery.id

    def cancel(self, node: Node) -> None:
        """See `Walk.cancel`."""
        self.turn.cancel_sends(self.run, reason=None, step=node.id)

    def _delivery(self, node: Node, asked: Asked, visit: int) -> Delivery:
        topic = self.journey.topic if asked.topic is None else asked.topic
        topic = None if asked.channel in CALLS else topic
        until = asked.until
        if until is None and asked.expires is not None:
            until = self.planned + asked.expires
        return Delivery(
            id=DeliveryId(uuid7(self.now, self.run.id, node.id, str(visit))),
            profile=self.person.id,
            lane=self.person.profile.lane,
            channel=asked.channel,
            topic=topic,
            template=asked.template,
            text=asked.text,
            variables=asked.variables,
            to=asked.to,
            sender=asked.sender,
            run=self.run.id,
            journey=self.run.journey,
            version=self.run.version,
            step=node.id,
            visit=visit,
            priority=self._priority(topic),
            held_out=self.run.held_out,
            context=_context(self.run),
            asked_at=self.planned,
            due_at=self.now,
            expires_at=until,
        )

    def _priority(self, topic: str | None) -> Priority:
        if self.turn.catalog.settings.is_urgent(topic):
            return Priority.URGENT
        return Priority.BULK if self.journey.trigger.enters_many else Priority.LIVE

    def happened_since(self, since: datetime, name: str) -> Sequence[Event]:
        """See `Walk.happened_since`: never the event that started the run, nor one that satisfied a wait."""
        hidden = {self.run.started_by, *self.run.consumed}
        return [
            event
            for event in self.person.history.matching(name)
            if isinstance(event, Event) and event.timestamp >= since and event.id not in hidden
            if delivery_run(event) in (None, self.run.id)
        ]

    def belongs(self, event: Event) -> bool:
        """See `Walk.belongs`."""
        if delivery_run(event) == self.run.id:
            return True
        return has_key(self.turn, self.person, self.run, self.journey, event) is True

    def write_traits(self, values: Mapping[str, Any]) -> None:
        """See `Walk.write_traits`: the run sees it at once; what else follows is handled once it rests."""
        changed = apply_traits(self.turn, self.person, user_traits(dict(values)), self.now)
        self._touch(Touched(traits=set(changed), values=changed))

    def _touch(self, touched: Touched) -> None:
        if touched:
            follow(self.turn, self.person, touched)
            self.turn.follow(Follow(touched=touched))

    def change_consent(self, channel: str, topic: str, state: ConsentState) -> None:
        """See `Walk.change_consent`; a yes that asks for a second step waits for it."""
        topics = self.turn.catalog.settings.topics
        if not topic or (topics and topic not in topics):
            self.note("skipped", "unknown_topic", {"topic": topic})
            return
        typed, kind = self.person.address(channel), family(channel)
        address = None if typed is None else ledger_key(typed)
        known = self.person.consents.by_address.get((kind, address or "", topic))
        state = state_after(state, self.turn.catalog.settings.policy(channel, topic), known)
        entry = ConsentEntry(
            channel=kind,
            topic=topic,
            state=state,
            at=self.now,
            source=f"run:{self.run.id}",
            address=address,
            profile=self.person.id,
        )
        self.turn.changes.consents.append(entry)
        self.person.consents.apply(entry)
        self.turn.happen(
            self.person,
            "Subscription Updated",
            {
                "channel": channel,
                "topic": topic,
                "state": str(state),
                "source": f"journey:{self.run.journey}",
            },
        )

    def suppress(self, channel: str, reason: str) -> None:
        """See `Walk.suppress`."""
        typed = self.person.address(channel)
        if typed is None:
            return
        kind, address = family(channel), ledger_key(typed)
        self.turn.changes.suppressions.append(
            SuppressionEntry(
                channel=kind, address=address, reason=reason, at=self.now, source=f"run:{self.run.id}"
            )
        )
        self.person.consents.suppressed[kind, address] = reason
        self.turn.happen(self.person, "Address Suppressed", {"channel": channel, "reason": reason})

    def emit(self, node: Node, event: str, properties: Mapping[str, Any]) -> bool:
        """See `Walk.emit`."""
        if not self.turn.may_follow():
            return False
        happened = self.turn.happen(self.person, event, properties)
        self.note("emitted", values={"event": event, "id": happened.id})
        return True

    def start(self, node: Node, journey: str, entry: Mapping[str, Any], key: str | None) -> bool:
        """See `Walk.start`."""
        if not self.turn.may_follow():
            return False
        identifier = self.person.profile.identifiers[0] if self.person.profile.identifiers else None
        start = Start(
            message_id=self.turn.next_id(self.run.id, node.path),
            journey=journey,
            person=identifier or Identifier(kind="id", value=self.person.id),
            run=RunId(self.turn.next_id(self.run.id, journey)),
            entry=dict(entry),
            key=key,
        )
        self.turn.follow(Follow(start=start))
        return True

    def member(self, audience: str, member: bool) -> None:
        """See `Walk.member`."""
        self._touch(put_in_or_out(self.turn, self.person, audience, member))

    def note(self, outcome: str, reason: str | None = None, values: Mapping[str, Any] | None = None) -> None:
        """See `Walk.note`."""
        self.turn.decide(
            self.person,
            Decided.STEP,
            outcome,
            journey=self.run.journey,
            run=self.run.id,
            step=self.node.id if self.node is not None else None,
            reason=reason,
            values=dict(values or {}),
        )

    def look(self, expression: Expression, scope: Scope) -> bool:
        """See `Walk.look`."""
        truth = expression.truth(scope)
        self.note(
            "true" if truth else "false", values={"if": expression.source, **plain(expression.seen(scope))}
        )
        return truth


SECRET_MARKS = ("\ue000", "\ue001")
"""What a secret's name stands between until the call leaves: characters for private use."""


def marked_secret(name: str) -> str:
    """Return what stands for a secret in everything that is stored."""
    return name.join(SECRET_MARKS)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return seen values in a form that can be kept as JSON."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def fill(data: Any, scope: Scope) -> Any:
    """Return compiled data with its texts evaluated against `scope`."""
    match data:
        case Text():
            value = data.value(scope)
            return text_of(value) if isinstance(value, datetime) else value
        case dict():
            return {key: fill(value, scope) for key, value in data.items()}
        case list() | tuple():
            return [fill(value, scope) for value in data]
        case _:
            return data


def _context(run: Run) -> dict[str, Any]:
    known = {**run.variables, "key": run.key or None, "entered_at": text_of(run.entered_at)}
    context: dict[str, Any] = {"entry": run.entry, "run": known}
    if run.event is not None:
        context["event"] = run.event
    return context


NO_RUN = ""
"""Stands where a run's id would: of a delivery that no run asked for."""


def delivery_run(event: Event) -> str | None:
    """Return the run whose delivery an event of ours is about: it matches that run alone; none: it is about no delivery.

    The delivery of no run (`NO_RUN`) was asked for by API: what becomes of it matches nobody's run.
    """
    if event.type != "engine" or "delivery_id" not in event.properties:
        return None
    return event.properties.get("run") or NO_RUN


def has_key(turn: Turn, person: Person, run: Run, journey: Journey, event: Event) -> bool | None:
    """Return whether an event has the run's key; None where the key expression gives none for it."""
    key = journey.trigger.key
    if key is None:
        return True
    scope = person.scope(turn.catalog.settings, turn.now, event=event.properties, entry=event.properties)
    value = key.value(scope)
    if value is None or isinstance(value, list | dict) or value == "":
        return None
    return text_of(value) == run.key
