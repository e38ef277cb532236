"""Trait times: when a trait's present value was written, in whatever order that was told; so since when the trait has it.

Only writes of the present value since the last one of another matter: what is told later either begins a new value or cuts
off the oldest of these. Of each trait the first and the last are kept; of what lies between, the last `MOST` instants at
which anything was told again about the person, and of each trait which of them were its own: people are told many traits at
once, again and again, and a list for each would be written whole every time.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

MOST = 16
"""Instants remembered at which something was told again; which ones were a trait's own is a number of so many bits."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class TraitTimes(msgspec.Struct, array_like=True):
    """What is remembered of a top-level trait's writes, all in event time."""

    written: datetime
    """The last write of the present value."""
    changed: datetime
    """When the trait took its present value; a repeat does not move it."""
    other: datetime | None = None
    """The last write of another value before that, as far as one is known."""
    again: int = 0
    """Which of the instants of `Repeats` lie between the two and are this trait's: the n-th bit stands for the n-th."""


class Repeats:
    """The traits of one person with their times, and the instants at which something was told again.

    `changed` is exact in any order of arrival as long as all repeats are remembered. Where they are not, it is so too unless
    another value is told late that is older than those that are; it is then the oldest of them: a true write of the value.
    """

    __slots__ = ("_last", "_told", "_traits")

    def __init__(self, traits: dict[str, TraitTimes], told: list[int]) -> None:
        """Change these in place; `told` are instants in microseconds since 1970, in no order."""
        self._traits, self._told = traits, told
        self._last: tuple[datetime | None, int] = (None, 0)

    def write(self, times: TraitTimes, at: datetime, *, same: bool) -> bool:
        """Note one more write of a trait, of the value that is there (`same`) or of another; return whether that one wins.

        Of two writes at one instant, the one told later counts as the later one.
        """
        if same:
            if times.other is None or at >= times.other:
                self._repeat(times, at)
            return False
        if at >= times.written:
            times.other, times.written, times.changed, times.again = times.written, at, at, 0
            return True
        if at >= times.changed:
            self._cut(times, at)
        times.other = _later(times.other, at)
        return False

    def unite(self, lost: "Repeats", same: Collection[str]) -> set[str]:
        """Take in the traits of a person who becomes this one; return those of which their value was written last.

        `same` names those with one value. Of two writes at one instant, that of the person who stays counts as the later one.
        """
        won: set[str] = set()
        known = {name: self._numbers(times) for name, times in self._traits.items()}
        for name, theirs in lost._traits.items():
            numbers, other, ours = lost._numbers(theirs), theirs.other, self._traits.get(name)
            if ours is None:
                won.add(name)
            elif name in same:
                numbers = _after(known[name], other, tie=True) | _after(numbers, ours.other)
                other = _later(ours.other, other)
            elif theirs.written > ours.written:
                won.add(name)
                numbers, other = _after(numbers, ours.written), _later(ours.written, other)
            else:
                numbers, other = (
                    _after(known[name], theirs.written, tie=True),
                    _later(ours.other, theirs.written),
                )
            self._traits[name] = TraitTimes(_instant(max(numbers)), _instant(min(numbers)), other)
            known[name] = numbers
        self._relearn({name: _between(self._traits[name], numbers) for name, numbers in known.items()})
        return won

    def told(self) -> dict[str, dict[str, Any]]:
        """Return all of this by trait and in words, for people and other programs."""
        return {
            name: {
                "changed_at": times.changed,
                "written_at": [_instant(number) for number in sorted(self._numbers(times))],
                "other_value_at": times.other,
            }
            for name, times in sorted(self._traits.items())
        }

    def _repeat(self, times: TraitTimes, at: datetime) -> None:
        if at > times.written:
            if times.written != times.changed:
                times.again |= self._bit(times.written)
            times.written = at
        elif at < times.changed:
            if times.written != times.changed:
                times.again |= self._bit(times.changed)
            times.changed = at
        elif at not in (times.changed, times.written):
            times.again |= self._bit(at)

    def _cut(self, times: TraitTimes, at: datetime) -> None:
        """Forget the writes up to an instant, before the last."""
        left = _after(self._numbers(times), at)
        times.changed = _instant(min(left))
        between = _between(times, left)
        times.again &= sum(1 << place for place, number in enumerate(self._told) if number in between)

    def _numbers(self, times: TraitTimes) -> set[int]:
        """Return the writes of a trait's present value that are remembered."""
        found = {_number(times.changed), _number(times.written)}
        return found.union(number for place, number in enumerate(self._told) if times.again >> place & 1)

    def _bit(self, at: datetime) -> int:
        """Return the bit of an instant, which is remembered from now on; none where only newer ones are."""
        if at != self._last[0]:  # what is told at once was mostly told at once before, too
            self._last = at, self._bit_of(_number(at))
        return self._last[1]

    def _bit_of(self, number: int) -> int:
        told = self._told
        if number in told:
            return 1 << told.index(number)
        if len(told) < MOST:
            told.append(number)
            return 1 << len(told) - 1
        place = self._room(number)
        if place is None:
            return 0
        for times in self._traits.values():
            times.again &= ~(1 << place)
        told[place] = number
        return 1 << place

    def _room(self, number: int) -> int | None:
        """Return the place of an instant that is no trait's any more, or of the oldest one."""
        used = 0
        for times in self._traits.values():
            used |= times.again
        for place in range(MOST):
            if not used >> place & 1:
                return place
        oldest = min(self._told)
        return self._told.index(oldest) if oldest < number else None

    def _relearn(self, between: Mapping[str, set[int]]) -> None:
        """Remember the newest of these, by trait."""
        self._told[:] = sorted(set[int]().union(*between.values()))[-MOST:]
        for name, numbers in between.items():
            self._traits[name].again = sum(
                1 << place for place, number in enumerate(self._told) if number in numbers
            )


def _between(times: TraitTimes, numbers: set[int]) -> set[int]:
    return numbers - {_number(times.changed), _number(times.written)}


def _after(numbers: set[int], at: datetime | None, *, tie: bool = False) -> set[int]:
    """Return the writes after an instant (none: all), with `tie` one at it, too."""
    if at is None:
        return numbers
    edge = _number(at) - (1 if tie else 0)
    return {number for number in numbers if number > edge}


def _number(at: datetime) -> int:
    return (at - _BEGINNING) // _MICROSECOND


def _instant(number: int) -> datetime:
    return _BEGINNING + number * _MICROSECOND


def _later(one: datetime | None, two: datetime | None) -> datetime | None:
    return two if one is None else one if two is None else max(one, two)
