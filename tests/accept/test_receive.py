"""Webhooks: facts once, and every no in the ledger in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState
from engage.domain.delivery.delivery import Channel, Mark
from engage.domain.fact import Inbound, Receipt
from engage.domain.ids import DeliveryId, lane_of
from engage.domain.law import Law, LawPack
from engage.domain.law.rules import Rule
from engage.engine.accept.intake import Intake
from engage.engine.receive import Received, Receiver
from engage.ports.channel import Adrift, Heard, SignedRequest
from tests.accept.store import NOW, Hinted, TestedStore, poisoned

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


@pytest.mark.parametrize(
    ("subject", "body"), [("Re: Offers", "Unsubscribe\n\n> Hi"), ("unsubscribe", ""), ("Re: x", "désabonner")]
)
def test_a_mail_that_says_no_is_in_the_ledger_at_once(rig: Rig, subject: str, body: str) -> None:
    mail = structs.replace(inbound(body, "m1", channel="email"), subject=subject, sender=MAIL)

    rig.hear(Heard(inbound=[mail]))

    assert rig.stopped(MAIL, "email")
    assert rig.keywords() == ["stop"]


def test_a_mail_that_says_something_else_is_a_reply(rig: Rig) -> None:
    mail = structs.replace(inbound("stop by on Monday", "m1", channel="email"), sender=MAIL)

    rig.hear(Heard(inbound=[mail]))

    assert not rig.stopped(MAIL, "email")
    assert rig.keywords() == [None]


def test_a_project_s_own_pack_adds_words_for_mail(rig: Rig) -> None:
    rule = Rule(
        id="own",
        title="t",
        source="s",
        effective=NOW.date(),
        places=("US",),
        channels=("email",),
        words=("basta",),
    )
    law = Law([LawPack(law="own", version="1", title="Own", rules=(rule,))])
    mail = structs.replace(inbound("Basta\n\n> Hi", "m1", channel="email"), sender=MAIL)
    received = Receiver([Said(Heard(inbound=[mail]))], law_of=lambda: law).receive("acme/status", REQUEST)
    assert received is not None

    Intake(rig.store, Hinted()).store(received.taken)

    assert rig.stopped(MAIL, "email")


def adrift(*marks: Mark, ids: frozenset[str] = frozenset({"abc", "abc.def"}), address: str = MAIL) -> Adrift:
    receipts = [receipt(mark, delivery=DeliveryId(""), address=address) for mark in marks]
    return Adrift(
        channel=Channel.EMAIL, address=address, provider_ids=ids, receipts=receipts, raw=b'{"event": "x"}'
    )


def test_an_event_without_our_reference_is_about_the_mail_with_that_id_at_that_address(rig: Rig) -> None:
    rig.store.send(DELIVERY, Channel.EMAIL, MAIL, provider_id="abc.def", accepted_at=NOW)

    rig.hear(Heard(adrift=[adrift(Mark.DELIVERED, address="Ada@Shop.example")]))

    (fact,) = rig.store.facts()
    assert isinstance(fact, Receipt)
    assert (fact.delivery, fact.mark) == (DELIVERY, Mark.DELIVERED)
    assert rig.store.quarantined() == []


def test_a_no_without_our_reference_is_in_the_ledger_at_once(rig: Rig) -> None:
    rig.store.send(DELIVERY, Channel.EMAIL, MAIL, provider_id="abc", accepted_at=NOW)

    rig.hear(Heard(adrift=[adrift(Mark.COMPLAINED)]))

    assert rig.suppressed() == "complained"


@pytest.mark.parametrize(
    ("sent_id", "sent_to"), [("ab", MAIL), ("abc.d", MAIL), ("abc.def", "bob@shop.example"), (None, MAIL)]
)
def test_one_that_belongs_to_no_mail_of_ours_is_put_aside(
    rig: Rig, sent_id: str | None, sent_to: str
) -> None:
    rig.store.send(DELIVERY, Channel.EMAIL, sent_to, provider_id=sent_id, accepted_at=NOW)

    rig.hear(Heard(adrift=[adrift(Mark.DELIVERED)], receipts=[(1, receipt(Mark.SENT))]))

    assert [item.reason for item in rig.store.quarantined()] == ["no_reference"]
    assert rig.store.facts() == [receipt(Mark.SENT)]


def test_one_that_the_database_refuses_is_put_aside_and_its_neighbours_are_stored(rig: Rig) -> None:
    rig.store.send(DELIVERY, Channel.EMAIL, MAIL, provider_id="abc", accepted_at=NOW)
    rig.store.trouble = poisoned("r-opened")

    rig.hear(Heard(adrift=[adrift(Mark.OPENED), adrift(Mark.DELIVERED)], receipts=[(1, receipt(Mark.SENT))]))

    assert [item.reason for item in rig.store.quarantined()] == ["no_reference"]
    marks = {fact.mark for fact in rig.store.facts() if isinstance(fact, Receipt)}
    assert marks == {Mark.SENT, Mark.DELIVERED}
