"""Points in time as texts and numbers: ISO 8601, Unix numbers, bare dates, times of day, weekdays."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import ROUND_DOWN, Context, Decimal
from enum import IntEnum
from zoneinfo import ZoneInfo

from engage.domain.timing.zone import civil

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: From here on a Unix number is taken as milliseconds: as seconds it would lie in the year 5138.
MILLISECONDS_FROM = 10**11

_FARTHEST = Decimal(10**18)
_CUT = Context(prec=40, rounding=ROUND_DOWN)  # independent of the thread's context


class Weekday(IntEnum):
    """The days of the week, numbered as `date.weekday()` does."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6


EVERY_DAY = frozenset(Weekday)
_WEEKDAYS = {day.name.lower(): day for day in Weekday} | dict(
    zip(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), Weekday, strict=True)
)


def parse_date_text(text: str) -> date | None:
    """Return the day that `text` names as `YYYY-MM-DD`, else None."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def parse_instant_text(text: str, zone: ZoneInfo | None = None) -> datetime | None:
    """Return the instant (UTC) that an ISO 8601 text names, else None.

    A text without an offset, a bare date among them (midnight), names an instant only together with `zone`.
    Digits beyond the microsecond are cut off.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        day = parse_date_text(text) if zone is not None else None
        return None if day is None or zone is None else _civil(day, time(), zone)
    day_text, hour, minute, second, fraction, offset = match.groups()
    day = parse_date_text(day_text)
    try:
        at = time(int(hour), int(minute), int(second or 0), int((fraction or "")[:6].ljust(6, "0")))
    except ValueError:
        return None
    if day is None:
        return None
    if offset is None:
        return None if zone is None else _civil(day, at, zone)
    try:
        return datetime.combine(day, at, tzinfo=_offset(offset)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _civil(day: date, at: time, zone: ZoneInfo) -> datetime | None:
    try:
        return civil(day, at, zone)
    except OverflowError:
        return None


def _offset(text: str) -> timezone:
    if text in ("Z", "z"):
        return UTC
    digits = text[1:].replace(":", "")
    minutes = int(digits[2:] or 0)
    if minutes > 59:
        raise ValueError(text)
    size = timedelta(hours=int(digits[:2]), minutes=minutes)
    return timezone(-size if text[0] == "-" else size)


def unix_instant(number: int | Decimal) -> datetime | None:
    """Return the instant of a Unix number: seconds, from 10^11 on milliseconds; None outside the calendar."""
    if not -_FARTHEST < number < _FARTHEST:
        return None
    exact = Decimal(number)
    micros = int(_CUT.multiply(exact, 1_000 if exact.copy_abs() >= MILLISECONDS_FROM else 1_000_000))
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None


def format_instant(instant: datetime) -> str:
    """Return `instant` as ISO 8601 in UTC, with a fraction only where there is one (`2026-03-01T15:00:00Z`)."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def parse_time(text: str) -> time | None:
    """Return the time of day that `text` names (`9:00`, `09:00`, `21:30:15`), else None."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    try:
        return time(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError:
        return None


def parse_weekday(text: str) -> Weekday | None:
    """Return the weekday that `text` names (`mon` or `Monday`), else None."""
    return _WEEKDAYS.get(text.lower())
