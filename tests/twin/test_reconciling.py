"""Callbacks that were lost: after the validity period our state is the provider's, as the real SDK tells it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engage.channels.registry import build_senders
from engage.domain.delivery.delivery import Channel, Mark
from engage.domain.ids import DeliveryId
from engage.engine.receive import receipt_piece
from engage.engine.settle.reconcile import LOOKS, Reconcile
from engage.ports.channel import Sent, TellingSender
from engage.ports.clock import NoHints
from tests.channels.provider_wires import nobody_there
from tests.sandbox.twin import Twin
from tests.twin.shop import SETTINGS, Shop, steps
from tests.twin.test_statuses import SILENT

PERSON = "+14155550123"
SENT = DeliveryId("018f0000-0000-7000-8000-000000000001")


def room(shop: Shop) -> Reconcile:
    return Reconcile(shop.store, shop.senders, shop.clock, NoHints())


def send(shop: Shop, step: dict[str, object], number: str = PERSON) -> None:
    """Have something sent of whose fate nobody tells."""
    shop.twin.faults({"fault": "lost"})
    shop.publish(steps(step))
    shop.identify("ada", phone=number)
    shop.track("ada", "Go")
    shop.rest()


def suppressed(shop: Shop) -> bool:
    """Whether the address may never be texted again."""
    return bool(list(shop.store.look().suppressions.all()))


@pytest.mark.parametrize("channel", ["sms", "voice"])
def test_the_answer_is_the_receipt_that_its_callback_is(shop: Shop, channel: str) -> None:
    shop.templates({"hi": {"sms": "Hi", "voice": "<Response><Say>Hi</Say></Response>"}})
    shop.publish(steps({channel: "hi"}))
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go")
    shop.rest()
    delivery = shop.delivery()
    assert delivery.provider_id is not None
    sender = shop.senders[delivery.channel]
    assert isinstance(sender, TellingSender)

    told = sender.fate(
        Sent(delivery=delivery.id, provider_id=delivery.provider_id, asked_at=shop.clock.now())
    )

    (receipt,) = told or ()
    with shop.store.transaction() as tx:
        assert tx.inbox.add([receipt_piece(delivery.lane, receipt, shop.clock.now()).fact]) == [False]


def reconciled(shop: Shop) -> None:
    shop.clock.move_to(shop.clock.now() + LOOKS[0] + timedelta(minutes=1))
    assert not room(shop).turn()
    shop.rest()


@pytest.mark.parametrize(
    ("channel", "number", "end", "status", "code"),
    [
        ("sms", PERSON, "delivered", Mark.DELIVERED, None),
        ("whatsapp", PERSON, "read", Mark.OPENED, None),
        ("sms", "+155500030005", "undelivered", Mark.UNDELIVERED, "30005"),
    ],
)
def test_a_message_whose_callbacks_were_lost_ends_as_the_provider_has_it(
    shop: Shop, twin: Twin, channel: str, number: str, end: str, status: Mark, code: str | None
) -> None:
    shop.templates({"hi": {"sms": "Hi", "whatsapp": {"content": "HX" + "a" * 32, "text": "Hi"}}})
    send(shop, {channel: "hi"}, number)
    (message,) = twin.settled()
    assert (shop.delivery().status, message["status"]) == (Mark.ACCEPTED, end)

    reconciled(shop)

    assert (shop.delivery().status, shop.delivery().code) == (status, code)
    assert suppressed(shop) == (code is not None)


def test_a_message_that_has_no_end_stays_as_it_is(shop: Shop) -> None:
    send(shop, {"sms": {"text": "Hi"}}, SILENT)

    reconciled(shop)

    assert shop.delivery().status == Mark.SENT


def test_a_call_whose_callbacks_were_lost_ends_as_the_provider_has_it(shop: Shop) -> None:
    shop.templates({"hi": {"voice": "<Response><Say>Hi</Say></Response>"}})
    send(shop, {"voice": "hi"})
    assert shop.delivery().status == Mark.ACCEPTED

    reconciled(shop)

    assert shop.delivery().status == Mark.COMPLETED


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.VOICE])
def test_what_the_provider_has_no_more_is_told_from_a_provider_that_is_away(
    shop: Shop, channel: Channel
) -> None:
    away = build_senders(nobody_there(replace(SETTINGS, public_url=shop.url)))
    here, nowhere = shop.senders[channel], away[channel]
    assert isinstance(here, TellingSender)
    assert isinstance(nowhere, TellingSender)
    sent = Sent(delivery=SENT, provider_id="SM" + "0" * 32, asked_at=shop.clock.now())

    assert here.fate(sent) == ()
    assert nowhere.fate(sent) is None


def test_a_code_has_no_end_to_ask_for(shop: Shop) -> None:
    sender = shop.senders[Channel.SMS]
    assert isinstance(sender, TellingSender)

    told = sender.fate(
        Sent(delivery=SENT, provider_id="VE" + "1" * 32, asked_at=shop.clock.now(), sender="verify")
    )

    assert told == ()
