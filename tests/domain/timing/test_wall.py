"""The next time of day, the next opening, the end of quiet hours: against a search that looks at every quarter."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.timing import (
    EVERY_DAY,
    QuietHours,
    Weekday,
    civil,
    is_open,
    is_quiet,
    next_allowed,
    next_at,
    next_open,
    next_quiet,
)
from tests.domain.timing.clocks import NOWS, TIMES, first_by_looking, wall

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(start=time(21), end=time(8))
DAYS = st.frozensets(st.sampled_from(Weekday))
Place = tuple[datetime, ZoneInfo]


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-02T08:59", "2026-03-02T09:00"),
        ("2026-03-02T09:00", "2026-03-03T09:00"),
        ("2026-03-28T12:00", "2026-03-29T09:00"),
    ],
)
def test_the_next_nine_is_strictly_after_now(now: str, expected: str) -> None:
    assert next_at(at(now), time(9), (), BERLIN) == at(expected)


def test_the_next_nine_on_a_monday() -> None:
    assert next_at(at("2026-03-02T09:00"), time(9), {Weekday.MON}, BERLIN) == at("2026-03-09T09:00")


@given(NOWS, TIMES, DAYS)
def test_next_at_is_after_now_on_a_wanted_day_at_the_wanted_time(
    place: Place, clock: time, days: frozenset[Weekday]
) -> None:
    now, zone = place

    found = next_at(now, clock, days, zone)

    assert found > now
    shown = wall(found, zone)
    candidates = [shown.date(), shown.date() - timedelta(days=1)]
    assert any(civil(day, clock, zone) == found and (not days or day.weekday() in days) for day in candidates)


@given(NOWS, TIMES, DAYS)
def test_next_at_misses_nothing(place: Place, clock: time, days: frozenset[Weekday]) -> None:
    now, zone = place

    found = next_at(now, clock, days, zone)

    day = wall(now, zone).date() - timedelta(days=2)
    while day <= wall(found, zone).date():
        if not days or day.weekday() in days:
            assert not now < civil(day, clock, zone) < found
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-02T08:59", "2026-03-02T09:00"),
        ("2026-03-02T09:00", "2026-03-02T09:00"),
        ("2026-03-02T19:59:59", "2026-03-02T19:59:59"),
        ("2026-03-02T20:00", "2026-03-03T09:00"),
    ],
)
def test_inside_goes_at_once_and_outside_waits_for_the_opening(now: str, expected: str) -> None:
    assert next_open(at(now), time(9), time(20), (), BERLIN) == at(expected)


def test_a_window_over_midnight_belongs_to_the_day_it_opens() -> None:
    friday_night = (time(22), time(2), {Weekday.FRI}, BERLIN)

    assert next_open(at("2026-03-07T01:00"), *friday_night) == at("2026-03-07T01:00")
    assert next_open(at("2026-03-06T01:00"), *friday_night) == at("2026-03-06T22:00")


def test_equal_ends_are_open_all_day() -> None:
    assert next_open(at("2026-03-02T03:00"), time(9), time(9), (), BERLIN) == at("2026-03-02T03:00")


@given(NOWS, TIMES, TIMES, DAYS)
def test_next_open_is_the_first_open_instant(
    place: Place, from_: time, to: time, days: frozenset[Weekday]
) -> None:
    now, zone = place

    found = next_open(now, from_, to, days, zone)

    assert found == first_by_looking(now, 12, lambda instant: is_open(instant, from_, to, days, zone))


@given(NOWS, TIMES, TIMES)
def test_next_allowed_is_the_first_instant_that_is_not_quiet(place: Place, start: time, end: time) -> None:
    now, zone = place
    quiet = QuietHours(start=start, end=end)

    found = next_allowed(now, quiet, zone)

    assert found >= now
    assert not is_quiet(found, quiet, zone)
    assert found == first_by_looking(now, 3, lambda instant: not is_quiet(instant, quiet, zone))


@given(NOWS, TIMES, TIMES)
def test_next_quiet_is_the_first_instant_that_is(place: Place, start: time, end: time) -> None:
    now, zone = place
    quiet = QuietHours(start=start, end=end)

    found = next_quiet(now, quiet, zone)

    assert found == (
        None if start == end else first_by_looking(now, 3, lambda instant: is_quiet(instant, quiet, zone))
    )


@given(NOWS, TIMES, TIMES)
def test_quiet_is_what_the_wall_says(place: Place, start: time, end: time) -> None:
    now, zone = place
    shown = wall(now, zone).time()

    by_the_wall = start <= shown < end if start <= end else shown >= start or shown < end

    assert is_quiet(now, QuietHours(start=start, end=end), zone) is by_the_wall


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-02T20:59:59", "2026-03-02T20:59:59"),
        ("2026-03-02T21:00", "2026-03-03T08:00"),
        ("2026-03-03T07:59:59", "2026-03-03T08:00"),
        ("2026-03-03T08:00", "2026-03-03T08:00"),
        ("2026-03-28T22:00", "2026-03-29T08:00"),
    ],
)
def test_from_is_quiet_and_to_is_not(now: str, expected: str) -> None:
    assert next_allowed(at(now), NIGHT, BERLIN) == at(expected)


def test_every_day_is_every_weekday() -> None:
    assert len(EVERY_DAY) == 7
