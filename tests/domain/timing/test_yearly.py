"""Dates that come back every year."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.timing import civil, next_yearly, yearly
from tests.domain.timing.clocks import NOWS, TIMES

BERLIN = ZoneInfo("Europe/Berlin")
DAYS = st.dates(date(1930, 1, 1), date(2036, 12, 31))


def test_a_leap_day_is_28_february_elsewhere() -> None:
    assert yearly(date(2000, 2, 29), 2027) == date(2027, 2, 28)
    assert yearly(date(2000, 2, 29), 2028) == date(2028, 2, 29)


def test_days_before_may_fall_into_the_year_before() -> None:
    assert yearly(date(1990, 1, 2), 2027, days_before=3) == date(2026, 12, 30)


@pytest.mark.parametrize(
    ("after", "expected", "year"),
    [
        ("2026-05-01T08:59", "2026-05-01T09:00", 2026),
        ("2026-05-01T09:00", "2027-05-01T09:00", 2027),
    ],
)
def test_the_next_one_is_strictly_after(after: str, expected: str, year: int) -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)

    assert next_yearly(date(1990, 5, 1), time(9), at(after), BERLIN) == (at(expected), year)


@given(NOWS, DAYS, TIMES, st.integers(0, 60))
def test_the_next_one_is_the_first(
    place: tuple[datetime, ZoneInfo], day: date, at: time, days_before: int
) -> None:
    after, zone = place

    found, year = next_yearly(day, at, after, zone, days_before=days_before)

    assert found > after
    assert found == civil(yearly(day, year, days_before=days_before), at, zone)
    earlier = [
        civil(yearly(day, before, days_before=days_before), at, zone) for before in range(day.year, year)
    ]
    assert all(instant <= after for instant in earlier)


@given(DAYS, TIMES)
def test_once_a_year_and_no_year_left_out(day: date, at: time) -> None:
    instant = datetime(day.year, 1, 1, tzinfo=UTC) - timedelta(days=2)
    years = []
    for _ in range(5):
        instant, year = next_yearly(day, at, instant, BERLIN)
        years.append(year)

    assert years == list(range(day.year, day.year + 5))
