"""Rows of consent: who allowed what, when and how it is known — straight into the ledger, with the time they carry."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engage.domain.consent.consent import (
    EVERY_TOPIC,
    ConsentEntry,
    Consents,
    ConsentState,
    SuppressionEntry,
    family,
    state_after,
)
from engage.domain.delivery.delivery import REACHING, Channel
from engage.domain.fact import ConsentGiven, Identifier, NewFact, SubscriptionWish, encode
from engage.domain.ids import ProfileId, lane_of
from engage.domain.profile.profile import Profile
from engage.domain.project_settings import ProjectSettings
from engage.engine.accept.consent import address_kind
from engage.engine.accept.requests import UnknownPersonError, person_named
from engage.engine.canonical.address import normal_address
from engage.engine.canonical.rules import Rules
from engage.engine.canonical.times import instant
from engage.engine.people.bring_in import Misfit
from engage.engine.people.listfile import Row
from engage.ports.storage import Transaction

SOURCE = "import"
MAX_TEXT = 500
"""Characters of a source, a proof, a reason."""
_UNIX = re.compile(r"[0-9]{1,16}")
_NOBODY = ProfileId("00000000-0000-0000-0000-000000000000")
CHANNELS = tuple(str(channel) for channel in REACHING if family(channel) == channel)
"""Those under which consent and suppression are kept."""
_STATES = {"subscribed", "unsubscribed", "pending"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one row says."""

    channel: str
    topic: str
    state: ConsentState
    at: datetime
    source: str
    proof: str | None
    person: Identifier
    address: str | None
    """None: the row names a person, whatever the address."""


class ConsentRows:
    """A file of consents: `address` or `profile`, `channel`, `topic`, `state`, and `at`, `source`, `proof` if known."""

    name = "consents"

    def __init__(self, settings: ProjectSettings, content: str, now: datetime) -> None:
        """Read rows of the file with the digest `content` by the live settings."""
        self._settings, self._content, self._now = settings, content, now
        self._rules = Rules.of(settings)
        self.lanes: set[int] = set()
        """Where facts were put since somebody last looked."""

    def read(self, row: Row) -> Line:
        """Return what a row says.

        Raises:
            Misfit: it says nothing we could keep.
        """
        values = row.values
        channel = _channel(values)
        topic = _text(values, "topic") or EVERY_TOPIC
        state = _text(values, "state").lower()
        if state not in _STATES:
            raise Misfit(f"state: write {', '.join(sorted(_STATES))}")
        if topic != EVERY_TOPIC and self._settings.topics and topic not in self._settings.topics:
            topic = self._rules.topics.get(topic.casefold(), topic)
            if topic not in self._settings.topics:
                raise Misfit(f"topic: one of {', '.join(sorted(self._settings.topics))}")
        if topic == EVERY_TOPIC and state == "pending":
            raise Misfit("state: only a topic can be pending")
        address = _address(values, channel, self._rules.region)
        return Line(
            channel=channel,
            topic=topic,
            state=ConsentState(state),
            at=_when(values, self._now),
            source=_text(values, "source") or SOURCE,
            proof=_text(values, "proof") or None,
            person=self._person(values) if address is None else Identifier(address_kind(channel), address),
            address=address,
        )

    def _person(self, values: Mapping[str, Any]) -> Identifier:
        try:
            return person_named(_text(values, "profile"), self._rules)
        except UnknownPersonError as exc:
            raise Misfit(f"address or profile: {exc}") from exc

    def write(self, tx: Transaction, rows: Sequence[tuple[Row, Line]], now: datetime) -> dict[int, str]:
        """Write the lines; whoever is known already is looked at again by digest, and nothing is triggered."""
        lines = [line for _, line in rows]
        owners = tx.people.find({line.person for line in lines})
        people = tx.people.lock(set(owners.values()))
        views = _views(tx, lines, owners)
        refused: dict[int, str] = {}
        entries: list[ConsentEntry] = []
        facts: list[NewFact] = []
        for row, line in rows:
            owner = people.get(owners.get(line.person, _NOBODY))
            view = views[_NOBODY if owner is None else owner.id]
            why = self._refusal(line, view, owner)
            if why is not None:
                refused[row.number] = why
                continue
            entries.append(self._entry(line, view, owner))
            if owner is not None:
                facts.append(self._fact(row, line, owner, now))
        tx.consents.append(entries)
        tx.inbox.add(facts)
        self.lanes.update(fact.lane for fact in facts)
        return refused

    def _refusal(self, line: Line, view: Consents, owner: Profile | None) -> str | None:
        if line.address is None:
            return "profile: nobody is known by this name; write an address" if owner is None else None
        known = view.by_address.get((line.channel, line.address, line.topic))
        closed = view.by_address.get((line.channel, line.address, EVERY_TOPIC)) is ConsentState.UNSUBSCRIBED
        if closed and line.state is ConsentState.SUBSCRIBED and known is not ConsentState.SUBSCRIBED:
            return "unable_to_subscribe: this address said no to the whole channel; only its owner takes that back"
        return None

    def _entry(self, line: Line, view: Consents, owner: Profile | None) -> ConsentEntry:
        state = line.state
        if line.topic != EVERY_TOPIC and line.proof is None:
            # A second step that is not proven has not been taken.
            known = view.by_address.get((line.channel, line.address or "", line.topic))
            state = state_after(state, self._settings.policy(line.channel, line.topic), known)
        return ConsentEntry(
            channel=line.channel,
            topic=line.topic,
            state=state,
            at=line.at,
            source=line.source,
            address=line.address,
            profile=None if owner is None else owner.id,
            proof=line.proof,
        )

    def _fact(self, row: Row, line: Line, owner: Profile, now: datetime) -> NewFact:
        fact = ConsentGiven(
            message_id=f"{self._content}:{row.number}",
            person=line.person,
            profile=owner.id,
            wish=SubscriptionWish(
                channel=line.channel, state=line.state, topic=line.topic, address=line.address
            ),
            source=line.source,
            at=line.at,
            imported=True,
        )
        return NewFact(
            lane=lane_of(line.person.value),
            source="consent",
            message_id=fact.message_id,
            received_at=now,
            payload=encode(fact),
            live=False,
        )


