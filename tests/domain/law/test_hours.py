"""Lawful hours: the opening found is open, nothing before it is, across zones, holidays and daylight saving."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.law.hours import closes, easter, is_holiday, next_lawful, window_at
from engage.domain.law.rules import Rule
from engage.domain.timing import Weekday, wall_of

STEP = timedelta(minutes=15)
ZONES = [
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "Europe/Paris",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "UTC",
]


def rule(**given: Any) -> Rule:
    return Rule.model_validate(
        {
            "id": "r",
            "title": "t",
            "source": "s",
            "effective": "1990-01-01",
            "places": ["US"],
            "channels": ["sms"],
            **given,
        }
    )


quarters = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
windows = st.builds(
    lambda a, b, days: {
        "from": f"{min(a, b):%H:%M}",
        "to": f"{max(a, b):%H:%M}",
        "days": [d.name.lower() for d in days],
    },
    quarters,
    quarters,
    st.lists(st.sampled_from(list(Weekday)), max_size=7, unique=True),
).filter(lambda window: window["from"] != window["to"])
rules = st.builds(
    lambda hours, closed: rule(hours=hours, closed_on=closed),
    st.lists(windows, min_size=1, max_size=3),
    st.lists(
        st.sampled_from(["01-01", "03-29", "easter", "easter+1", "11-01", "12-25"]), max_size=3, unique=True
    ),
)
# Whole quarters of an hour, often beside a change of the clocks or a holiday.
instants = st.builds(
    lambda base, n: base + n * STEP,
    st.sampled_from(
        [
            datetime(2026, m, d, tzinfo=UTC)
            for m, d in [(3, 7), (3, 28), (4, 4), (10, 24), (10, 31), (12, 24), (12, 31), (6, 10)]
        ]
    ),
    st.integers(0, 4 * 96),
)


@given(rule=rules, now=instants, zone=st.sampled_from([ZoneInfo(name) for name in ZONES]))
def test_the_next_lawful_instant_is_open_and_the_first_that_is(
    rule: Rule, now: datetime, zone: ZoneInfo
) -> None:
    found = next_lawful(rule, now, zone)

    assert found is not None
    assert found >= now
    assert window_at(rule, found, zone) is not None
    at = now
    while at < min(found, now + timedelta(days=9)):
        assert window_at(rule, at, zone) is None
        at += STEP


@given(rule=rules, now=instants, zone=st.sampled_from([ZoneInfo(name) for name in ZONES]))
def test_a_window_is_open_until_it_closes_and_not_a_moment_longer(
    rule: Rule, now: datetime, zone: ZoneInfo
) -> None:
    end = closes(rule, now, zone)

    if window_at(rule, now, zone) is None:
        assert end is None
        return
    assert end is not None
    at = now
    while at < min(end, now + timedelta(days=3)):
        assert window_at(rule, at, zone) is not None
        at += STEP
    assert end > now + timedelta(days=1) or window_at(rule, end, zone) is None


@pytest.mark.parametrize(
    ("year", "day"),
    [
        (1961, (4, 2)),
        (2000, (4, 23)),
        (2024, (3, 31)),
        (2026, (4, 5)),
        (2027, (3, 28)),
        (2038, (4, 25)),
        (2285, (3, 22)),
    ],
)
def test_easter_is_when_the_church_says(year: int, day: tuple[int, int]) -> None:
    assert easter(year) == date(year, *day)


def test_holidays_move_with_easter() -> None:
    french = rule(hours=[{"from": "08:00", "to": "22:00"}], closed_on=["easter+1", "easter+39", "02-29"])

    assert is_holiday(french, date(2026, 4, 6))
    assert is_holiday(french, date(2026, 5, 14))
    assert not is_holiday(french, date(2026, 4, 5))
    assert is_holiday(french, date(2028, 2, 29))


def test_a_rule_that_ended_or_has_not_begun_closes_nothing() -> None:
    zone = ZoneInfo("America/Chicago")
    short = rule(hours=[{"from": "12:00", "to": "13:00"}], effective="2026-03-02", ends="2026-03-03")

    for day, hour, opens in [(1, 3, (1, 3)), (2, 3, (2, 12)), (3, 20, (4, 0)), (4, 3, (4, 3))]:
        now = datetime(2026, 3, day, hour, tzinfo=zone).astimezone(UTC)
        found = next_lawful(short, now, zone)
        assert found is not None
        wall = wall_of(found, zone)
        assert (wall.day, wall.hour) == opens


def test_a_rule_that_is_closed_for_weeks_opens_in_the_end() -> None:
    shut = rule(
        hours=[{"days": ["sun"], "from": "08:00", "to": "09:00"}],
        closed_on=[f"{m:02}-{d:02}" for m in range(1, 13) for d in range(1, 29)],
    )

    assert (
        next_lawful(shut, datetime(2026, 2, 1, tzinfo=UTC), ZoneInfo("UTC")) is not None
    )  # 29 March is a Sunday
