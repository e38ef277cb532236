"""What was taken and not answered yet is taken back, through the real SDK, once the reason for it is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import ConsentGiven, Identifier, NewFact, SubscriptionWish, encode
from engage.domain.ids import lane_of
from engage.engine.explain.words import Words
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
from engage.ports.reading import DeliverySeen
from tests.sandbox.twin import PERSON, Twin, wait_until
from tests.twin.shop import Shop, steps

FIRST, SECOND = "+14155550109", PERSON
CALL: dict[str, Any] = {"voice": "call", "id": "call"}


def called(shop: Shop, *users: tuple[str, str], **more: Any) -> None:
    """Call each of them; who reaches the end of the journey does so after a day."""
    shop.templates({"call": {"voice": "<Response><Say>Hello</Say></Response>"}})
    shop.publish(
        steps(
            {**CALL, **more}, {"wait": "1 day"}, topic="news", exit_when=[{"event": "Paid", "reason": "paid"}]
        )
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


def busy(twin: Twin) -> None:
    """Somebody else's call takes the provider's second: the next one waits."""
    twin.call(FIRST, twiml="<Response><Say>Hello</Say></Response>")


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


def test_a_call_that_waits_at_the_provider_is_cancelled_once_when_it_expires(shop: Shop, twin: Twin) -> None:
    with standing_still(twin):
        busy(twin)
        called(shop, ("ada", SECOND), expires="10 minutes")
        shop.clock.move_to(shop.clock.now() + timedelta(minutes=9))
        work(shop)
        assert cancellations(shop) == []

        shop.clock.move_to(shop.clock.now() + timedelta(minutes=2))
        work(shop)

    assert statuses(twin) == {FIRST: "completed", SECOND: "canceled"}
    shop.rest()
    ada = next(d for d in shop.deliveries() if d.address == SECOND)
    assert (ada.status, ada.reason, ada.due_at) == (Mark.CANCELED, "expired", None)
    assert [d.status for d in cancellations(shop)] == [Mark.ACCEPTED]
    assert [words for words in told(shop) if "taken back" in words] == [
        "voice call, topic news: taken back from the provider: its time was over (`expires`) and nobody had answered"
    ]
    shop.play_until(shop.clock.now() + timedelta(hours=1))
    assert len(cancellations(shop)) == 1


def test_a_call_whose_hours_are_over_before_it_rings_is_cancelled(shop: Shop, twin: Twin) -> None:
    begins = shop.clock.now() + timedelta(minutes=10)
    shop.settings(
        timezone="UTC",
        quiet_hours={
            "from": f"{begins:%H:%M}",
            "to": f"{begins + timedelta(hours=8):%H:%M}",
            "channels": ["voice"],
        },
    )
    with standing_still(twin):
        busy(twin)
        called(shop, ("ada", SECOND))
        shop.clock.move_to(begins + timedelta(minutes=1))
        work(shop)

    assert statuses(twin)[SECOND] == "canceled"
    shop.rest()
    call = next(d for d in shop.deliveries() if d.address == SECOND)
    assert (call.status, call.reason) == (Mark.CANCELED, "hours_over")


def test_a_call_that_was_answered_in_time_is_not_cancelled_when_it_expires(shop: Shop, twin: Twin) -> None:
    called(shop, ("ada", SECOND), expires="10 minutes")
    shop.rest()
    call = shop.delivery()
    assert (call.status, call.due_at) == (Mark.COMPLETED, None)

    shop.play_until(shop.clock.now() + timedelta(hours=1))

    assert cancellations(shop) == []
    assert shop.delivery().status is Mark.COMPLETED


def test_an_answer_that_comes_as_the_call_expires_counts(shop: Shop, twin: Twin) -> None:
    """The callback was under way: the provider refuses to cancel, which is no mistake of anybody's, and what it tells counts."""
    mistakes = capture_logs()
    twin.faults({"fault": "delay", "channel": "voice", "seconds": 3600})
    called(shop, ("ada", SECOND), expires="10 minutes")
    wait_until(lambda: twin.messages(channel="voice")[0]["status"] == "completed")

    shop.clock.move_to(shop.clock.now() + timedelta(minutes=11))
    with mistakes as logged:
        work(shop)
    assert [d.status for d in cancellations(shop)] == [Mark.ACCEPTED]
    assert [line for line in logged if line["log_level"] == "error"] == []
    twin.post("clock", {"speed": 100_000})
    shop.rest()

    call = next(d for d in shop.deliveries() if d.channel is Channel.VOICE)
    assert (call.status, call.reason) == (Mark.COMPLETED, None)


def test_a_call_that_proves_taken_after_it_expired_is_cancelled_then(shop: Shop, twin: Twin) -> None:
    with standing_still(twin):
        busy(twin)
        shop.senders[Channel.VOICE] = Lossy(shop.senders[Channel.VOICE])
        called(shop, ("ada", SECOND), expires="30 seconds")
        assert shop.deliveries()[-1].status is Mark.UNKNOWN

        shop.clock.move_to(shop.clock.now() + timedelta(seconds=61))
        work(shop)

    assert statuses(twin)[SECOND] == "canceled"
    assert len(cancellations(shop)) == 1


def test_a_cancellation_whose_answer_is_lost_is_no_second_call(shop: Shop, twin: Twin) -> None:
    shop.senders[Channel.HANDOFF] = Lossy(shop.senders[Channel.HANDOFF])
    with standing_still(twin):
        busy(twin)
        called(shop, ("ada", SECOND), expires="10 minutes")
        shop.clock.move_to(shop.clock.now() + timedelta(minutes=11))
        work(shop)
        assert [d.status for d in cancellations(shop)] == [Mark.UNKNOWN]

    shop.play_until(shop.clock.now() + timedelta(minutes=3))

    (cancellation,) = cancellations(shop)
    assert (cancellation.status, cancellation.calls) == (Mark.ACCEPTED, 2)
    assert statuses(twin)[SECOND] == "canceled"


def cancellations(shop: Shop) -> list[Delivery]:
    """What was asked of the provider to take calls back."""
    return [d for d in shop.deliveries() if "withdraws" in d.variables]


def told(shop: Shop) -> list[str]:
    """What `why` says of everybody's sends."""
    decisions = [msgspec.json.decode(row.doc, type=Decision) for row in shop.store.look().decisions.all()]
    seen = {d.id: DeliverySeen(delivery=d, receipts=()) for d in shop.deliveries()}
    return [
        Words(decision, None, None, seen.get(decision.delivery), None).text
        for decision in decisions
        if decision.kind is Decided.SEND and decision.delivery is not None
    ]


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
