"""Zones and instants for property tests, and a slow but obvious way to find the first instant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from engage.domain.timing import zone_names

ZONES = st.sampled_from(sorted(zone_names())).map(ZoneInfo)
#: Zones that changed their clocks in unusual ways: half an hour, at midnight, a whole day skipped, offsets of seconds.
ODD_ZONES = st.sampled_from(
    [
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Asia/Beirut",
        "Africa/Cairo",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Asia/Tehran",
        "America/Havana",
        "Asia/Kathmandu",
        "Pacific/Chatham",
        "Europe/Dublin",
        "Antarctica/Troll",
        "America/Scoresbysund",
    ]
).map(ZoneInfo)
ANY_ZONE = ODD_ZONES | ZONES
INSTANTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2037, 12, 31)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))


@st.composite
def near_changes(draw: st.DrawFn) -> tuple[datetime, ZoneInfo]:
    """An instant within two days of a change of the clock, where the zone has any."""
    zone = draw(ANY_ZONE)
    start = draw(INSTANTS)
    for day in range(400):
        at = start + timedelta(days=day)
        if at.astimezone(zone).utcoffset() != (at + timedelta(days=1)).astimezone(zone).utcoffset():
            return at + timedelta(minutes=15 * draw(st.integers(-96, 192))), zone
    return start, zone


NOWS = near_changes() | st.tuples(INSTANTS, ANY_ZONE)


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the wall clock shows, as a naive datetime."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def first_by_looking(now: datetime, days: float, holds: Callable[[datetime], bool]) -> datetime | None:
    """Try `now`, then every full quarter of an hour after it."""
    if holds(now):
        return now
    quarter = timedelta(minutes=15)
    at = datetime.fromtimestamp(now.timestamp() // 900 * 900, UTC) + quarter
    while at <= now + timedelta(days=days):
        if holds(at):
            return at
        at += quarter
    return None
