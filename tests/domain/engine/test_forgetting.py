"""Forgetting: a person is gone from every table; the proof says nothing about them."""

from datetime import timedelta

import msgspec

from engage.domain.fact import Call, Forget, Identifier, Kind, NewFact, encode
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
    rows = [row for name, table in vars(work.tables).items() if name != "seen" for row in table.rows.items()]
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


ADA, MAIL = Identifier("user_id", "ada-lovelace"), Identifier("email", "ada@shop.example")


def tell(house: House, message_id: str, *names: Identifier) -> None:
    call = Call(
        kind=Kind.TRACK,
        message_id=message_id,
        timestamp=house.clock.now(),
        identifiers=names,
        event="Late",
        source="test",
    )
    house.add_fact(call, message_id, lane_of(names[0].value))


def test_waiting_facts_of_theirs_go_too_and_those_of_others_stay() -> None:
    there = house()
    tell(there, "m-a", ADA, MAIL)
    there.rest()
    # In another lane than the erasure's, and not digested yet.
    assert lane_of(MAIL.value) != lane_of(ADA.value)
    tell(there, "m-b", MAIL)
    tell(there, "m-c", Identifier("user_id", "bob"))
    forget(there, ADA)
    there.world.digest.turn(lane_of(ADA.value), there.clock.now())
    there.world.digest.turn(lane_of(ADA.value), there.clock.now())
    there.rest()

    assert b"ada@shop.example" not in everything(there.store.look())
    assert [row.name for row in there.store.look().events.all()] == ["Late"]


def test_somebody_who_was_chosen_by_a_signal_and_erased_holds_up_nobody() -> None:
    there = House()
    trigger = {"signal": "Free", "people": "profile.waits", "at_most": 2, "pace": "1 per hour"}
    there.publish({"journey": "j", "trigger": trigger, "steps": [{"wait": "1 day"}]})
    for number in range(3):
        there.identify(f"somebody-{number}", waits=True)
    there.rest()
    there.signal("Free")
    there.rest()
    entered = {run.profile for run in there.runs("j")}
    with there.store.transaction() as tx:
        (chosen,) = [job.data["chosen"] for job in tx.jobs.unfinished() if "chosen" in job.data]
    (waiting,) = [place[-1] for place in chosen if place[-1] not in entered]

    forget(there, Identifier("id", waiting))
    there.world.run_until(there.clock.now() + timedelta(hours=3))

    assert waiting.encode() not in everything(there.store.look())
    with there.store.transaction() as tx:
        assert [job.name for job in tx.jobs.unfinished() if job.kind == "broadcast"] == []
