"""Chats through the real SDK: one conversation a person, a named representative in it, and what the person answers."""

from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from engage.channels.twilio_chat import conversation_name
from engage.domain.delivery.delivery import Channel, Mark
from engage.ports.channel import NotTaken, Question, Taken
from tests.sandbox.twin import PERSON, Twin
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
    assert (shop.delivery().status, shop.delivery().provider_id) == (Mark.ACCEPTED, message["sid"])


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
