"""Webhooks: facts once, and every no in the ledger in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from engage.domain.consent import EVERY_TOPIC, ConsentEntry, ConsentState
from engage.domain.delivery import Channel, Mark
from engage.domain.fact import Inbound, Receipt
from engage.domain.ids import DeliveryId, lane_of
from engage.engine.accept_intake import Intake
from engage.engine.receive import Received, Receiver
from engage.ports.channel import Heard, SignedRequest
from tests.accept.store import NOW, Hinted, TestedStore

PHONE, MAIL = "+14155550101", "ada@shop.example"
DELIVERY = "019ca945-0a00-71df-b438-2f9007a7c4a0"
REQUEST = SignedRequest(
    method="POST", url="https://x/webhooks/acme/status", query={}, headers={}, body=b"raw", received_at=NOW
)


@dataclass
class Said:
    """A webhook that says what it was given."""

    heard: Heard = field(default_factory=Heard)
    path: str = "acme/status"
    good: bool = True

    def verify(self, request: SignedRequest) -> bool:
        return self.good

    def read(self, request: SignedRequest) -> Heard:
        assert self.good, "an unsigned request was read"
        return self.heard


@dataclass
class Rig:
    store: TestedStore = field(default_factory=TestedStore)

    def hear(self, heard: Heard) -> Received:
        received = Receiver([Said(heard)]).receive("acme/status", REQUEST)
        assert received is not None
        Intake(self.store, Hinted()).store(received.taken)
        return received

    def receipts(self, *receipts: Receipt) -> None:
        self.hear(Heard(receipts=[(1, receipt) for receipt in receipts]))

    def text(self, body: str, message_id: str, keyword: str | None = None, channel: str = "sms") -> None:
        self.hear(Heard(inbound=[inbound(body, message_id, keyword, channel)]))

    def stopped(self, address: str = PHONE, channel: str = "sms") -> bool:
        state = self.store.consents(channel, address).by_address.get((channel, address, EVERY_TOPIC))
        return state is ConsentState.UNSUBSCRIBED

    def suppressed(self, address: str = MAIL, channel: str = "email") -> str | None:
        return self.store.consents(channel, address).suppressed.get((channel, address))

    def keywords(self) -> Sequence[str | None]:
        return [fact.keyword for fact in self.store.facts() if isinstance(fact, Inbound)]


def inbound(body: str, message_id: str, keyword: str | None = None, channel: str = "sms") -> Inbound:
    return Inbound(
        message_id=message_id,
        channel=channel,
        sender=PHONE,
        to="+15005550006",
        body=body,
        at=NOW,
        keyword=keyword,
    )


def receipt(mark: Mark, **more: Any) -> Receipt:
    return Receipt(
        **{
            "delivery": DeliveryId(DELIVERY),
            "mark": mark,
            "at": NOW,
            "receipt_id": f"r-{mark}",
            "provider": "acme",
            **more,
        }
    )


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_an_unsigned_request_is_not_even_read() -> None:
    assert Receiver([Said(good=False)]).receive("acme/status", REQUEST) is None


def test_receipts_become_facts_once(rig: Rig) -> None:
    rig.receipts(receipt(Mark.DELIVERED), receipt(Mark.SENT))
    rig.receipts(receipt(Mark.SENT), receipt(Mark.DELIVERED))

    assert rig.store.facts() == [receipt(Mark.DELIVERED), receipt(Mark.SENT)]


def test_an_inbound_message_lies_in_the_lane_of_its_sender(rig: Rig) -> None:
    rig.text("hello", "m1")

    with rig.store.transaction() as tx:
        assert set(tx.inbox.lanes()) == {lane_of(PHONE)}


def test_the_document_for_the_provider_is_handed_on(rig: Rig) -> None:
    assert rig.hear(Heard(twiml="<Response/>")).twiml == "<Response/>"


def test_parts_that_say_nothing_are_quarantined_as_they_came(rig: Rig) -> None:
    rig.hear(Heard(receipts=[(1, receipt(Mark.SENT))], quarantined=[("unknown_event", b'{"x":1}')]))

    (kept,) = rig.store.quarantined()
    assert (kept.source, kept.reason, kept.detail) == ("acme", "unknown_event", "acme/status")
    assert kept.payload.endswith(b'\n{"x":1}')
    assert rig.store.facts() == [receipt(Mark.SENT)]


def test_stop_closes_the_channel_at_once_and_start_opens_it(rig: Rig) -> None:
    rig.text("Stop", "m1", keyword="stop")
    assert rig.stopped()

    rig.text("START", "m2", keyword="start")
    assert not rig.stopped()


def test_a_repeated_stop_does_not_undo_a_later_start(rig: Rig) -> None:
    rig.text("stop", "m1", keyword="stop")
    rig.text("start", "m2", keyword="start")

    rig.text("stop", "m1", keyword="stop")

    assert not rig.stopped()


def test_help_changes_no_consent(rig: Rig) -> None:
    rig.text("HELP", "m1", keyword="help")

    assert not rig.store.consents("sms", PHONE).by_address


def test_yes_is_start_only_after_a_stop(rig: Rig) -> None:
    rig.text(" Yes ", "m1")
    rig.text("stop", "m2", keyword="stop")
    rig.text("yes please", "m3")
    assert rig.stopped()

    rig.text("yes", "m4")

    assert not rig.stopped()
    assert rig.keywords() == [None, "stop", None, "start"]


def test_a_stop_by_mms_closes_sms(rig: Rig) -> None:
    rig.text("stop", "m1", keyword="stop", channel="mms")

    assert rig.stopped()


@pytest.mark.parametrize(
    ("mark", "more", "why"),
    [
        (Mark.COMPLAINED, {}, "complained"),
        (Mark.BOUNCED, {"hard": True}, "bounced"),
        (Mark.BOUNCED, {"hard": False}, None),
        (Mark.FAILED, {"suppress": True}, "failed"),
        (Mark.FAILED, {}, None),
        (Mark.DELIVERED, {}, None),
    ],
)
def test_hard_bounces_complaints_and_invalid_addresses_suppress(
    rig: Rig, mark: Mark, more: dict[str, Any], why: str | None
) -> None:
    rig.store.send(DELIVERY, Channel.EMAIL, MAIL)

    rig.receipts(receipt(mark, **more))

    assert rig.suppressed() == why


def test_an_unsubscribe_is_for_the_topic_of_its_delivery(rig: Rig) -> None:
    rig.store.send(DELIVERY, Channel.EMAIL, MAIL, topic="news")

    rig.receipts(receipt(Mark.UNSUBSCRIBED, address="Ada@Shop.Example"))

    assert rig.store.consents("email", MAIL).by_address == {
        ("email", MAIL, "news"): ConsentState.UNSUBSCRIBED
    }


def test_a_delivery_we_forgot_still_says_no_by_its_address(rig: Rig) -> None:
    rig.receipts(receipt(Mark.UNSUBSCRIBED, address="Ada@Shop.Example"))

    assert rig.stopped(MAIL, "email")


def test_the_carriers_word_for_stop_is_a_stop(rig: Rig) -> None:
    rig.store.send(DELIVERY, Channel.SMS, PHONE, topic="news")

    rig.receipts(receipt(Mark.FAILED, code="21610"))

    assert rig.stopped()


def test_a_no_without_any_address_is_left_to_digest(rig: Rig) -> None:
    rig.receipts(receipt(Mark.UNSUBSCRIBED))

    assert rig.store.facts() == [receipt(Mark.UNSUBSCRIBED)]


def test_a_no_about_a_call_closes_calls(rig: Rig) -> None:
    rig.store.send(DELIVERY, Channel.VOICE, PHONE)

    rig.receipts(receipt(Mark.UNSUBSCRIBED))

    assert rig.stopped(PHONE, "voice")
    assert not rig.stopped(PHONE, "sms")


def test_a_late_no_about_somebody_erased_holds_and_brings_no_address_back(rig: Rig) -> None:
    rig.receipts(
        receipt(Mark.UNSUBSCRIBED, address=MAIL), receipt(Mark.BOUNCED, receipt_id="r2", address=MAIL)
    )

    assert rig.stopped(MAIL, "email")
    assert rig.suppressed() == "bounced"
    tables = rig.store._tables
    kept = [tables.subscriptions.rows, tables.suppressions.rows, tables.consents.rows]
    assert MAIL not in str(kept)


def test_a_late_no_outweighs_a_yes_that_stands_at_the_address(rig: Rig) -> None:
    yes = ConsentEntry(
        channel="email", topic=EVERY_TOPIC, state=ConsentState.SUBSCRIBED, at=NOW, source="s", address=MAIL
    )
    with rig.store.transaction() as tx:
        tx.consents.append([yes])

    rig.receipts(receipt(Mark.UNSUBSCRIBED, address=MAIL))

    assert rig.stopped(MAIL, "email")
