"""Dates that come back every year: birthdays, renewals."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engage.domain.timing.zone import civil, wall_of


def yearly(day: date, year: int, *, days_before: int = 0) -> date:
    """Return the day in which `day` is marked in `year`, `days_before` days ahead; 29 Feb is 28 Feb elsewhere."""
    try:
        marked = day.replace(year=year)
    except ValueError:
        marked = date(year, 2, 28)
    return marked - timedelta(days=days_before)


def next_yearly(
    day: date, at: time, after: datetime, zone: ZoneInfo, *, days_before: int = 0
) -> tuple[datetime, int]:
    """Return the first instant strictly after `after` at which `day` is marked, and the year it is marked for.

    With `days_before` the instant may lie in the year before that year. Never before `day` itself was.
    """
    year = max(wall_of(after, zone).year - 1, day.year)
    while True:
        instant = civil(yearly(day, year, days_before=days_before), at, zone)
        if instant > after:
            return instant, year
        year += 1
