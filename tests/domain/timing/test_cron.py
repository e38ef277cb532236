"""Cron lines."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engage.domain.timing import CronError, civil, cron_next, parse_cron
from tests.domain.timing.clocks import INSTANTS, NOWS, wall

BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("line", "after", "expected"),
    [
        ("0 9 * * mon", "2026-03-02T09:00", "2026-03-09T09:00"),
        ("0 9 * * mon", "2026-03-02T08:59:59", "2026-03-02T09:00"),
        ("*/15 * * * *", "2026-03-02T09:01", "2026-03-02T09:15"),
        ("0 9 1,15 * *", "2026-03-02T09:00", "2026-03-15T09:00"),
        ("30 8-10 * * *", "2026-03-02T09:00", "2026-03-02T09:30"),
        ("0 0 29 feb *", "2026-03-01T00:00", "2028-02-29T00:00"),
        ("0 9 * * 7", "2026-03-02T00:00", "2026-03-08T09:00"),
        ("0 9 * * fri-mon", "2026-03-02T10:00", "2026-03-06T09:00"),
        ("0 9 13 * fri", "2026-03-02T10:00", "2026-03-06T09:00"),
        ("5/20 9 * * *", "2026-03-02T09:05", "2026-03-02T09:25"),
        ("0 12 * JAN-MAR SUN", "2026-03-30T00:00", "2027-01-03T12:00"),
    ],
)
def test_the_next_tick(line: str, after: str, expected: str) -> None:
    assert cron_next(line, at(after), BERLIN) == at(expected)


def test_a_tick_in_a_gap_comes_once_right_after_it() -> None:
    first = cron_next("*/15 2 * * *", at("2026-03-29T00:00"), BERLIN)

    assert first == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert cron_next("*/15 2 * * *", first, BERLIN) == at("2026-03-30T02:00")


def test_a_tick_that_exists_twice_is_the_first() -> None:
    first = cron_next("30 2 * * *", at("2026-10-25T00:00"), BERLIN)

    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert cron_next("30 2 * * *", first, BERLIN) == at("2026-10-26T02:30")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "a * * * *",
        "* * * * L",
        "5-1 * * * *",
        "0 0 31 2 *",
        "@daily",
        "1,,2 * * * *",
        "-1 * * * *",
    ],
)
def test_other_lines_are_refused_with_a_hint(line: str) -> None:
    with pytest.raises(CronError) as caught:
        parse_cron(line)

    assert caught.value.hint


@given(st.text(alphabet="0123456789*/,- monfrijadec", max_size=30))
def test_no_line_breaks_it(line: str) -> None:
    with suppress(CronError):
        assert parse_cron(line).times


_MINUTES = st.sampled_from(["*", "0", "30", "*/15", "5,35", "10-20/5"])
_HOURS = st.sampled_from(["*", "0", "2", "9", "*/6", "22-23"])
_DAYS = st.sampled_from(["*", "1", "15", "29", "31", "*/10", "1-7"])
_MONTHS = st.sampled_from(["*", "feb", "1-3", "12", "*/5"])
_WEEKDAYS = st.sampled_from(["*", "mon", "1-5", "0", "7", "sat,sun"])
LINES = st.tuples(_MINUTES, _HOURS, _DAYS, _MONTHS, _WEEKDAYS).map(" ".join)


@settings(deadline=None)
@given(LINES, INSTANTS)
def test_without_changes_of_the_clock_it_agrees_with_an_independent_reading(
    line: str, after: datetime
) -> None:
    try:
        expected = next(CronSim(line, after))
    except (CronSimError, StopIteration):
        assume(False)

    assert cron_next(line, after, UTC_ZONE) == expected


@settings(deadline=None)
@given(LINES, NOWS)
def test_a_tick_is_after_and_on_the_wall_or_right_after_a_gap(
    line: str, place: tuple[datetime, ZoneInfo]
) -> None:
    after, zone = place
    try:
        cron = parse_cron(line)
    except CronError:
        assume(False)

    tick = cron_next(cron, after, zone)

    assert tick > after
    shown = wall(tick, zone)
    days = [shown.date(), shown.date() - timedelta(days=1)]
    assert any(
        cron.falls_on(day) and any(civil(day, clock, zone) == tick for clock in cron.times) for day in days
    )
