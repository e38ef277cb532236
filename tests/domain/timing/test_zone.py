"""Zones and civil times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.timing import civil, zone_names, zone_of
from tests.domain.timing.clocks import NOWS, TIMES, wall

BERLIN, NEW_YORK, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("UTC")


def test_a_zone_is_found_by_its_iana_name() -> None:
    assert zone_of("Europe/Berlin", UTC_ZONE) == (BERLIN, False)


@pytest.mark.parametrize("name", [None, ""])
def test_a_missing_zone_falls_back_and_is_not_invalid(name: object) -> None:
    assert zone_of(name, NEW_YORK) == (NEW_YORK, False)


@pytest.mark.parametrize(
    "name",
    [
        "Mars/Phobos",
        "europe/berlin",
        "Europe",
        "../etc/passwd",
        "/etc/localtime",
        "localtime",
        "\0",
        "x" * 5000,
        5,
        True,
        ["UTC"],
        {},
    ],
)
def test_an_invalid_zone_falls_back_and_says_so(name: object) -> None:
    assert zone_of(name, NEW_YORK) == (NEW_YORK, True)


@given(st.text() | st.integers() | st.lists(st.text()))
def test_no_name_breaks_it(name: object) -> None:
    zone, _ = zone_of(name, UTC_ZONE)

    assert isinstance(zone, ZoneInfo)


def test_nine_is_nine_on_the_wall_across_daylight_saving() -> None:
    assert civil(date(2026, 3, 28), time(9), BERLIN) == datetime(2026, 3, 28, 8, tzinfo=UTC)
    assert civil(date(2026, 3, 29), time(9), BERLIN) == datetime(2026, 3, 29, 7, tzinfo=UTC)


def test_a_time_that_does_not_exist_moves_to_the_first_instant_after_the_gap() -> None:
    assert civil(date(2026, 3, 29), time(2, 30), BERLIN) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert civil(date(2026, 3, 29), time(2, 0), BERLIN) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert civil(date(2011, 12, 30), time(9), ZoneInfo("Pacific/Apia")) == datetime(
        2011, 12, 30, 10, tzinfo=UTC
    )


def test_a_time_that_exists_twice_is_the_first() -> None:
    assert civil(date(2026, 10, 25), time(2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@given(NOWS, TIMES)
def test_the_wall_shows_the_time_unless_it_does_not_exist(place: tuple[datetime, ZoneInfo], at: time) -> None:
    now, zone = place
    day = now.astimezone(zone).date()

    instant = civil(day, at, zone)

    if wall(instant, zone) != datetime.combine(day, at):
        moment = timedelta(microseconds=1)
        assert wall(instant - moment, zone) < datetime.combine(day, at) < wall(instant, zone)


@given(NOWS, TIMES)
def test_no_earlier_instant_shows_the_time(place: tuple[datetime, ZoneInfo], at: time) -> None:
    now, zone = place
    day = now.astimezone(zone).date()

    instant = civil(day, at, zone)

    quarters = (instant - timedelta(minutes=15 * number) for number in range(1, 120))
    assert all(wall(earlier, zone) != datetime.combine(day, at) for earlier in quarters)


def changes(zone: ZoneInfo, year: int) -> Iterator[date]:
    """The days on which the clocks of a zone change."""
    day = datetime(year, 1, 1, tzinfo=UTC)
    while day.year == year:
        if day.astimezone(zone).utcoffset() != (day + timedelta(days=1)).astimezone(zone).utcoffset():
            yield from {(day + timedelta(hours=hours)).astimezone(zone).date() for hours in (0, 24)}
        day += timedelta(days=1)


@pytest.mark.parametrize("year", [2026])
def test_in_every_zone_every_quarter_of_every_day_of_change_is_on_the_wall_or_right_after_the_gap(
    year: int,
) -> None:
    quarters = [time(hour, minute) for hour in range(24) for minute in (0, 15, 30, 45)]
    for name in sorted(zone_names()):
        zone = ZoneInfo(name)
        for day in changes(zone, year):
            before = None
            for at in quarters:
                instant = civil(day, at, zone)
                shown = instant.astimezone(zone).replace(tzinfo=None)
                wanted = datetime.combine(day, at)
                # Never earlier than the wall says; later only by a gap, whose end everything in it shares.
                assert shown >= wanted, (name, day, at)
                if shown != wanted:
                    tick = instant - timedelta(microseconds=1)
                    assert tick.astimezone(zone).replace(tzinfo=None) < wanted, (name, day, at)
                assert before is None or before <= instant, (name, day, at)
                before = instant
