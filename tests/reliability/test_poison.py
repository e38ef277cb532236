"""A fact that can never be digested is put aside with its reason, and its neighbours do not notice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Call, NewFact, Send, encode
from engage.domain.ids import DeliveryId, lane_of, uuid7
from engage.domain.profile.person import Person
from engage.domain.turn import handle
from engage.domain.turn.turn import Turn
from engage.engine.digest import play
from engage.engine.digest.blame import ALONE, LONGEST_PAUSE
from engage.engine.digest.digest import MAX_ATTEMPTS
from engage.ports.storage import StorageAwayError
from engage.storage.postgres.session import translated
from tests.domain.engine.house import House

LANES = range(64)


def digest_all(house: House, rounds: int = 30) -> None:
    for _ in range(rounds):
        house.world.digest.turn(LANES, house.clock.now())


def send_to(house: House, number: int, address: str) -> None:
    delivery = DeliveryId(uuid7(house.clock.now(), str(number)))
    fact = Send(message_id=f"send-{number}", delivery=delivery, channel="email", to=address, text="Hi")
    new = NewFact(
        lane=lane_of(address),
        source="api",
        message_id=fact.message_id,
        received_at=house.clock.now(),
        payload=encode(fact),
    )
    house.world.add([new])


def test_two_sends_to_an_address_that_is_nobodys_are_two_deliveries() -> None:
    house = House()
    send_to(house, 1, "somebody@x.example")
    digest_all(house, 1)

    send_to(house, 2, "somebody@x.example")
    digest_all(house, 1)

    assert len(house.store.look().deliveries.all()) == 2
    assert len(house.profiles()) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, IdentityRaceError, RecursionError])
def test_a_poison_fact_is_quarantined_and_its_neighbours_go_on(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House()
    for number in range(5):
        house.track(f"u{number}", "Poison" if number == 2 else "Fine")
    house.track("u2", "Fine")
    healthy = handle.on_call

    def on_call(turn: Turn, person: Person, call: Call, *more: Any) -> None:
        if call.event == "Poison":
            raise error("this fact can not be digested")
        healthy(turn, person, call, *more)

    monkeypatch.setattr(play, "on_call", on_call)

    digest_all(house, 1)
    fine = [row for row in house.store.look().events.all() if row.name == "Fine"]
    assert {row.key.id for row in fine} >= {"m-1", "m-2", "m-4", "m-5"}

    digest_all(house, MAX_ATTEMPTS)
    (kept,) = house.store.look().quarantine.all()
    assert kept.reason == "poison"
    assert house.store.look().inbox.all() == []
    assert len([row for row in house.store.look().events.all() if row.name == "Fine"]) == 5


def let_fail(monkeypatch: pytest.MonkeyPatch, fails: Callable[[Call], bool]) -> list[str]:
    """Have calls fail; return the ids of those that were tried, as they are."""
    healthy, tried = handle.on_call, list[str]()

    def on_call(turn: Turn, person: Person, call: Call, *more: Any) -> None:
        if fails(call):
            tried.append(call.message_id)
            raise ZeroDivisionError("a mistake of ours")
        healthy(turn, person, call, *more)

    monkeypatch.setattr(play, "on_call", on_call)
    return tried


def pass_time(house: House, passed: timedelta, step: timedelta) -> None:
    """Sweep every so often."""
    end = house.clock.now() + passed
    while house.clock.now() < end:
        digest_all(house, 1)
        house.clock.move_to(house.clock.now() + step)


def events(house: House, name: str) -> list[str]:
    return [row.key.id for row in house.store.look().events.all() if row.name == name]


def test_a_mistake_that_hits_every_fact_puts_none_aside_and_all_go_on_once_it_is_mended() -> None:
    house = House()
    for number in range(20):
        house.track(f"u{number}", "Fine")
        house.track(f"u{number}", "Fine")
    with pytest.MonkeyPatch.context() as patch:
        tried = let_fail(patch, lambda _: True)
        pass_time(house, timedelta(minutes=30), timedelta(seconds=5))

    assert house.store.look().quarantine.all() == []
    assert len(house.store.look().inbox.all()) == 40
    most = max(tried.count(message) for message in set(tried))
    assert most < 100, "tried again without a pause"

    house.clock.move_to(house.clock.now() + LONGEST_PAUSE)
    digest_all(house, 3)
    assert len(events(house, "Fine")) == 40
    assert house.store.look().inbox.all() == []


def test_a_poison_fact_that_comes_first_is_put_aside_as_soon_as_another_one_was_digested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    house.track("u1", "Poison")
    house.track("u1", "Fine")
    let_fail(monkeypatch, lambda call: call.event == "Poison")
    pass_time(house, timedelta(minutes=10), timedelta(seconds=5))
    assert house.store.look().quarantine.all() == []

    house.track("somebody", "Fine")
    digest_all(house, 2)

    assert [kept.reason for kept in house.store.look().quarantine.all()] == ["poison"]
    assert len(events(house, "Fine")) == 2


def test_a_poison_fact_that_stays_alone_holds_nobody_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    house.track("u1", "Poison")
    house.track("u1", "Fine")
    let_fail(monkeypatch, lambda call: call.event == "Poison")

    pass_time(house, ALONE + timedelta(minutes=2), timedelta(seconds=10))

    assert [kept.reason for kept in house.store.look().quarantine.all()] == ["poison"]
    assert len(events(house, "Fine")) == 1


@pytest.mark.parametrize(
    "error", [errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege]
)
def test_a_schema_that_is_not_this_versions_is_no_facts_fault(error: type[psycopg.Error]) -> None:
    assert isinstance(translated(error("no")), StorageAwayError)
