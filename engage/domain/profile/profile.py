"""Profile: one person, the events that happened to them, and how trait values win over each other."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from engage.domain.fact import Identifier, Json
from engage.domain.ids import EventId, ProfileId


class TraitTimes(msgspec.Struct, array_like=True):
    """What is remembered of a top-level trait's writes, all in event time, whatever the order in which they came."""

    written: datetime
    """The last write of the present value."""
    changed: datetime
    """When the trait took its present value; a repeat does not move it."""
    other: datetime | None = None
    """The last write of another value before that, as far as one is known."""


class Profile(msgspec.Struct, kw_only=True):
    """One person. Owned and changed by the turn that locked it; `new` and `dirty` say what the turn must write."""

    id: ProfileId
    bucket_key: str
    created_at: datetime
    lane: int
    traits: Json = msgspec.field(default_factory=dict)
    trait_times: dict[str, TraitTimes] = msgspec.field(default_factory=dict)
    identifiers: list[Identifier] = msgspec.field(default_factory=list)
    merges: int = 0

    def identifier(self, kind: str) -> str | None:
        """Return the newest identifier of that kind, or None."""
        for identifier in reversed(self.identifiers):
            if identifier.kind == kind:
                return identifier.value
        return None

    def address(self, kind: str) -> str | None:
        """Return the trait `email` or `phone` as addresses are compared, None if there is none."""
        value = self.traits.get(kind)
        return value.strip().lower() or None if isinstance(value, str) else None

    def write_traits(
        self, values: Mapping[str, Any], at: datetime, *, moved: set[str] | None = None
    ) -> dict[str, tuple[Any, Any]]:
        """Write top-level traits as of `at`; a value older than what is there loses; None deletes.

        Returns the traits whose value is now another one, as `{name: (before, after)}`. Into `moved` go those that kept
        their value and are now known to have had it since another instant: a late write told.
        """
        changed: dict[str, tuple[Any, Any]] = {}
        for name, value in values.items():
            before, known = self.traits.get(name), self.trait_times.get(name)
            if known is None:
                self.trait_times[name] = TraitTimes(at, at)
                won = True
            else:
                since = known.changed
                won = _write(known, at, same=_same(before, value))
                if moved is not None and known.changed != since and not won:
                    moved.add(name)
            if won and not _same(before, value):
                self._put(name, value)
                changed[name] = (before, value)
        return changed

    def unite_traits(self, other: "Profile") -> None:
        """Take in the traits of a profile that becomes part of this one: of each the value written last."""
        for name, theirs in other.trait_times.items():
            value, mine = other.traits.get(name), self.trait_times.get(name)
            if mine is None:
                self.trait_times[name] = theirs
                self._put(name, value)
            elif _same(self.traits.get(name), value):
                instants = {mine.written, mine.changed, theirs.written, theirs.changed}
                self.trait_times[name] = _run_of(instants, _later(mine.other, theirs.other))
            elif theirs.written > mine.written:
                self.trait_times[name] = _after(theirs, mine)
                self._put(name, value)
            else:
                self.trait_times[name] = _after(mine, theirs)

    def _put(self, name: str, value: Any) -> None:
        if value is None:
            self.traits.pop(name, None)
        else:
            self.traits[name] = value


def _write(times: TraitTimes, at: datetime, *, same: bool) -> bool:
    """Note one more write of the value that is there (`same`), or of another one; return whether it wins.

    Of the repeats of a value the first and the last are kept: a late write of another value that falls between them
    moves `changed` to the last one.
    """
    if same:
        if times.other is None or at > times.other:
            times.changed = min(times.changed, at)
        times.written = max(times.written, at)
        return False
    if at >= times.written:
        times.other, times.written, times.changed = times.written, at, at
        return True
    if at >= times.changed:
        times.changed = times.written
    times.other = _later(times.other, at)
    return False


def _run_of(instants: set[datetime], other: datetime | None) -> TraitTimes:
    """Return the times of a value written at these instants, and of another one lastly at `other`."""
    since = min((at for at in instants if other is None or at > other), default=max(instants))
    return TraitTimes(max(instants), since, other)


def _after(winner: TraitTimes, loser: TraitTimes) -> TraitTimes:
    """Return the winner's times, given that another value was written when the loser's was."""
    return _run_of({winner.written, winner.changed}, _later(winner.other, loser.written))


def _later(one: datetime | None, two: datetime | None) -> datetime | None:
    return two if one is None else one if two is None else max(one, two)


def _same(a: Any, b: Any) -> bool:
    """Equality of JSON values, where true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


RESERVED_TYPE = "reserved"
"""Of an event from outside whose name only the engine may use: it is stored apart, and no history."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a person. Written once; `(profile, id)` is unique."""

    id: EventId
    profile: ProfileId
    name: str
    type: str
    """`track`, `page`, `screen`, `identify`, `group`, `alias`, or `engine` for our own."""
    timestamp: datetime
    received_at: datetime
    arrival: int
    """Order of arrival; breaks ties of `timestamp`."""
    properties: Json
    epoch: int = 0
    """The definitions that were active when it was digested."""
