"""Cron lines: five fields, read on the wall clock of a zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engage.domain.timing.zone import civil, wall_of

_DAY = timedelta(days=1)
#: 29 February may be eight years away (1896 to 1904, 2096 to 2104).
_HORIZON_DAYS = 366 * 9
_EXAMPLE = "write five fields: minute hour day month weekday, for example `0 9 * * mon-fri`"
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1
    )
}
_WEEKDAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_ITEM = re.compile(r"(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?")


class CronError(ValueError):
    """A text is not a cron line. `message` says what is wrong, `hint` what to write."""

    def __init__(self, message: str, hint: str = _EXAMPLE) -> None:
        super().__init__(f"{message}; {hint}")
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line, read; made by `parse_cron`."""

    source: str
    times: tuple[time, ...]
    days: frozenset[int]
    months: frozenset[int]
    #: As `date.weekday()`.
    weekdays: frozenset[int]
    #: Both days and weekdays are restricted: either suffices, as cron has it.
    either: bool

    def falls_on(self, day: date) -> bool:
        """Return whether the line names this day."""
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.weekday() in self.weekdays
        return (by_day or by_weekday) if self.either else (by_day and by_weekday)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    label: str
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (
    _Field(label="minute", low=0, high=59, names={}),
    _Field(label="hour", low=0, high=23, names={}),
    _Field(label="day", low=1, high=31, names={}),
    _Field(label="month", low=1, high=12, names=_MONTHS),
    _Field(label="weekday", low=0, high=7, names=_WEEKDAYS),
)


@lru_cache(maxsize=1024)
def parse_cron(source: str) -> Cron:
    """Return the cron line `source`: five fields with `*`, numbers, names, ranges, lists and steps.

    Raises:
        CronError: it is none, or names no day that ever comes (`0 0 31 2 *`).
    """
    parts = source.lower().split()
    if len(parts) != len(_FIELDS):
        raise CronError(f"`{source}` has {len(parts)} fields, not five")
    minutes, hours, days, months, weekdays = (
        _read(part, field) for part, field in zip(parts, _FIELDS, strict=True)
    )
    cron = Cron(
        source=source,
        times=tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset((number - 1) % 7 for number in weekdays),
        either=not parts[2].startswith("*") and not parts[4].startswith("*"),
    )
    if not any(cron.falls_on(date(2000, 1, 1) + number * _DAY) for number in range(366 * 4)):
        raise CronError(f"`{source}` names a day that never comes", "check the day of the month")
    return cron


def _read(part: str, field: _Field) -> set[int]:
    numbers: set[int] = set()
    for item in part.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise CronError(f"`{item}` is no {field.label}")
        star, start, end, step = match.groups()
        if star:
            low, high = field.low, field.high
        else:
            low = _number(start, field)
            high = _number(end, field) if end else (field.high if step else low)
        if step == "0" or (step and int(step) == 0):
            raise CronError(f"a step of 0 in `{item}` never moves on")
        if low > high and field.label == "weekday":
            high += 7  # `fri-mon` and `sat-sun` run over the end of the week
        if low > high:
            raise CronError(f"`{item}` runs backwards", f"write `{start}-{field.high},{field.low}-{end}`")
        numbers.update(n % 7 if field.label == "weekday" else n for n in range(low, high + 1, int(step or 1)))
    return numbers


def _number(text: str, field: _Field) -> int:
    number = field.names.get(text) if not text.isdigit() else int(text)
    if number is None or not field.low <= number <= field.high:
        raise CronError(f"`{text}` is no {field.label} ({field.low} to {field.high})")
    return number


def cron_next(cron: str | Cron, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant (UTC) strictly after `after` that the cron line names on the wall of `zone`.

    Daylight saving as in `civil`: a time in a gap comes once, right after it; a time that exists twice is the first.

    Raises:
        CronError: `cron` is a text and no cron line.
    """
    if isinstance(cron, str):
        cron = parse_cron(cron)
    first = wall_of(after, zone).date() - _DAY
    for number in range(_HORIZON_DAYS):
        day = first + number * _DAY
        if not cron.falls_on(day) or civil(day, cron.times[-1], zone) <= after:
            continue
        for at in cron.times:
            instant = civil(day, at, zone)
            if instant > after:
                return instant
    raise AssertionError("parse_cron refuses a day that never comes")
