"""Forgetting: a person is gone from every table; the proof says nothing about them."""

import msgspec

from engage.domain.fact import Forget, Identifier, NewFact, encode
from engage.domain.ids import lane_of
from engage.storage.memory.work import Work
from tests.domain.engine.house import House


def forget(house: House, person: Identifier, message_id: str = "f-1") -> None:
    fact = Forget(message_id=message_id, person=person)
    house.world.add(
        [
            NewFact(
                lane=lane_of(person.value),
                source="test",
                message_id=message_id,
                received_at=house.clock.now(),
                payload=encode(fact),
            )
        ]
    )


def house() -> House:
    house = House()
    steps = [{"sms": {"text": "Hi {{ profile.name }}"}}, {"wait": "1 day"}]
    house.publish(
        {"audience": "named", "where": "profile.name is present"},
        {"journey": "j", "trigger": {"event": "Go"}, "steps": steps},
    )
    house.identify("ada-lovelace", name="Augusta", phone="+14155550101", email="ada@shop.example")
    house.track("ada-lovelace", "Go", note="Augusta's own")
    house.rest()
    return house


def everything(work: Work) -> bytes:
    """Return all that is kept, but for the order book of what was seen."""
    views = [value for name, value in vars(work).items() if hasattr(value, "table") and name != "seen"]
    rows = [row for view in views for row in [*view.table.rows.items()]]
    return msgspec.json.encode([str(row) for row in rows])


def test_nothing_readable_is_left_anywhere() -> None:
    there = house()
    before = everything(there.store.look())
    assert b"Augusta" in before
    assert b"ada-lovelace" in before

    forget(there, Identifier("user_id", "ada-lovelace"))
    there.rest()

    left = everything(there.store.look())
    for word in (b"Augusta", b"ada-lovelace", b"+14155550101", b"ada@shop.example"):
        assert word not in left
    assert there.profiles() == []


def test_the_proof_names_nobody() -> None:
    there = house()
    forget(there, Identifier("user_id", "ada-lovelace"))
    there.rest()

    with there.store.transaction() as tx:
        (proof,) = tx.trail.newest(10)
    assert proof.action == "erased"
    assert proof.data["rows"] > 5


def test_what_came_before_is_digested_first_and_what_comes_after_is_somebody_new() -> None:
    there = house()
    there.track("ada-lovelace", "Go Again")
    forget(there, Identifier("user_id", "ada-lovelace"))
    there.track("ada-lovelace", "Came Back")
    there.rest()

    events = [row.name for row in there.store.look().events.all()]
    assert events == ["Came Back"]


def test_forgetting_nobody_is_no_accident() -> None:
    there = house()
    forget(there, Identifier("user_id", "nobody"), "f-2")
    forget(there, Identifier("id", "00000000-0000-7000-8000-000000000000"), "f-3")
    there.rest()

    assert len(there.profiles()) == 1
