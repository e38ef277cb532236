"""Chats through the real SDK: one conversation a person, a named representative in it, and what the person answers."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from engage.channels.twilio_chat import TwilioChat, conversation_name
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.engine.receive import receipt_piece
from engage.engine.settle.reconcile import LOOKS, Reconcile
from engage.ports.channel import NotTaken, Question, Sent, Taken, TellingSender
from engage.ports.clock import NoHints
from engage.sandbox.signing import twilio_signature
from tests.sandbox.twin import ACCOUNT, PERSON, TOKEN, Twin
from tests.twin.shop import Shop, steps

WAIT = {"step": "ask", "status": "replied", "timeout": "1 day", "then": [{"exit": "{{ event.body }}"}]}


def kept(twin: Twin, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = twin.get("records", kind=kind)["records"].get(kind, [])
    return found


def ask(shop: Shop, times: int = 1) -> None:
    shop.publish(
        steps(
            {"chat": {"text": "Hi {{ profile.name }}", "to": f"'{PERSON}'", "sender": "alice"}, "id": "ask"},
            {"wait_for": WAIT},
        )
    )
    shop.identify("ada", name="Ada", phone=PERSON)
    for _ in range(times):
        shop.track("ada", "Go")
        shop.rest()


def test_a_representative_writes_into_the_persons_one_conversation(shop: Shop, twin: Twin) -> None:
    ask(shop)

    (conversation,) = kept(twin, "conversations")
    assert conversation["unique_name"] == conversation_name(PERSON)
    assert [(p["identity"], p["messaging_binding"]["address"]) for p in kept(twin, "participants")] == [
        (None, PERSON),
        ("alice", ""),
    ]
    (message,) = kept(twin, "conversation_messages")
    assert (message["author"], message["body"]) == ("alice", "Hi Ada")
    assert (shop.delivery().status, shop.delivery().provider_id) == (Mark.DELIVERED, message["sid"])


def test_a_second_message_opens_no_second_conversation(shop: Shop, twin: Twin) -> None:
    ask(shop)
    sender = shop.senders[Channel.CHAT]
    delivery = shop.delivery()

    def question(reference: str) -> Question:
        return Question(
            delivery=type(delivery.id)(reference),
            channel=Channel.CHAT,
            to=PERSON,
            called_at=shop.clock.now(),
            known_ids=frozenset(),
        )

    assert sender.ask(question(delivery.id)) == Taken(provider_id=str(delivery.provider_id))
    assert isinstance(sender.ask(question("0199a1b2-0000-7000-8000-0123456789ab")), NotTaken)
    shop.identify("bob", name="Bob", phone="+14155550102")
    shop.track("bob", "Go")
    shop.rest()
    assert len(kept(twin, "conversations")) == 1
    assert len(kept(twin, "participants")) == 2
    assert len(kept(twin, "conversation_messages")) == 2


def chat(shop: Shop, number: str) -> Delivery:
    """Write once to a number; it has been told by then how that fared."""
    shop.publish(steps({"chat": {"text": "Hi"}, "id": "ask"}))
    shop.identify("ada", phone=number)
    shop.track("ada", "Go")
    shop.rest()
    return shop.delivery()


@pytest.mark.parametrize(
    ("number", "status", "code", "events"),
    [
        (PERSON, Mark.DELIVERED, None, ["Chat Sent", "Chat Delivered"]),
        ("+15550000000", Mark.SENT, None, ["Chat Sent"]),
        ("+155500030003", Mark.UNDELIVERED, "30003", ["Chat Sent", "Chat Failed"]),
        ("+155500030005", Mark.UNDELIVERED, "30005", ["Chat Sent", "Chat Failed"]),
        ("+155500063016", Mark.FAILED, "63016", ["Chat Sent", "Chat Failed"]),
        ("+15550000001", Mark.DELIVERED, "30008", ["Chat Sent", "Chat Failed", "Chat Delivered"]),
    ],
)
def test_how_a_chat_fares_is_the_deliverys_status(
    shop: Shop, number: str, status: Mark, code: str | None, events: list[str]
) -> None:
    delivery = chat(shop, number)

    assert (delivery.status, delivery.code) == (status, code)
    told = [event.name for event in shop.events() if event.name.startswith("Chat ")]
    assert sorted(told) == sorted(events)
    suppressed = [entry.channel for entry in shop.store.look().suppressions.all()]
    assert suppressed == (["chat"] if code == "30005" else [])
    assert (shop.refused, shop.quarantined()) == ([], [])


def test_a_chat_that_was_read_is_opened(shop: Shop) -> None:
    shop.publish(steps({"chat": {"text": "Hi", "to": f"'whatsapp:{PERSON}'"}, "id": "ask"}))
    shop.identify("ada")
    shop.track("ada", "Go")
    shop.rest()

    assert shop.delivery().status is Mark.OPENED
    assert shop.counts()["Chat Read"] == 1


def test_a_receipt_of_a_chat_that_comes_twice_or_late_changes_nothing(shop: Shop, twin: Twin) -> None:
    twin.faults({"fault": "duplicate", "channel": "chat"})

    delivery = chat(shop, PERSON)

    assert delivery.status is Mark.DELIVERED
    assert shop.counts()["Chat Delivered"] == 1
    receipts = [row.receipt_id for row in shop.store.look().receipts.all()]
    assert len(receipts) == len(set(receipts)) == 2
    callbacks = [line for line in receipts if line.startswith(f"{delivery.provider_id}:MB")]
    assert len(callbacks) == 2


def test_a_forged_receipt_of_a_chat_is_refused(shop: Shop, twin: Twin) -> None:
    twin.faults({"fault": "forged", "channel": "chat"})

    assert chat(shop, PERSON).status is Mark.DELIVERED
    assert set(shop.refused) == {"/webhooks/twilio/conversations"}


def test_what_an_agent_wrote_is_nobodys_delivery_and_no_mistake(shop: Shop, twin: Twin) -> None:
    delivery = chat(shop, PERSON)
    sender = shop.senders[Channel.CHAT]
    assert isinstance(sender, TwilioChat)

    sender._conversations(conversation_name(PERSON)).messages.create(author="agent", body="It's me")
    shop.rest()

    assert len(shop.deliveries()) == 1
    assert shop.counts()["Chat Delivered"] == 1
    assert shop.quarantined() == []
    assert [row for row in shop.store.look().jobs.all() if not row.finished] == []
    assert shop.delivery().marks == delivery.marks


def test_receipts_of_a_chat_that_were_lost_are_asked_for(shop: Shop, twin: Twin) -> None:
    twin.faults({"fault": "lost", "channel": "chat"})
    chat(shop, "+155500030005")
    assert shop.delivery().status is Mark.ACCEPTED

    shop.clock.move_to(shop.clock.now() + LOOKS[0] + timedelta(minutes=1))
    assert not Reconcile(shop.store, shop.senders, shop.clock, NoHints()).turn()
    shop.rest()

    assert (shop.delivery().status, shop.delivery().code) == (Mark.UNDELIVERED, "30005")


def test_the_answer_to_the_question_is_the_receipt_that_its_callback_is(shop: Shop) -> None:
    delivery = chat(shop, "+155500030005")
    sender = shop.senders[Channel.CHAT]
    assert isinstance(sender, TellingSender)
    sent = Sent(
        delivery=delivery.id,
        provider_id=str(delivery.provider_id),
        asked_at=shop.clock.now(),
        to=delivery.address,
    )

    (receipt,) = sender.fate(sent) or ()

    with shop.store.transaction() as tx:
        assert tx.inbox.add([receipt_piece(delivery.lane, receipt, shop.clock.now()).fact]) == [False]
    assert sender.fate(replace(sent, provider_id="IM" + "0" * 32)) == ()


@pytest.mark.parametrize("fields", [{"Status": "delivered"}, {"MessageSid": "IM1", "Status": "teleported"}])
def test_a_receipt_of_a_chat_that_says_nothing_is_put_aside(shop: Shop, fields: dict[str, str]) -> None:
    url = f"{shop.url}/webhooks/twilio/conversations"
    pairs = [("AccountSid", ACCOUNT), ("EventType", "onDeliveryUpdated"), *fields.items()]
    signed = {"X-Twilio-Signature": twilio_signature(TOKEN, url, pairs)}
    with urlopen(Request(url, urlencode(pairs).encode(), signed), timeout=10) as answer:
        assert answer.status == 204

    assert [item.reason for item in shop.quarantined()] in (["no_message"], ["unknown_status"])


def test_the_named_representatives_conversation_is_held_at_the_desk(shop: Shop, twin: Twin) -> None:
    """The Frontline job: who represents the customer writes, the customer answers, and the run goes on with the answer."""
    ask(shop)
    page, headers = twin.page("/desk")
    assert "Hi Ada" in page
    assert f"{PERSON}, alice" in page
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "/desk" in twin.page("/")[0]

    click(twin, channel="chat", who=PERSON, what="Tomorrow, please")
    shop.rest()

    assert "Tomorrow, please" in twin.page("/desk")[0]
    assert [run.reason for run in shop.runs()] == ["Tomorrow, please"]
    assert shop.refused == []


def click(twin: Twin, **fields: str) -> None:
    request = Request(f"{twin.url}/desk", urlencode(fields).encode(), method="POST")
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 200
