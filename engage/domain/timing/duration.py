"""Elapsed time as people write it: `3 days`, `1 day 12 hours`, `90s`."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

_UNITS = {
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}  # in microseconds, the resolution of our clock
_SHORT = {"ms": "millisecond", "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_SPOKEN = {"sec": "second", "secs": "second", "min": "minute", "mins": "minute", "hr": "hour", "hrs": "hour"}
_NAMES = {**{name: name for name in _UNITS}, **{f"{name}s": name for name in _UNITS}, **_SHORT, **_SPOKEN}

_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)")
_CALENDAR = re.compile(
    r"\b(months?|years?|quarters?|mo|yrs?|y|M|tomorrow|today|tonight|next|business|working|weekdays?)\b|[0-9](?:mo|M|y)\b",
    re.IGNORECASE,
)
_EXAMPLES = "write for example `90 seconds`, `15 minutes`, `2 hours`, `3 days`, `1 day 12 hours` or `90s 15m 2h 3d 1w`"
_MAX = timedelta(days=365_000)
"""About a thousand years: longer is a slip of the finger, and would leave the calendar."""
_MAX_LENGTH = 200


class DurationError(ValueError):
    """A text is not a duration.

    Attributes:
        message: what is wrong, one clause.
        hint: what to write instead.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}; {hint}")
        self.message = message
        self.hint = hint


def parse_duration(text: str) -> timedelta:
    """Return the elapsed time that `text` names; a day is 24 hours. Exact to the microsecond.

    Raises:
        DurationError: the text is no duration, has no fixed length (months), or is longer than a thousand years.
    """
    if len(text) > _MAX_LENGTH:
        raise DurationError("this is too long for a duration", _EXAMPLES)
    position, total = 0, Decimal(0)
    stripped = text.rstrip()
    while position < len(stripped):
        part = _PART.match(stripped, position)
        unit = _unit(part.group(2)) if part else None
        if part is None or unit is None:
            raise _refusal(stripped, part.group(2) if part else "")
        total += Decimal(part.group(1)) * _UNITS[unit]
        position = part.end()
    if position == 0:
        raise _refusal(stripped, "")
    try:
        duration = timedelta(microseconds=int(total.to_integral_value(ROUND_HALF_UP)))
    except OverflowError:
        duration = timedelta.max
    if duration > _MAX:
        raise DurationError(f"`{stripped}` is longer than a thousand years", "write a shorter duration")
    return duration


def _unit(word: str) -> str | None:
    # A capital M means months to many people, so single letters are taken as written.
    return _NAMES.get(word if len(word) == 1 else word.lower())


def _refusal(text: str, word: str) -> DurationError:
    if not text.strip():
        return DurationError("a duration is missing", _EXAMPLES)
    if text.lstrip().startswith("-"):
        return DurationError(f"`{text.strip()}` is negative", "a duration is never less than zero")
    if _CALENDAR.search(text):
        return DurationError(
            f"`{text.strip()}` has no fixed length",
            "a duration is elapsed time in weeks, days, hours, minutes or seconds; for a day of the calendar use `wait_until`",
        )
    if re.fullmatch(r"\s*[0-9]+(?:\.[0-9]+)?\s*", text):
        number = text.strip()
        return DurationError(
            f"`{number}` has no unit", f"write `{number} minutes`, `{number} hours` or `{number} days`"
        )
    if word:
        return DurationError(f"`{word}` is not a unit of time", _EXAMPLES)
    return DurationError(f"`{text.strip()}` is not a duration", _EXAMPLES)


def format_duration(duration: timedelta) -> str:
    """Return `duration` in words that `parse_duration` reads back to the same value (`1 day 12 hours`).

    A negative one is written with a leading `-`, which `parse_duration` refuses.
    """
    if duration < timedelta(0):
        return f"-{format_duration(-duration)}"
    seconds, micros = divmod(duration // timedelta(microseconds=1), 1_000_000)
    parts = []
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    if seconds or micros or not parts:
        number = f"{seconds}.{micros:06d}".rstrip("0").rstrip(".")
        parts.append(f"{number} second{'' if number == '1' else 's'}")
    return " ".join(parts)
