"""Zones and civil time: what a wall clock shows somewhere, across its changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

_SECOND = timedelta(seconds=1)
#: Entries of the database that are no place: "Factory" is its placeholder, "localtime" the machine's own setting.
_NO_PLACES = frozenset({"Factory", "localtime"})


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of the IANA database that `zone_of` accepts."""
    return frozenset(available_timezones()) - _NO_PLACES


@lru_cache(maxsize=2048)
def _known_zone(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if name in zone_names() else None


def zone_of(name: object, fallback: ZoneInfo) -> tuple[ZoneInfo, bool]:
    """Return the zone called `name` and whether `name` was invalid.

    A missing name (none or an empty text) is `fallback` and not invalid; anything else that is no IANA name is
    `fallback` and invalid. Never raises.
    """
    if name is None or name == "":
        return fallback, False
    zone = _known_zone(name) if isinstance(name, str) else None
    return (fallback, True) if zone is None else (zone, False)


def civil(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the instant (UTC) at which the wall clock of `zone` shows `at` on `day`.

    A wall time that does not exist is the first instant after the gap; one that exists twice is the first.

    Raises:
        OverflowError: the instant lies outside the years 1 to 9999.
    """
    wall = datetime.combine(day, at.replace(tzinfo=None, fold=0))
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(instant, zone) == wall:
        return instant
    # In a gap fold=0 reads with the old offset, which lands after the change, and fold=1 before it.
    return change_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), instant, zone) or instant


def both_civil(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return every instant at which the wall shows `at` on `day`, in order; for a gap the first instant after it."""
    first = civil(day, at, zone)
    second = datetime.combine(day, at.replace(tzinfo=None), tzinfo=zone).replace(fold=1).astimezone(UTC)
    return (first, second) if second > first else (first,)


def change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first instant in (low, high] with the offset that holds at `high`; None if `low` has it already.

    Both are UTC; there is at most one change of offset between them. Changes happen on whole seconds.
    """
    after = high.astimezone(zone).utcoffset()
    if low >= high or low.astimezone(zone).utcoffset() == after:
        return None
    low = low.replace(microsecond=0)
    span = -((low - high) // _SECOND)
    before, holds = (
        0,
        span,
    )  # in seconds after `low`: the old offset holds at `before`, the new one at `holds`
    while holds - before > 1:
        middle = (before + holds) // 2
        if (low + middle * _SECOND).astimezone(zone).utcoffset() == after:
            holds = middle
        else:
            before = middle
    return low + holds * _SECOND


def wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what the wall clock of `zone` shows at `instant`, as a naive datetime."""
    return _wall(instant, zone)


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)
