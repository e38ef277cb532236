"""What a wall clock allows: the next time of day, the next opening, the end of quiet hours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engage.domain.timing.instant import Weekday
from engage.domain.timing.zone import both_civil, change_between, civil, wall_of

_DAY = timedelta(days=1)
_MIDNIGHT = time()
#: A week, the day before (a gap may move its times to today) and two days in which a zone skipped a day.
_HORIZON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """The hours of the wall clock in which we are silent. Equal `start` and `end`: no quiet hours."""

    #: Inclusive.
    start: time
    #: Exclusive; not after `start`: the next morning.
    end: time


def next_at(now: datetime, at: time, weekdays: Collection[Weekday], zone: ZoneInfo) -> datetime:
    """Return the first instant strictly after `now` at which the wall shows `at` on one of `weekdays`.

    No weekdays means every day. Daylight saving as in `civil`: never skipped, once a day.
    """
    first = wall_of(now, zone).date() - _DAY
    for number in range(_HORIZON):
        day = first + number * _DAY
        if weekdays and day.weekday() not in weekdays:
            continue
        instant = civil(day, at, zone)
        if instant > now:
            return instant
    raise AssertionError("a week holds every weekday")


def is_open(now: datetime, from_: time, to: time, weekdays: Collection[Weekday], zone: ZoneInfo) -> bool:
    """Return whether the wall shows a time from `from_` (inclusive) to `to` (exclusive).

    `to` not after `from_` is the next morning: the weekday is that of the opening. Equal: the whole 24 hours.
    """
    wall = wall_of(now, zone)
    at, day = wall.time(), wall.date()
    if from_ < to:
        return from_ <= at < to and _is_on(day, weekdays)
    return (at >= from_ and _is_on(day, weekdays)) or (at < to and _is_on(day - _DAY, weekdays))


def next_open(
    now: datetime, from_: time, to: time, weekdays: Collection[Weekday], zone: ZoneInfo
) -> datetime:
    """Return `now` if it is open (see `is_open`), else the first instant after it that is. UTC."""
    return _first(now, zone, (from_, _MIDNIGHT), lambda at: is_open(at, from_, to, weekdays, zone))


def is_quiet(now: datetime, quiet: QuietHours, zone: ZoneInfo) -> bool:
    """Return whether the wall of `zone` shows a quiet hour at `now`."""
    return quiet.start != quiet.end and is_open(now, quiet.start, quiet.end, (), zone)


def next_allowed(now: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime:
    """Return the first instant >= `now` outside quiet hours; `now` itself if already outside. UTC."""
    return _first(now, zone, (quiet.end,), lambda at: not is_quiet(at, quiet, zone))


def next_quiet(now: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime | None:
    """Return the first instant >= `now` in quiet hours: until then a message may be sent. None if there are none."""
    if quiet.start == quiet.end:
        return None
    return _first(now, zone, (quiet.start,), lambda at: is_quiet(at, quiet, zone))


def _is_on(day: date, weekdays: Collection[Weekday]) -> bool:
    return not weekdays or day.weekday() in weekdays


def _first(
    now: datetime, zone: ZoneInfo, walls: Iterable[time], holds: Callable[[datetime], bool]
) -> datetime:
    """Return the first instant >= `now` at which `holds`.

    It can begin to hold only when the wall shows one of `walls` or when the clock is changed, so only these
    instants are tried.
    """
    now = now.astimezone(UTC)
    if holds(now):
        return now
    first = wall_of(now, zone).date() - _DAY
    best: datetime | None = None
    for number in range(_HORIZON):
        day = first + number * _DAY
        if best is not None and day > wall_of(best, zone).date():
            break
        midnight = civil(day, _MIDNIGHT, zone)
        tries = [instant for wall in walls for instant in both_civil(day, wall, zone)]
        change = change_between(midnight, midnight + _DAY, zone)
        for instant in tries if change is None else [*tries, change]:
            if instant > now and (best is None or instant < best) and holds(instant):
                best = instant
    if best is None:
        raise AssertionError("a week holds every opening")
    return best