class SuppressionRows:
    """A file of addresses that must not be used: `address`, and `channel`, `reason`, `at`, `source` if known."""

    name = "suppressions"

    def __init__(self, settings: ProjectSettings, now: datetime) -> None:
        """Read rows by the live settings."""
        self._rules, self._now = Rules.of(settings), now
        self.lanes: set[int] = set()
        """None: nobody is looked at again."""

    def read(self, row: Row) -> SuppressionEntry:
        """Return what a row says.

        Raises:
            Misfit: it names no address.
        """
        values = row.values
        channel = _channel(values)
        address = _address(values, channel, self._rules.region)
        if address is None:
            raise Misfit("address: it is missing")
        return SuppressionEntry(
            channel=channel,
            address=address,
            reason=_text(values, "reason") or "imported",
            at=_when(values, self._now),
            source=_text(values, "source") or SOURCE,
        )

    def write(
        self, tx: Transaction, rows: Sequence[tuple[Row, SuppressionEntry]], now: datetime
    ) -> dict[int, str]:
        """Put the addresses on the list."""
        del now
        tx.consents.append([], [entry for _, entry in rows])
        return {}


def _views(
    tx: Transaction, lines: Sequence[Line], owners: Mapping[Identifier, ProfileId]
) -> dict[ProfileId, Consents]:
    pairs: dict[ProfileId, set[tuple[str, str]]] = {_NOBODY: set()}
    for line in lines:
        addressed = pairs.setdefault(owners.get(line.person, _NOBODY), set())
        if line.address is not None:
            addressed.add((line.channel, line.address))
    found = tx.consents.view(list(pairs), {owner: sorted(some) for owner, some in pairs.items()})
    return {owner: found.get(owner, Consents()) for owner in pairs}


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Misfit(f"{name}: write text")
    if len(value) > MAX_TEXT or "\0" in value:
        raise Misfit(f"{name}: at most {MAX_TEXT} characters")
    return value.strip()


def _channel(values: Mapping[str, Any]) -> str:
    """Return the row's channel; lists of providers name none, but the kind of their address."""
    channel = _text(values, "channel").lower()
    if not channel:
        channel = Channel.SMS if values.get("phone") else Channel.EMAIL
        if not (values.get("phone") or values.get("email") or "@" in _text(values, "address")):
            raise Misfit(f"channel: write {', '.join(CHANNELS)}")
    channel = family(channel)
    if channel not in CHANNELS:
        raise Misfit(f"channel: write {', '.join(CHANNELS)}")
    return str(channel)


def _address(values: Mapping[str, Any], channel: str, region: str) -> str | None:
    text = _text(values, "address") or _text(values, address_kind(channel))
    if not text:
        return None
    address = normal_address(channel, text, region)
    if address is None:
        raise Misfit(f"address: no address for {channel}")
    return address


def _when(values: Mapping[str, Any], now: datetime) -> datetime:
    """Return when it was said; what lies ahead was said now."""
    given = values.get("at") or values.get("created")
    if given is None or given == "":
        return now
    at = instant(int(given) if isinstance(given, str) and _UNIX.fullmatch(given.strip()) else given)
    if at is None:
        raise Misfit("at: write an instant, 2026-03-01T10:00:00Z")
    return min(at, now)
