"""A journey's funnel is whole: every step a run has been at counts it, whatever the step does."""

from engage.console.steps import numbers_by_step
from engage.storage.memory.reading import MemoryReading
from tests.domain.engine.house import House

JOURNEY = {
    "journey": "j",
    "trigger": {"event": "Go"},
    "exit_when": [{"event": "Gone"}],
    "on_exit": [{"emit": {"event": "Bye"}, "id": "bye"}],
    "steps": [
        {"remember": {"n": 1}, "id": "note"},
        {
            "branch": [
                {
                    "if": "entry.big == true",
                    "then": [{"wait": "1 day", "id": "rest"}, {"exit": "done", "id": "end"}],
                },
                {
                    "else": [
                        {"repeat": {"times": 3, "steps": [{"set": {"x": 1}, "id": "mark"}]}, "id": "loop"}
                    ]
                },
            ],
            "id": "which",
        },
        {"wait": "2 days", "id": "last"},
    ],
}


def funnel(house: House) -> dict[str, tuple[int, int, int]]:
    reading = MemoryReading(house.store)
    with house.store.transaction() as tx:
        catalog = house.compiled.catalog_of(tx)
    numbers = numbers_by_step(catalog, "j", reading.journey("j").funnel)
    return {step: (one.entered, one.waiting, one.left) for step, one in numbers.items()}


def test_every_step_counts_the_runs_that_were_at_it_once_however_often_they_came() -> None:
    house = House()
    house.publish(JOURNEY)
    house.track("ada", "Go", big=True)
    house.track("bob", "Go", big=False)
    house.rest()

    assert funnel(house) == {
        "note": (2, 0, 2),
        "which": (2, 0, 2),
        "rest": (1, 1, 0),
        "loop": (1, 0, 1),
        "mark": (1, 0, 1),
        "last": (1, 1, 0),
    }


def test_the_last_steps_of_a_run_that_left_count_too() -> None:
    house = House()
    house.publish(JOURNEY)
    house.track("ada", "Go", big=True)
    house.rest()
    house.track("ada", "Gone")
    house.rest()

    found = funnel(house)
    assert found["bye"] == (1, 0, 1)
    assert found["rest"] == (1, 0, 1)
