"""Ticks and signals: once, in time, at a pace, whatever dies."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.domain.delivery.delivery import Priority
from tests.domain.engine.house import START, House

HOUR = timedelta(hours=1)
NOTHING: list[dict[str, Any]] = [{"remember": {"x": 1}}]


def scheduled(**schedule: Any) -> dict[str, Any]:
    return {
        "journey": "j",
        "trigger": {"schedule": schedule},
        "entry": {"reentry": "always"},
        "steps": NOTHING,
    }


def entries(house: House) -> list[datetime]:
    return [run.entered_at for run in house.runs("j")]


def test_ticks_missed_in_a_downtime_are_one() -> None:
    house = House()
    house.publish(scheduled(cron="*/10 * * * *"))
    house.identify("ada")
    house.rest()

    house.sleep_until(START + 5 * HOUR + timedelta(minutes=5))
    house.rest()

    (run,) = house.runs("j")
    assert run.entry == {"scheduled_at": "2026-03-02T13:00:00Z"}


@pytest.mark.parametrize(
    ("late", "if_late", "entered"),
    [
        (timedelta(hours=2), "skip", 1),
        (timedelta(hours=2, seconds=1), "skip", 0),
        (timedelta(hours=20), "send", 1),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "person"])
def test_a_tick_that_is_too_late_is_skipped_unless_the_schedule_says_so(
    late: timedelta, if_late: str, entered: int, zone: str
) -> None:
    house = House()
    house.publish(scheduled(cron="0 9 * * *", if_late=if_late, zone=zone))
    house.identify("ada")
    house.rest()

    house.sleep_until(START + HOUR + late)
    house.rest()

    assert len(house.runs("j")) == entered


def test_a_missed_broadcast_runs_once_and_not_again() -> None:
    house = House()
    house.publish(scheduled(at=(START + HOUR).isoformat()))
    house.identify("ada")
    house.rest()

    house.sleep_until(START + 2 * HOUR)
    for _ in range(3):
        house.rest()

    assert entries(house) == [START + 2 * HOUR]


def test_the_next_tick_is_planned_when_a_new_version_says_another_time() -> None:
    house = House()
    house.publish(scheduled(cron="0 9 * * *"))
    house.identify("ada")
    house.rest()
    house.publish(scheduled(cron="0 10 * * *"))
    house.rest()

    house.world.run_until(START + 3 * HOUR)

    assert entries(house) == [START + 2 * HOUR]


def test_a_pace_holds_and_a_delay_is_not_made_up_in_a_hurry() -> None:
    house = House()
    house.publish(scheduled(at=(START + HOUR).isoformat(), pace="2 per second"))
    for number in range(10):
        house.identify(f"u{number}")
    house.rest()
    house.world.run_until(START + HOUR)
    house.sleep_until(START + HOUR + timedelta(seconds=30))

    house.rest()

    caught_up = [at for at in entries(house) if at == house.clock.now()]
    assert len(caught_up) <= 2 * 3  # what two seconds hold, and what is due now


@settings(max_examples=40, deadline=None)
@given(
    crashes=st.lists(st.integers(min_value=1, max_value=12), max_size=6),
    at_most=st.none() | st.just(7),
    pace=st.none() | st.just("2 per second"),
)
def test_nobody_enters_twice_whatever_dies(crashes: list[int], at_most: int | None, pace: str | None) -> None:
    house = House()
    trigger: dict[str, Any] = {"signal": "Free", "people": "profile.waits"}
    if at_most is not None:
        trigger["at_most"] = at_most
    if pace is not None:
        trigger["pace"] = pace
    house.publish({"journey": "j", "trigger": trigger, "entry": {"reentry": "always"}, "steps": NOTHING})
    for number in range(12):
        house.identify(f"u{number}", waits=number % 4 != 3)
    house.rest()
    house.signal("Free")

    for crash in crashes:
        left = iter(range(crash, -1, -1))
        house.crash_at = lambda _point, left=left: next(left, 1) == 0  # type: ignore[misc]  # default argument binds the loop's value
        house.crash_once(house.rest)
    house.crash_at = lambda _point: False
    house.signal("Free")  # told twice
    house.world.run_until(START + HOUR)

    people = [run.profile for run in house.runs("j")]
    assert len(people) == len(set(people)) == (9 if at_most is None else 7)


def test_a_broadcast_over_several_turns_enters_everybody_once() -> None:
    house = House()
    house.publish(scheduled(at=(START + HOUR).isoformat()))
    for number in range(1203):
        house.identify(f"u{number}")
    house.rest()

    house.world.run_until(START + HOUR)

    assert sorted(run.profile for run in house.runs("j")) == house.profiles()


def test_a_tick_waits_for_facts_that_came_before_it() -> None:
    house = House()
    house.publish(
        {"audience": "readers", "where": "profile.reads"}, scheduled(cron="0 9 * * *", audience="readers")
    )
    house.rest()
    house.sleep_until(START + HOUR - timedelta(seconds=1))
    house.identify("ada", reads=True)
    house.sleep_until(START + HOUR + timedelta(seconds=1))
    (tick,) = house.world.sweep.look(house.clock.now()).broadcasts
    house.world.broadcast.turn(tick, house.clock.now())
    (job,) = [name for name in house.world.sweep.look(house.clock.now()).broadcasts if name != tick]

    assert house.world.broadcast.turn(job, house.clock.now()) is None

    house.rest()
    assert len(house.runs("j")) == 1


def test_what_many_are_sent_gives_way_to_what_one_event_causes() -> None:
    house = House()
    broadcast = {**scheduled(at=(START + HOUR).isoformat()), "steps": [{"sms": {"text": "Hi"}}]}
    house.publish(broadcast)
    house.identify("ada", phone="+14155550101")
    house.rest()

    house.world.run_until(START + HOUR)

    (row,) = house.store.look().deliveries.all()
    assert row.priority is Priority.BULK


@pytest.mark.parametrize(("imported", "entered"), [(True, 1), (False, 0)])
def test_a_tick_waits_for_older_facts_that_may_say_who_is_meant_and_for_no_import(
    imported: bool, entered: int
) -> None:
    house = House()
    house.publish(scheduled(cron="0 9 * * *"))
    house.identify("ada")
    house.rest()
    if imported:
        house.import_history("bob", 3)
    else:
        house.track("bob", "Anything")
    house.clock.move_to(START + HOUR)

    for _ in range(3):
        for job in house.world.sweep.look(house.clock.now()).broadcasts:
            house.world.broadcast.turn(job, house.clock.now())

    assert len(house.runs("j")) == entered
