"""What an expression is evaluated against: one profile, its history, the event at hand and the clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Protocol, TypeAlias
from zoneinfo import ZoneInfo

#: JSON plus instants (aware datetimes). Booleans are not numbers; decimals are exact; floats do not occur.
#: Lists and objects are `Any` inside because JSON is recursive and read-only here.
Value: TypeAlias = bool | int | Decimal | str | datetime | list[Any] | dict[str, Any] | None

WILDCARD = "*"

_NOTHING: Mapping[str, Value] = {}
_UTC_ZONE = ZoneInfo("UTC")


class EventFact(Protocol):
    """One event of the profile, as an expression sees it."""

    @property
    def name(self) -> str: ...
    @property
    def timestamp(self) -> datetime:
        """When it happened; aware."""

    @property
    def properties(self) -> Mapping[str, Value]: ...
    @property
    def arrival(self) -> int:
        """A number that grows with the order of arrival; decides between events of one instant."""


class History(Protocol):
    """The events of one profile that were processed so far, the current one included."""

    def matching(self, name: str) -> Sequence[EventFact]:
        """Return the events of that exact name, or of that prefix if `name` ends in `*`.

        Ordered by timestamp, then arrival. The caller does not change the result.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEvent:
    """A plain `EventFact`."""

    name: str
    timestamp: datetime
    properties: Mapping[str, Value] = field(default_factory=dict)
    arrival: int = 0


_IN_ORDER = attrgetter("timestamp", "arrival")


class MapHistory:
    """A `History` held in lists by name; appending in order of time costs O(1)."""

    __slots__ = ("_by_name", "_by_prefix")

    def __init__(self, events: Iterable[EventFact] = ()) -> None:
        self._by_name: dict[str, list[EventFact]] = {}
        self._by_prefix: dict[str, list[EventFact]] = {}
        for event in events:
            self.add(event)

    def add(self, event: EventFact) -> None:
        """Insert one event at its place; events that share a timestamp and `arrival` keep the order of adding."""
        _insert(self._by_name.setdefault(event.name, []), event)
        for prefix, events in self._by_prefix.items():
            if event.name.startswith(prefix):
                _insert(events, event)

    def matching(self, name: str) -> Sequence[EventFact]:
        """See `History.matching`; the merged list of a prefix is kept for the next question."""
        if not name.endswith(WILDCARD):
            return self._by_name.get(name, ())
        prefix = name[: -len(WILDCARD)]
        known = self._by_prefix.get(prefix)
        if known is None:
            known = [
                event for key, events in self._by_name.items() if key.startswith(prefix) for event in events
            ]
            known.sort(key=_IN_ORDER)
            self._by_prefix[prefix] = known
        return known


def _insert(events: list[EventFact], event: EventFact) -> None:
    key = _IN_ORDER(event)
    if not events or _IN_ORDER(events[-1]) <= key:
        events.append(event)
    else:
        events.insert(bisect_right(events, key, key=_IN_ORDER), event)


NO_HISTORY: History = MapHistory()


def _in_no_audience(_name: str) -> bool:
    return False


def _not_subscribed(_channel: str, _topic: str) -> bool:
    return False


def _never_changed(_trait: str) -> datetime | None:
    return None


def _no_secret(_name: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of the events that an aggregate has counted: all that happened at `upto` or before, and no other."""

    upto: datetime
    state: dict[str, Any]


_NOTHING_KEPT: Mapping[str, Kept] = {}


@dataclass(slots=True, kw_only=True)
class Scope:
    """Everything an expression may read, for one evaluation.

    Only `now` is required. Mappings are read, never changed, and may be shared between scopes.
    """

    now: datetime
    #: The person's zone: what `| date` takes a bare date's midnight in.
    zone: ZoneInfo = _UTC_ZONE
    #: Traits by name, computed ones included.
    profile: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)
    #: What `profile.id`, `profile.user_id` and `profile.anonymous_id` say; they are never read from the traits.
    profile_ids: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)
    #: Properties of the event being looked at; in texts the last matched event, else the entry.
    event: Mapping[str, Value] | None = None
    #: Properties of what started the run (in a trigger and in `entry.where`: the triggering event).
    entry: Mapping[str, Value] | None = None
    entry_event: str | None = None
    #: What was remembered, saved and aliased, with `key` and `entered_at` (an instant).
    run: Mapping[str, Value] | None = None
    #: What was given beside a message's text: `with.<name>`.
    given: Mapping[str, Value] | None = None
    history: History = NO_HISTORY
    #: What aggregates keep of events that `history` need not have any more, by the key of their state.
    folds: Mapping[str, Kept] = field(default_factory=lambda: _NOTHING_KEPT)
    in_audience: Callable[[str], bool] = _in_no_audience
    subscribed: Callable[[str, str], bool] = _not_subscribed
    changed_at: Callable[[str], datetime | None] = _never_changed
    bucket_key: str = ""
    secret: Callable[[str], str | None] = _no_secret


def utc(instant: datetime) -> datetime:
    """Return the same instant in UTC; arithmetic on any other zone's datetimes is wall-clock arithmetic."""
    return instant.astimezone(UTC)
