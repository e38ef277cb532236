"""Every sentence of vocabulary.md, "Provider trouble", on a virtual clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from engage.domain.delivery.delivery import Channel, Delivery, FailReason, Mark
from engage.domain.fact import NewFact, Receipt, encode
from engage.engine.deliver.deliver import Deliver
from engage.engine.deliver.rendering import Requests
from engage.engine.settle.settle import Settle
from engage.ports.channel import (
    Accepted,
    Answer,
    Busy,
    CannotSay,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    Taken,
    Unknown,
)
from engage.ports.clock import NoHints
from engage.storage.coding import decoder
from engage.templating import compile_templates
from engage.testing.links import links_of
from tests.domain.engine.house import START, House

HOUR = timedelta(hours=1)
SETTINGS = {
    "topics": {"codes": {"transactional": True, "duplicates": "never_lost"}, "plain": {"transactional": True}}
}


@dataclass
class Twin:
    """A provider that gives the answers it is told to give, and notes when it was called and asked."""

    answers: Callable[[int], Answer]
    says: Callable[[int], Taken | NotTaken | CannotSay] = lambda number: CannotSay()
    now: Callable[[], datetime] = lambda: START
    provider: str = "twin"
    calls: list[timedelta] = field(default_factory=list)
    asked: list[timedelta] = field(default_factory=list)

    def send(self, outbound: Outbound) -> Answer:
        self.calls.append(self.now() - START)
        return self.answers(len(self.calls))

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        self.asked.append(self.now() - START)
        return self.says(len(self.asked))


def house_with(twin: Twin, channel: str = "sms", *, topic: str = "plain", **step: Any) -> House:
    """Have one delivery asked for at START whose provider is `twin`."""
    house = House(settings=SETTINGS)
    twin.now = house.clock.now
    templates, _ = compile_templates([], {})
    senders = {Channel(channel): twin}
    clock, hints = house.clock, NoHints()
    house.world.deliver = Deliver(
        house.store,
        house.compiled.catalog_of,
        lambda tx: templates,
        senders,
        Requests(links_of),
        clock,
        hints,
        worker="w",
    )
    house.world.settle = Settle(house.store, house.compiled.catalog_of, senders, clock, hints)
    message = {channel: {"text": "Hello", "topic": topic}, "id": "hello", **step}
    house.publish(
        {"journey": "j", "trigger": {"event": "Go"}, "entry": {"reentry": "always"}, "steps": [message]}
    )
    house.identify("ada", phone="+14155550100", email="ada@x.example")
    house.track("ada", "Go")
    return house


def after(house: House, passed: timedelta) -> Delivery:
    """Return the first delivery as it stands so long after START."""
    house.world.run_until(START + passed)
    return deliveries(house)[0]


def deliveries(house: House) -> list[Delivery]:
    found = [decoder(Delivery).decode(row.doc) for row in house.store.look().deliveries.all()]
    return sorted(found, key=lambda delivery: (delivery.asked_at, delivery.id))


def tell(house: House, delivery: Delivery, mark: Mark) -> None:
    receipt = Receipt(
        delivery=delivery.id,
        mark=mark,
        at=house.clock.now(),
        receipt_id=f"{delivery.id}{mark}",
        provider="twin",
    )
    fact = NewFact(
        lane=delivery.lane,
        source="twin",
        message_id=receipt.receipt_id,
        received_at=house.clock.now(),
        payload=encode(receipt),
    )
    house.world.add([fact])
    house.rest()


def seconds(instants: list[timedelta]) -> list[float]:
    return [instant.total_seconds() for instant in instants]


# --- refused before it was taken


def test_a_refused_call_is_repeated_after_1_2_4_seconds_up_to_five_minutes_for_an_hour() -> None:
    twin = Twin(lambda number: Busy(code="429"))
    house = house_with(twin)

    delivery = after(house, 2 * HOUR)

    gaps = [b - a for a, b in zip(seconds(twin.calls), seconds(twin.calls)[1:], strict=False)]
    assert gaps[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(gaps[9:]) == {300}
    assert 3300 < seconds(twin.calls)[-1] <= 3600
    assert (delivery.status, delivery.reason, delivery.code) == (
        Mark.FAILED,
        FailReason.PROVIDER_ERROR,
        "429",
    )


def test_the_provider_says_when_to_come_again() -> None:
    twin = Twin(
        lambda number: Busy(retry_after=timedelta(seconds=45)) if number == 1 else Accepted(provider_id="1")
    )
    house = house_with(twin)

    delivery = after(house, HOUR)

    assert seconds(twin.calls) == [0, 45]
    assert delivery.status is Mark.ACCEPTED


def test_at_its_expiry_a_refused_call_is_skipped_as_expired() -> None:
    twin = Twin(lambda number: Busy())
    house = house_with(twin, expires="10 seconds")

    delivery = after(house, HOUR)

    assert seconds(twin.calls) == [0, 1, 3, 7]
    assert (delivery.status, delivery.reason) == (Mark.SKIPPED, "expired")


# --- of unknown outcome


def test_a_callback_settles_an_unknown_outcome_and_nobody_is_asked() -> None:
    twin = Twin(lambda number: Unknown(code="no_answer"))
    house = house_with(twin)
    delivery = after(house, timedelta(seconds=30))
    assert delivery.status is Mark.UNKNOWN

    tell(house, delivery, Mark.SENT)

    assert after(house, 2 * HOUR).status is Mark.SENT
    assert (len(twin.calls), twin.asked) == (1, [])


def test_the_provider_is_asked_not_before_sixty_seconds_and_what_it_took_is_recorded() -> None:
    twin = Twin(lambda number: Unknown(), lambda number: Taken(provider_id="SM1"))
    house = house_with(twin)

    delivery = after(house, HOUR)

    assert seconds(twin.asked) == [60]
    assert len(twin.calls) == 1
    assert (delivery.status, delivery.provider_id) == (Mark.ACCEPTED, "SM1")


def test_what_the_provider_did_not_take_is_sent_again() -> None:
    twin = Twin(
        lambda number: Unknown() if number == 1 else Accepted(provider_id="1"), lambda number: NotTaken()
    )
    house = house_with(twin)

    delivery = after(house, HOUR)

    assert seconds(twin.calls) == [0, 61]
    assert delivery.status is Mark.ACCEPTED


def test_what_never_may_be_sent_twice_is_given_up_visibly_after_an_hour() -> None:
    twin = Twin(lambda number: Unknown())
    house = house_with(twin)

    assert after(house, timedelta(minutes=59)).status is Mark.UNKNOWN
    delivery = after(house, timedelta(minutes=61))

    assert (delivery.status, delivery.reason) == (Mark.FAILED, FailReason.UNKNOWN_OUTCOME)
    assert len(twin.calls) == 1
    after(house, 5 * HOUR)
    assert len(twin.calls) == 1


def test_what_never_may_be_lost_is_sent_again_after_an_hour() -> None:
    twin = Twin(lambda number: Unknown() if number == 1 else Accepted(provider_id="1"))
    house = house_with(twin, topic="codes")

    delivery = after(house, 2 * HOUR)

    assert seconds(twin.calls) == [0, 3601]
    assert delivery.status is Mark.ACCEPTED


def test_a_receipt_that_comes_after_giving_up_is_believed() -> None:
    twin = Twin(lambda number: Unknown())
    house = house_with(twin)
    delivery = after(house, 2 * HOUR)

    tell(house, delivery, Mark.DELIVERED)

    assert after(house, 2 * HOUR).status is Mark.DELIVERED


def test_a_sender_that_cannot_be_asked_without_an_accident_keeps_nobody_else_waiting() -> None:
    def stumble(number: int) -> Taken:
        if number == 1:
            raise ZeroDivisionError
        return Taken(provider_id="SM1")

    twin = Twin(lambda number: Unknown(), stumble)
    house = house_with(twin)

    assert after(house, HOUR).status is Mark.ACCEPTED
    assert seconds(twin.asked) == [60, 120]


# --- mail: nobody can be asked, but the event stream tells


def mailed(later_at: timedelta | None, heard_at: timedelta | None) -> tuple[House, Twin]:
    """Have a first mail without an answer, perhaps a second one later, and perhaps hear of that one."""
    twin = Twin(lambda number: Unknown() if number == 1 else Accepted(provider_id=str(number)))
    house = house_with(twin, "email")
    house.rest()
    if later_at is not None:
        house.world.run_until(START + later_at)
        house.identify("bob", email="bob@x.example")
        house.track("bob", "Go")
        house.rest()
        assert len(deliveries(house)) == 2
    if heard_at is not None:
        house.world.run_until(START + heard_at)
        tell(house, deliveries(house)[1], Mark.DELIVERED)
    return house, twin


def test_a_mail_of_which_the_stream_is_silent_for_ten_minutes_while_it_tells_of_later_ones_is_sent_again() -> (
    None
):
    house, twin = mailed(timedelta(minutes=1), timedelta(minutes=2))

    assert after(house, timedelta(minutes=9, seconds=59)).status is Mark.UNKNOWN
    assert len(twin.calls) == 2
    delivery = after(house, timedelta(minutes=12))

    assert len(twin.calls) == 3
    assert twin.calls[2] >= timedelta(minutes=10)
    assert delivery.status is Mark.ACCEPTED


@pytest.mark.parametrize(
    ("later_at", "heard_at"),
    [(None, None), (timedelta(minutes=1), None)],
    ids=["no later mail", "a silent stream"],
)
def test_a_silent_stream_proves_nothing(later_at: timedelta | None, heard_at: timedelta | None) -> None:
    house, twin = mailed(later_at, heard_at)
    calls = len(twin.calls)

    delivery = after(house, 2 * HOUR)

    assert len(twin.calls) == calls
    assert (delivery.status, delivery.reason) == (Mark.FAILED, FailReason.UNKNOWN_OUTCOME)


# --- refused for good


def test_a_stop_that_the_provider_knows_of_is_a_stop_here() -> None:
    refused = Rejected(reason=FailReason.BLOCKED, code="21610", opt_out=True)
    twin = Twin(lambda number: refused if number == 1 else Accepted(provider_id="1"))
    house = house_with(twin)
    delivery = after(house, timedelta(minutes=1))

    house.track("ada", "Go")
    house.world.run_until(START + HOUR)

    assert (delivery.status, delivery.reason) == (Mark.SKIPPED, "unsubscribed")
    assert [(one.status, one.reason) for one in deliveries(house)] == [(Mark.SKIPPED, "unsubscribed")] * 2
    assert len(twin.calls) == 1


def test_an_address_that_can_never_be_reached_is_suppressed() -> None:
    twin = Twin(lambda number: Rejected(reason=FailReason.INVALID_ADDRESS, code="21211", suppress=True))
    house = house_with(twin)
    delivery = after(house, timedelta(minutes=1))

    house.track("ada", "Go")
    house.world.run_until(START + HOUR)

    assert (delivery.status, delivery.reason, delivery.code) == (Mark.FAILED, "invalid_address", "21211")
    assert (deliveries(house)[1].status, deliveries(house)[1].reason) == (Mark.SKIPPED, "suppressed")
