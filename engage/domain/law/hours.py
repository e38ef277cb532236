"""Lawful hours: when a rule's windows are open on one wall clock, holidays left out, across daylight saving."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engage.domain.law.rules import Hours, Rule
from engage.domain.timing import civil, is_open, next_open, wall_of
from engage.domain.timing.zone import both_civil

_DAY = timedelta(days=1)
_MIDNIGHT = time()
_LONGEST_CLOSED = 60
"""Days looked through for an opening; a rule closed for longer is taken as never open."""


def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (the anonymous algorithm, as in Meeus, Astronomical Algorithms, ch. 8)."""
    golden, century, of_century = year % 19, year // 100, year % 100
    skipped = (8 * century + 13) // 25
    epact = (19 * golden + century - century // 4 - skipped + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - epact - of_century % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=512)
def _holidays(closed_on: tuple[str, ...], year: int) -> frozenset[date]:
    found = set()
    for name in closed_on:
        if name.startswith("easter"):
            found.add(easter(year) + timedelta(days=int(name.removeprefix("easter") or 0)))
            continue
        month, day = (int(part) for part in name.split("-"))
        if not (month == 2 and day == 29 and (year % 4 or (year % 100 == 0 and year % 400))):
            found.add(date(year, month, day))
    return frozenset(found)


def is_holiday(rule: Rule, day: date) -> bool:
    """Return whether the rule's hours do not apply on a day."""
    return bool(rule.closed_on) and day in _holidays(rule.closed_on, day.year)


def window_at(rule: Rule, at: datetime, zone: ZoneInfo) -> Hours | None:
    """Return the window in which the wall of `zone` stands at an instant, or None."""
    if is_holiday(rule, wall_of(at, zone).date()):
        return None
    return next((w for w in rule.hours if is_open(at, w.from_, w.to, w.days, zone)), None)


def next_lawful(rule: Rule, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first instant >= `now` at which the rule is not in force or one of its windows is open; None: never."""
    at, last = now, now + _LONGEST_CLOSED * _DAY
    while at <= last:
        day = wall_of(at, zone).date()
        if not rule.holds_on(day):
            return at
        if not is_holiday(rule, day):
            opening = min(next_open(at, w.from_, w.to, w.days, zone) for w in rule.hours)
            if wall_of(opening, zone).date() == day:
                return opening
        # Nothing more on this day: on the next one the rule may have ended, or a holiday may stand in the way.
        at = max(civil(day + _DAY, _MIDNIGHT, zone), at + timedelta(microseconds=1))
    return None


def closes(rule: Rule, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the end of the window that is open at `now`; None where nothing ends."""
    at = now
    if not rule.holds_on(wall_of(now, zone).date()):
        return None
    for _ in range(len(rule.hours) * 8 + 1):
        window = window_at(rule, at, zone)
        if window is None:
            break
        day = wall_of(at, zone).date()
        at = next(end for end in both_civil(day, window.to, zone) if end > at)
    return None if at == now else at
