"""Timeline: one person's events, decisions and deliveries as one list, newest first, page by page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from engage.console.sentences import (
    decision_note,
    decision_sentence,
    delivery_note,
    delivery_sentence,
    event_sentence,
)
from engage.console.words import tone, values_text
from engage.domain.decision import Decided, Decision
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Event
from engage.domain.profile.sensitive import Sensitive
from engage.domain.steps.base import Node
from engage.ports.reading import CursorError, DeliverySeen, Page, Reading

Item = TypeVar("Item")
UTC = ZoneInfo("UTC")
READ = 60
"""Rows read of each list for one page."""
VIEWS = ("all", "messages", "journeys", "events", "decisions")
_TOLD_BY_PEOPLE = frozenset(
    {"SMS Received", "WhatsApp Received", "Chat Received", "Email Received", "Voicemail Left", "Voice Digits"}
)
"""Our own events that no decision and no delivery tells better."""
_JOURNEY = frozenset({Decided.ENTRY, Decided.EXIT, Decided.GOAL, Decided.STEP})


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the timeline."""

    at: datetime
    kind: str
    """`message`, `journey`, `event`, `person`: what it is about."""
    sentence: str
    note: str = ""
    tone: str = "plain"
    delivery: DeliverySeen | None = None
    journey: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """A page of it, and where the next one begins."""

    entries: Sequence[Entry]
    next: str | None


class _Place(msgspec.Struct, array_like=True):
    """How far each list has been shown: its cursor, None at its beginning, `False` at its end."""

    deliveries: str | bool | None = None
    decisions: str | bool | None = None
    events: str | bool | None = None


@dataclass
class _List(Generic[Item]):
    """One of the lists, read a bit ahead."""

    read: Callable[[str | None, int], Page[Item]]
    at: Callable[[Item], datetime]
    place: str | bool | None
    items: Sequence[Item] = ()
    more: str | None = None

    def look(self, ahead: int) -> None:
        """Read ahead."""
        if self.place is not False:
            page = self.read(self.place if isinstance(self.place, str) else None, ahead)
            self.items, self.more = page.items, page.next

    def horizon(self) -> datetime | None:
        """Return how far back this list is known; None: to its end."""
        return self.at(self.items[-1]) if self.more is not None else None

    def take(self, horizon: datetime | None) -> list[Item]:
        """Take what is not older than `horizon`, and move on behind it."""
        taken = [item for item in self.items if horizon is None or self.at(item) >= horizon]
        if len(taken) == len(self.items):
            self.place = self.more if self.more is not None else False
        elif taken:
            cursor = self.place if isinstance(self.place, str) else None
            self.place = self.read(cursor, len(taken)).next or False
        return taken


def read_timeline(
    reading: Reading,
    profile: ProfileId,
    view: str,
    after: str | None,
    covered: Sensitive,
    ahead: int = READ,
    zone: ZoneInfo = UTC,
    node_of: Callable[[Decision], Node | None] = lambda decision: None,
) -> Timeline:
    """Return a page of a person's timeline; `covered` are values that are not shown, `node_of` finds steps, times are of `zone`.

    Lists are merged by time as far back as every one of them is known, so that no line is left out or shown twice.

    Raises:
        CursorError: no page named this cursor.
    """
    place = _read_place(after)
    deliveries = _List(
        lambda cursor, limit: reading.deliveries(profile, cursor, limit),
        lambda seen: seen.delivery.asked_at,
        False if view in ("events", "decisions", "journeys") else place.deliveries,
    )
    decisions = _List(
        lambda cursor, limit: reading.decisions(profile, cursor, limit),
        lambda decision: decision.at,
        False if view in ("events", "messages") else place.decisions,
    )
    events = _List(
        lambda cursor, limit: reading.events(profile, cursor, limit),
        lambda event: event.timestamp,
        False if view in ("decisions", "messages", "journeys") else place.events,
    )
    lists: tuple[_List[Any], ...] = (deliveries, decisions, events)
    for each in lists:
        each.look(ahead)
    horizon = max((at for each in lists if (at := each.horizon()) is not None), default=None)
    # At one instant the cause is the event, then what was decided, then what was asked for: newest first turns it round.
    found = [_of_delivery(seen) for seen in deliveries.take(horizon)]
    found += [
        _of_decision(decision, node_of(decision), zone)
        for decision in decisions.take(horizon)
        if _is_told(decision, view)
    ]
    found += [
        _of_event(event, covered) for event in events.take(horizon) if view == "events" or _is_news(event)
    ]
    found.sort(key=lambda entry: entry.at, reverse=True)
    ended = all(each.place is False for each in lists)
    return Timeline(entries=found, next=None if ended else _write_place(*(each.place for each in lists)))


def _is_told(decision: Decision, view: str) -> bool:
    """A delivery tells itself what was decided about it."""
    if view == "decisions":
        return True
    if view == "journeys":
        return decision.kind in _JOURNEY
    return decision.kind is not Decided.SEND or decision.delivery is None


def _is_news(event: Event) -> bool:
    return event.type != "engine" or event.name in _TOLD_BY_PEOPLE


def _of_delivery(seen: DeliverySeen) -> Entry:
    delivery = seen.delivery
    return Entry(
        at=delivery.asked_at,
        kind="message",
        sentence=delivery_sentence(delivery),
        note=delivery_note(delivery),
        tone=tone(delivery.status),
        delivery=seen,
        journey=delivery.journey,
    )


def _of_decision(decision: Decision, node: Node | None, zone: ZoneInfo) -> Entry:
    return Entry(
        at=decision.at,
        kind="journey" if decision.kind in _JOURNEY else "person",
        sentence=decision_sentence(decision, zone, node),
        note=decision_note(decision),
        tone="good" if decision.kind is Decided.GOAL else "plain",
        journey=decision.journey,
    )


def _of_event(event: Event, covered: Sensitive) -> Entry:
    return Entry(
        at=event.timestamp,
        kind="event",
        sentence=event_sentence(event),
        note=values_text(covered.event(event.name, event.properties)),
    )


def _write_place(*places: str | bool | None) -> str:
    return urlsafe_b64encode(msgspec.json.encode(_Place(*places))).rstrip(b"=").decode()


def _read_place(text: str | None) -> _Place:
    if not text:
        return _Place()
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=_Place)
    except (ValueError, RecursionError) as exc:
        raise CursorError("no page named this cursor") from exc
