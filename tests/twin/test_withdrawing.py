"""What was taken and not answered yet is taken back, through the real SDK, once the reason for it is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from engage.domain.delivery.delivery import Channel, Mark
from engage.domain.fact import ConsentGiven, Identifier, NewFact, SubscriptionWish, encode
from engage.domain.ids import lane_of
from engage.ports.channel import (
    Answer,
    CannotSay,
    NotTaken,
    Outbound,
    Question,
    Sender,
    Taken,
    Unknown,
)
from tests.sandbox.twin import PERSON, Twin
from tests.twin.shop import Shop, steps

FIRST, SECOND = "+14155550109", PERSON
CALL: dict[str, Any] = {"voice": "call", "id": "call"}


def called(shop: Shop, *users: tuple[str, str], **more: Any) -> None:
    """Call each of them; who reaches the end of the journey does so after a day."""
    shop.templates({"call": {"voice": "<Response><Say>Hello</Say></Response>"}})
    shop.publish(
        steps(CALL, {"wait": "1 day"}, topic="news", exit_when=[{"event": "Paid", "reason": "paid"}], **more)
    )
    for user, number in users:
        shop.identify(user, phone=number)
        shop.track(user, "Go")
        work(shop)


def work(shop: Shop) -> None:
    """Let the engine work; the twin stands still."""
    with shop._guard:
        shop.world.rest()


@contextmanager
def standing_still(twin: Twin) -> Iterator[None]:
    """The provider calls one number a second, and its second does not pass."""
    twin.configure(enforce_rates=True)
    twin.post("clock", {"speed": 0})
    yield
    twin.post("clock", {"speed": 1000})


def statuses(twin: Twin) -> dict[str, str]:
    return {call["to"]: call["status"] for call in twin.settled(channel="voice")}


def test_a_call_that_waits_at_the_provider_is_cancelled_with_its_run(shop: Shop, twin: Twin) -> None:
    with standing_still(twin):
        called(shop, ("bob", FIRST), ("ada", SECOND))
        shop.track("ada", "Paid")
        work(shop)

    assert statuses(twin) == {FIRST: "completed", SECOND: "canceled"}
    shop.rest()
    ada = next(d for d in shop.deliveries() if d.address == SECOND)
    assert ada.status is Mark.CANCELED
    assert next(run.reason for run in shop.runs() if run.profile == ada.profile) == "paid"


def test_somebody_who_wants_no_calls_is_not_rung_by_one_that_waits(shop: Shop, twin: Twin) -> None:
    shop.settings(quiet_hours="off", topics={"news": {"title": "News", "voice": "opt_out"}})
    with standing_still(twin):
        called(shop, ("bob", FIRST), ("ada", SECOND))
        no = ConsentGiven(
            message_id="no",
            person=Identifier("phone", SECOND),
            profile=None,
            wish=SubscriptionWish(channel="voice", state="unsubscribed", address=SECOND),
            at=shop.clock.now(),
            source="api",
        )
        shop.world.add(
            [
                NewFact(
                    lane=lane_of(SECOND),
                    source="api",
                    message_id="no",
                    received_at=no.at,
                    payload=encode(no),
                )
            ]
        )
        work(shop)

    assert statuses(twin) == {FIRST: "completed", SECOND: "canceled"}


def test_a_call_that_somebody_answered_goes_on(shop: Shop, twin: Twin) -> None:
    called(shop, ("ada", SECOND))
    shop.rest()

    shop.track("ada", "Paid")
    shop.rest()

    assert statuses(twin) == {SECOND: "completed"}
    assert shop.delivery().status is Mark.COMPLETED


def test_a_run_that_walks_to_its_end_takes_nothing_back(shop: Shop, twin: Twin) -> None:
    shop.templates({"call": {"voice": "<Response><Say>Hello</Say></Response>"}})
    with standing_still(twin):
        shop.publish(steps(CALL))
        for user, number in (("bob", FIRST), ("ada", SECOND)):
            shop.identify(user, phone=number)
            shop.track(user, "Go")
            work(shop)

    assert statuses(twin) == {FIRST: "completed", SECOND: "completed"}


class Lossy:
    """The provider takes it, and its answer is lost."""

    provider = "twilio"

    def __init__(self, usual: Sender) -> None:
        self._usual, self._lost = usual, False

    def send(self, outbound: Outbound) -> Answer:
        answer = self._usual.send(outbound)
        if self._lost:
            return answer
        self._lost = True
        return Unknown(code="no_answer")

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        return self._usual.ask(question)


@pytest.mark.parametrize("target", ["taskrouter", "flex"])
def test_a_hand_off_that_proves_taken_after_its_run_ended_is_withdrawn(
    shop: Shop, twin: Twin, target: str
) -> None:
    shop.senders[Channel.HANDOFF] = Lossy(shop.senders[Channel.HANDOFF])
    shop.publish(
        steps(
            {"handoff": {"to": target, "workflow": "sales", "attributes": {}}, "id": "agent"},
            {"wait": "1 day"},
            exit_when=[{"event": "Paid"}],
        )
    )
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go")
    shop.rest()
    shop.track("ada", "Paid")
    shop.rest()
    (task,) = twin.get("records", kind="tasks")["records"]["tasks"]
    assert task["assignment_status"] == "pending"

    shop.play_until(shop.clock.now() + timedelta(minutes=3))

    (task,) = twin.get("records", kind="tasks")["records"]["tasks"]
    assert (task["assignment_status"], task["reason"]) == ("canceled", "withdrawn")
    assert shop.deliveries()[0].status is Mark.CANCELED
