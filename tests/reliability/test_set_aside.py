"""One person whom a mistake of ours keeps from being judged holds up nobody else, and is not forgotten silently."""

from collections.abc import Callable
from typing import Any

import pytest

from engage.domain.decision import Decided, Decision
from engage.domain.ids import ProfileId
from engage.domain.journey.resume import resume
from engage.domain.profile.person import Person
from engage.domain.turn.react import begin, react
from engage.domain.turn.turn import Turn
from engage.engine.overview import overview
from engage.engine.publish import set_aside
from engage.storage.coding import decoder
from engage.storage.memory.reading import MemoryReading
from tests.domain.engine.house import House

PEOPLE = 23
NAMED = {"audience": "named", "where": "profile.name is present"}
WAITING: dict[str, Any] = {
    "journey": "j",
    "trigger": {"event": "Go"},
    "steps": [{"wait": "1 day"}, {"remember": {"x": 1}}],
}
CALLED: dict[str, Any] = {
    "journey": "called",
    "trigger": {"signal": "All", "people": "profile.name is present"},
    "steps": [{"remember": {"x": 1}}],
}


def crowd() -> House:
    house = House()
    house.publish(WAITING, CALLED)
    house.rest()
    for number in range(PEOPLE):
        house.identify(f"u{number}", name="Ada")
        house.track(f"u{number}", "Go")
    house.rest()
    return house


def failing_for(victims: list[ProfileId], healthy: Callable[..., Any]) -> Callable[..., Any]:
    def follow(turn: Turn, person: Person, *more: Any, **named: Any) -> Any:
        if person.profile.id in victims:
            raise ZeroDivisionError("a mistake of ours")
        return healthy(turn, person, *more, **named)

    return follow


def work_off(house: House, turns: int = 40) -> None:
    """Have jobs take turns as workers do: one that fails is taken again."""
    for _ in range(turns):
        while house.world.digest.turn(range(64), house.clock.now()).more:
            pass
        found = house.world.sweep.look(house.clock.now())
        for room, jobs in ((house.world.backfill, found.jobs), (house.world.broadcast, found.broadcasts)):
            for job in jobs:
                try:
                    room.turn(job, house.clock.now())
                except ZeroDivisionError:
                    continue


def unfinished(house: House) -> list[str]:
    with house.store.transaction() as tx:
        return [job.name for job in tx.jobs.unfinished()]


def shown(house: House) -> dict[str, Any]:
    """Return what `engage status` shows."""
    with house.store.transaction() as tx:
        catalog = house.compiled.catalog_of(tx)
    return overview(house.store, MemoryReading(house.store), catalog, house.clock.now())


def mistakes(house: House) -> list[Decision]:
    found = [decoder(Decision).decode(row.doc) for row in house.store.look().decisions.all()]
    return [decision for decision in found if decision.reason == "mistake"]


def members(house: House) -> set[ProfileId]:
    return {row.profile for row in house.store.look().memberships.all()}


@pytest.mark.parametrize("place", [0, 11, PEOPLE - 1])
def test_a_backfill_brings_everybody_else_in_line(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    house = crowd()
    victim = house.profiles()[place]
    monkeypatch.setattr("engage.engine.publish.backfill.react", failing_for([victim], react))

    house.publish(NAMED)
    work_off(house)

    assert unfinished(house) == []
    assert [job["people"] for job in shown(house)["set_aside"]] == [1]
    assert members(house) == set(house.profiles()) - {victim}
    (told,) = mistakes(house)
    assert (told.profile, told.kind, told.outcome, told.rule) == (
        victim, Decided.EVENT, "set_aside", "ZeroDivisionError"
    )  # fmt: skip


def test_a_journey_that_goes_on_takes_everybody_else_along(monkeypatch: pytest.MonkeyPatch) -> None:
    house = crowd()
    victims = [house.profiles()[3], house.profiles()[17]]
    house.world.publish.set_state("j", "paused")
    house.rest()
    monkeypatch.setattr("engage.engine.publish.backfill.resume", failing_for(victims, resume))

    house.world.publish.set_state("j", "active")
    work_off(house)

    assert unfinished(house) == []
    assert [told.profile for told in mistakes(house)] == victims


@pytest.mark.parametrize("at_most", [None, PEOPLE - 1])
def test_a_broadcast_enters_everybody_else(at_most: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    house = crowd()
    victim = house.profiles()[8]
    if at_most is not None:
        house.publish({**CALLED, "trigger": {**CALLED["trigger"], "at_most": at_most}})
        house.rest()
    monkeypatch.setattr("engage.engine.broadcast.broadcast.begin", failing_for([victim], begin))

    house.signal("All")
    work_off(house)

    assert unfinished(house) == []
    assert len(house.runs("called")) == (at_most or PEOPLE) - 1
    (told,) = mistakes(house)
    assert (told.profile, told.journey, told.kind, told.outcome) == (
        victim,
        "called",
        Decided.ENTRY,
        "refused",
    )


def test_a_mistake_that_hits_everybody_sets_only_some_aside_and_waits_to_be_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(set_aside, "MOST", 4)
    house = crowd()
    house.world.publish.set_state("j", "paused")
    house.rest()
    with monkeypatch.context() as patch:
        patch.setattr("engage.engine.publish.backfill.resume", failing_for(house.profiles(), resume))
        house.world.publish.set_state("j", "active")
        work_off(house)
        assert len(unfinished(house)) == 1
        assert len(mistakes(house)) == 4

    work_off(house)

    assert unfinished(house) == []
