"""A fact that can never be digested is put aside with its reason, and its neighbours do not notice."""

from typing import Any

import pytest

from engage.domain import handle
from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Call, NewFact, Send, encode
from engage.domain.ids import DeliveryId, lane_of, uuid7
from engage.domain.person import Person
from engage.domain.turn import Turn
from engage.engine import play
from engage.engine.digest import MAX_ATTEMPTS
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
