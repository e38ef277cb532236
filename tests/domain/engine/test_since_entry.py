"""What a run looks at from its own entry on is loaded from there on: a long history before it is neither counted nor read."""

from datetime import timedelta

from engage.domain.profile.person import Person
from engage.engine.digest.working_set import load_people
from tests.domain.engine.house import House

DAY = timedelta(days=1)
ASKS = {
    "journey": "asks",
    "trigger": {"event": "Cart Updated"},
    "entry": {"reentry": "always"},
    "steps": [
        {"wait_for": {"event": "Ready", "timeout": "30 days"}},
        {
            "branch": [
                {
                    "if": "did('Order Completed', since=run.entered_at)",
                    "then": [{"remember": {"found": "yes"}}],
                },
                {"else": [{"remember": {"found": "no"}}]},
            ]
        },
        {"wait": "30 days"},
    ],
}
WAITS = {
    "journey": "waits",
    "trigger": {"event": "Cart Updated"},
    "steps": [
        {"wait": "1 hour"},
        {
            "wait_for": {
                "since": "entry",
                "branches": [{"event": "Order Completed", "then": [{"remember": {"found": "yes"}}]}],
                "timeout": "30 days",
            }
        },
        {"wait": "30 days"},
    ],
}


def pass_by(house: House, **duration: float) -> None:
    house.sleep_until(house.clock.now() + timedelta(**duration))
    house.rest()


def order(house: House, user: str, times: int = 1) -> None:
    for _ in range(times):
        house.track(user, "Order Completed")
        pass_by(house, minutes=1)


def loaded(house: House) -> list[Person]:
    with house.store.transaction() as tx:
        catalog = house.compiled.catalog_of(tx)
        people = load_people(tx, catalog, tx.people.page(None, 10), now=house.clock.now())
    return list(people.values())


def test_neither_who_is_in_it_nor_who_is_not_has_their_history_before_read() -> None:
    house = House()
    house.publish(ASKS, WAITS)
    order(house, "in", 20)
    order(house, "out", 20)
    house.track("in", "Cart Updated")
    pass_by(house, minutes=1)
    order(house, "in", 2)
    order(house, "out", 2)

    counts = sorted(len(list(person.history.matching("Order Completed"))) for person in loaded(house))

    assert counts == [0, 2]


def test_an_order_before_the_entry_does_not_count_and_one_after_it_does() -> None:
    house = House()
    house.publish(ASKS)
    for user in ("before", "after"):
        order(house, user, 3)
        house.track(user, "Cart Updated")
        pass_by(house, days=3)
    order(house, "after")
    for user in ("before", "after"):
        house.track(user, "Ready")
    house.rest()

    assert sorted(run.variables["found"] for run in house.runs("asks")) == ["no", "yes"]


def test_what_happened_before_but_is_told_late_does_not_count() -> None:
    house = House()
    house.publish(ASKS)
    house.track("ada", "Cart Updated")
    pass_by(house, hours=1)
    house.track("ada", "Order Completed", ago_hours=5)
    pass_by(house, hours=1)
    house.track("ada", "Ready")
    house.rest()

    assert [run.variables["found"] for run in house.runs("asks")] == ["no"]


def test_a_wait_since_entry_finds_what_happened_in_between() -> None:
    house = House()
    house.publish(WAITS)
    order(house, "ada", 2)
    house.track("ada", "Cart Updated")
    pass_by(house, minutes=10)
    order(house, "ada")
    assert [run.variables for run in house.runs("waits")] == [{}]
    pass_by(house, hours=2)

    assert [run.variables.get("found") for run in house.runs("waits")] == ["yes"]


def test_who_becomes_one_with_somebody_in_a_run_brings_what_happened_since_it_began() -> None:
    house = House()
    house.publish(ASKS)
    house.track("ada", "Page Viewed")
    house.track("anon-1", "Cart Updated")
    pass_by(house, hours=1)
    order(house, "ada")
    pass_by(house, hours=1)
    house.alias("ada", "anon-1")
    house.track("ada", "Ready")
    house.rest()

    assert [run.variables["found"] for run in house.runs("asks")] == ["yes"]
