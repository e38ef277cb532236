"""Dates of people's own: once a year for everybody, wherever they go."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.domain.journey.resume import resume
from engage.domain.profile.person import Person
from engage.domain.timing import yearly
from engage.domain.turn.turn import Turn
from tests.domain.engine.house import House

YEAR = timedelta(days=365)
ZONES = [
    "Pacific/Kiritimati",
    "Asia/Tokyo",
    "Europe/Berlin",
    "UTC",
    "America/Los_Angeles",
    "Pacific/Pago_Pago",
]
NINE = time(9)
YEARS = range(2026, 2030)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@settings(max_examples=40, deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.integers(2026, 2029), st.integers(-30, 30), st.sampled_from(ZONES)), max_size=12
    ),
    day=st.dates(date(1950, 1, 1), date(2004, 12, 31)),
    days_before=st.integers(0, 40),
)
def test_whoever_moves_around_the_world_has_one_birthday_a_year(
    moves: list[tuple[int, int, str]], day: date, days_before: int
) -> None:
    house = House(FIRST)
    trigger = {"date": {"trait": "birthday", "every": "year", "days_before": days_before}}
    house.publish({"journey": "j", "trigger": trigger, "steps": [{"remember": {"x": 1}}]})
    house.identify("ada", birthday=str(day), timezone="UTC")
    house.rest()

    due = {year: datetime.combine(yearly(day, year, days_before=days_before), NINE, UTC) for year in YEARS}
    for at, zone in sorted((due[year] + timedelta(hours=hours), zone) for year, hours, zone in moves):
        house.world.run_until(max(at, FIRST))
        house.identify("ada", timezone=zone)
        house.rest()
    house.world.run_until(FIRST + 4 * YEAR)

    years = [str(run.entry["date"])[:4] for run in house.runs("j")]
    assert len(years) == len(set(years))
    assert {"2027", "2028"} <= set(years)
    assert all(str(run.entry["date"])[5:] in (str(day)[5:], "02-28") for run in house.runs("j"))


@settings(max_examples=25, deadline=None)
@given(
    moves=st.lists(st.tuples(st.integers(0, 14 * 24), st.sampled_from(ZONES)), max_size=8),
)
def test_whoever_moves_around_the_world_has_a_daily_tick_a_day(moves: list[tuple[int, str]]) -> None:
    house = House(FIRST)
    trigger = {"schedule": {"cron": "0 9 * * *", "zone": "person"}}
    house.publish({"journey": "j", "trigger": trigger, "steps": [{"remember": {"x": 1}}]})
    house.identify("ada", timezone="UTC")
    house.rest()

    for hours, zone in sorted(moves):
        house.world.run_until(FIRST + timedelta(hours=hours))
        house.identify("ada", timezone=zone)
        house.rest()
    house.world.run_until(FIRST + timedelta(days=16))

    assert 14 <= len(house.runs("j")) <= 17


def test_a_merge_gives_nobody_a_second_birthday() -> None:
    house = House(FIRST)
    trigger = {"date": {"trait": "birthday", "every": "year", "time": "09:00"}}
    house.publish({"journey": "j", "trigger": trigger, "steps": [{"remember": {"x": 1}}]})
    house.identify("ada", birthday="1990-02-01")
    house.identify("anon", birthday="1990-03-01")
    house.world.run_until(FIRST + timedelta(days=40))
    assert len(house.runs("j")) == 1

    house.alias("ada", "anon")
    house.rest()
    house.world.run_until(FIRST + timedelta(days=200))
    assert len(house.runs("j")) == 1

    house.world.run_until(FIRST + timedelta(days=500))
    assert len(house.runs("j")) == 2


DAILY = {"schedule": {"cron": "0 9 * * *", "zone": "person"}}
OF_SOME = {"schedule": {"cron": "0 9 * * *", "zone": "person", "audience": "born"}}
BIRTHDAY = {"date": {"trait": "birthday", "every": "year"}}
BORN = {"audience": "born", "where": "profile.birthday is present"}


@pytest.mark.parametrize("trigger", [DAILY, OF_SOME, BIRTHDAY])
@pytest.mark.parametrize("state", ["paused", "archived"])
def test_clocks_of_a_journey_that_goes_on_go_for_everybody(trigger: dict[str, Any], state: str) -> None:
    house = House(FIRST)
    house.publish(BORN, {"journey": "j", "trigger": trigger, "steps": [{"remember": {"x": 1}}]})
    house.identify("ada", birthday="1990-01-02")
    house.rest()
    house.world.publish.set_state("j", state)
    house.identify("bob", birthday="1990-01-12")
    house.world.run_until(FIRST + timedelta(days=3))
    assert house.runs("j") == []

    house.world.publish.set_state("j", "active")
    house.rest()
    house.world.run_until(FIRST + timedelta(days=375))

    assert {run.profile for run in house.runs("j")} == set(house.profiles())


@pytest.mark.parametrize(
    ("trigger", "state", "looked_at"),
    [
        (BIRTHDAY, "paused", set()),
        (OF_SOME, "paused", set()),
        (OF_SOME, "archived", {"ada", "bob"}),
        (DAILY, "paused", set()),
        (DAILY, "archived", {"ada", "bob", "eve"}),
    ],
)
def test_who_is_not_concerned_is_not_looked_at_when_a_journey_goes_on(
    trigger: dict[str, Any], state: str, looked_at: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(FIRST)
    house.publish(BORN, {"journey": "j", "trigger": trigger, "steps": [{"wait": "90 days"}]})
    house.identify("ada", birthday="1990-01-01")
    house.identify("bob", birthday="1990-06-12")
    house.identify("eve", name="Eve")
    house.rest()
    seen: set[str] = set()

    def looking(turn: Turn, person: Person, journey: str) -> None:
        seen.add(person.profile.identifier("user_id") or "")
        resume(turn, person, journey)

    monkeypatch.setattr("engage.engine.publish.backfill.resume", looking)
    house.world.publish.set_state("j", state)
    house.rest()
    house.world.publish.set_state("j", "active")
    house.rest()

    assert seen == looked_at
