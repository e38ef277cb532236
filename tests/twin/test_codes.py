"""Codes through the real SDK: Verify sends them, people give them back, and the run that waits hears of it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from engage.domain.delivery.delivery import Channel, Mark
from engage.ports.channel import Busy, NotTaken, Outbound, Question, Rejected, SmsContent, Taken, Unknown
from tests.api.world import Client, bearer
from tests.sandbox.twin import PERSON, Twin
from tests.twin.face import facing
from tests.twin.shop import Shop, open_shop, steps

SERVICE = "VA" + "c" * 32
RIGHT, WRONG = "123456", "000000"
WAIT = {"step": "code", "status": "replied", "timeout": "10 minutes", "then": [{"exit": "known"}]}


@pytest.fixture
def shop(twin: Twin) -> Iterator[Shop]:
    with open_shop(twin, verify_service_sid=SERVICE) as shop:
        yield shop


@pytest.fixture
def client(shop: Shop) -> Iterator[Client]:
    with facing(shop, verify_service_sid=SERVICE) as client:
        yield client


def send(shop: Shop, channel: str = "sms", sender: str = "verify") -> None:
    shop.templates({"code": {"voice": "<Response><Say>Your code</Say></Response>"}})
    what = {"template": "code"} if channel == "voice" else {"text": "Your code"}
    shop.publish(steps({channel: {**what, "sender": sender}, "id": "code"}, {"wait_for": WAIT}))
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go")
    shop.rest()


def check(client: Client, shop: Shop, code: str) -> tuple[int, dict[str, Any]]:
    path = f"/v1/deliveries/{shop.delivery().id}/check"
    answer = client.post(path, json={"code": code}, headers=bearer())
    return answer.status_code, answer.json()


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "voice"])
@pytest.mark.parametrize("sender", ["verify", SERVICE])
def test_whoever_gives_the_code_back_has_replied(
    shop: Shop, twin: Twin, client: Client, channel: str, sender: str
) -> None:
    send(shop, channel, sender)

    (heard,) = twin.settled()
    assert (heard["channel"], RIGHT in heard["body"]) == (channel, True)
    delivery = shop.delivery()
    assert (delivery.status, str(delivery.provider_id)[:2]) == (Mark.ACCEPTED, "VE")
    assert check(client, shop, WRONG) == (
        200,
        {"delivery_id": delivery.id, "approved": False, "reason": "wrong"},
    )
    assert check(client, shop, RIGHT) == (
        200,
        {"delivery_id": delivery.id, "approved": True, "reason": None},
    )
    shop.rest()
    (run,) = shop.runs()
    assert run.reason == "known"
    assert Mark.REPLIED in shop.delivery().marks


def test_a_code_is_good_once(shop: Shop, client: Client) -> None:
    send(shop)
    check(client, shop, RIGHT)

    assert check(client, shop, RIGHT)[1]["reason"] == "over"
    assert shop.store.look().inbox.table.rows
    shop.rest()
    assert len([mark for mark in shop.delivery().marks if mark is Mark.REPLIED]) == 1


def test_after_five_wrong_codes_the_right_one_is_too_late(shop: Shop, client: Client) -> None:
    send(shop)
    for _ in range(5):
        assert check(client, shop, WRONG)[1]["reason"] == "wrong"

    assert check(client, shop, RIGHT)[1] == {
        "delivery_id": shop.delivery().id,
        "approved": False,
        "reason": "too_many",
    }


def test_a_code_is_no_longer_good_after_ten_minutes(shop: Shop, twin: Twin, client: Client) -> None:
    send(shop)
    twin.configure(speed=100_000)
    while twin.post("clock", {"speed": 100_000})["now"] < 2_000:
        pass

    assert check(client, shop, RIGHT)[1]["reason"] == "over"


def test_a_delivery_without_a_code_has_none_to_check(shop: Shop, client: Client) -> None:
    shop.publish(steps({"sms": {"text": "Hello"}}))
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go")
    shop.rest()

    status, told = check(client, shop, RIGHT)
    assert (status, told["code"]) == (409, "not_a_code")
    missing = client.post(f"/v1/deliveries/{'0' * 32}/check", json={"code": RIGHT}, headers=bearer())
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_delivery")


def outbound(sender: str | None, channel: Channel = Channel.SMS, to: str = PERSON) -> Outbound:
    return Outbound(
        delivery=Q.delivery, lane=1, channel=channel, to=to, content=SmsContent(body="x"), sender=sender
    )


Q = Question(
    delivery="0199a1b2-0000-7000-8000-0123456789ab",  # type: ignore[arg-type]  # a text that is an id
    channel=Channel.SMS,
    to=PERSON,
    called_at=None,  # type: ignore[arg-type]  # set by each test
    known_ids=frozenset(),
    sender="verify",
)


def test_without_a_service_no_code_leaves(twin: Twin) -> None:
    with open_shop(twin) as shop:
        answer = shop.senders[Channel.SMS].send(outbound("verify"))

    assert isinstance(answer, Rejected)
    assert (answer.code, twin.messages()) == ("no_verify_service", [])


def test_an_address_that_cannot_be_is_refused(shop: Shop) -> None:
    assert isinstance(shop.senders[Channel.SMS].send(outbound("verify", to="+1")), Rejected)


def test_a_sixth_code_within_ten_minutes_waits(shop: Shop) -> None:
    sender = shop.senders[Channel.SMS]
    answers = [sender.send(outbound("verify")) for _ in range(6)]

    assert isinstance(answers[5], Busy)
    assert answers[5].code == "60203"
    assert len({getattr(answer, "provider_id", None) for answer in answers[:5]}) == 1


def test_what_became_of_a_code_can_be_asked(shop: Shop) -> None:
    sender, now = shop.senders[Channel.SMS], shop.clock.machine()
    asked = replace(Q, called_at=now)

    assert isinstance(sender.ask(asked), NotTaken)
    sender.send(outbound("verify"))
    assert isinstance(sender.ask(asked), Taken)
    assert not isinstance(sender.send(outbound(None)), Unknown)
