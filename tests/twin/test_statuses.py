"""Every step of the vendor's tables of statuses, for messages and for calls: sent by the SDK, told by signed callbacks."""

import pytest

from engage.domain.delivery.delivery import Delivery, Mark
from tests.sandbox.twin import PERSON, Twin, wait_until
from tests.twin.shop import Shop, steps

SILENT = "+15550000000"
"""Gets `sent` and never another word."""
STATUSES = (
    *("scheduled", "accepted", "queued", "sending", "sent", "partially_delivered"),
    *("delivered", "undelivered", "failed", "canceled", "read"),
)
STEPS = [
    ("scheduled", "accepted"),
    ("scheduled", "queued"),
    ("scheduled", "canceled"),
    ("scheduled", "failed"),
    ("accepted", "queued"),
    ("accepted", "failed"),
    ("queued", "sending"),
    ("queued", "sent"),
    ("queued", "failed"),
    ("sending", "sent"),
    ("sending", "failed"),
    ("sending", "delivered"),
    ("sending", "undelivered"),
    ("sent", "partially_delivered"),
    ("sent", "delivered"),
    ("sent", "undelivered"),
    ("delivered", "read"),
]
"""The vendor's table; what follows counts, in whatever order the two are told."""
MARKS = {
    "delivered": Mark.DELIVERED,
    "read": Mark.OPENED,
    "undelivered": Mark.UNDELIVERED,
    "failed": Mark.FAILED,
}


@pytest.fixture
def message(shop: Shop, twin: Twin) -> str:
    """A WhatsApp message that the provider took, and says nothing more about."""
    twin.configure(latencies=True, sent_seconds=100_000.0, api_latency_ms=0.0)
    shop.templates({"hi": {"whatsapp": {"content": "HX" + "a" * 32, "text": "Hi"}}})
    shop.publish(steps({"whatsapp": "hi"}))
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go")
    with shop._guard:
        shop.world.rest()
    return str(shop.delivery().provider_id)


def tell(shop: Shop, sid: str, status: str, code: int = 30008) -> int | None:
    """Have the provider put a message into a status and tell it; return our answer."""
    failed = status in ("failed", "undelivered")
    shop.twin.post("status", {"id": sid, "status": status, "code": code if failed else None})
    wait_until(lambda: not shop.twin.get("stats")["callbacks"]["pending"])
    (message,) = [message for message in shop.twin.messages() if message["id"] == sid]
    told = message["callbacks"][-1]
    with shop._guard:
        shop.world.rest()
    assert told["event"] == status
    answer: int | None = told["answer"]
    return answer


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("before", "after"), STEPS)
def test_the_later_status_of_two_counts_whichever_is_told_first(
    shop: Shop, message: str, before: str, after: str, backwards: bool
) -> None:
    for status in (after, before) if backwards else (before, after):
        assert tell(shop, message, status) == 204

    sent = Mark.SENT if {"sent", "partially_delivered"} & {before, after} else Mark.ACCEPTED
    # What we know to be taken is so for certain: that it was cancelled is kept, and does not outweigh it.
    assert shop.delivery().status is MARKS.get(after, sent)
    assert (Mark.CANCELED in shop.delivery().marks) is (after == "canceled")
    assert shop.refused == []
    assert shop.quarantined() == []


CONFLICTS = [
    ("delivered", "undelivered"),
    ("delivered", "failed"),
    ("read", "undelivered"),
    ("undelivered", "failed"),
]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("stronger", "weaker"), CONFLICTS)
def test_of_two_conflicting_ends_the_stronger_counts_whichever_is_told_first(
    shop: Shop, message: str, stronger: str, weaker: str, backwards: bool
) -> None:
    for status in (weaker, stronger) if backwards else (stronger, weaker):
        tell(shop, message, status)

    assert shop.delivery().status is MARKS[stronger]
    told = [row.receipt_id for row in shop.store.look().receipts.all()]
    assert len(told) == 2


def test_the_table_names_every_status() -> None:
    assert {status for step in STEPS for status in step} == set(STATUSES)


def test_a_status_nobody_knows_is_put_aside(shop: Shop, message: str) -> None:
    assert tell(shop, message, "teleported") == 204

    assert [item.reason for item in shop.quarantined()] == ["unknown_status"]
    assert shop.delivery().status is Mark.ACCEPTED


CALLS = {
    "answered": (PERSON, Mark.COMPLETED, ["Call Started", "Call Answered", "Call Completed"]),
    "busy": ("+15550010001", Mark.BUSY, ["Call Started", "Call Failed"]),
    "no answer": ("+15550010002", Mark.NO_ANSWER, ["Call Started", "Call Failed"]),
    "failed": ("+15550010003", Mark.FAILED, ["Call Started", "Call Failed"]),
}


def called(shop: Shop, number: str) -> Delivery:
    shop.templates({"call": {"voice": "<Response><Say>Hello</Say></Response>"}})
    shop.publish(steps({"voice": "call", "id": "call"}))
    shop.identify("ada", phone=number)
    shop.track("ada", "Go")
    with shop._guard:
        shop.world.rest()
    return shop.delivery()


@pytest.mark.parametrize("end", CALLS)
def test_every_end_of_a_call_is_told(shop: Shop, end: str) -> None:
    number, status, events = CALLS[end]
    called(shop, number)

    shop.rest()

    assert shop.delivery().status is status
    told = [event for event in shop.events() if event.name.startswith("Call ")]
    assert sorted(event.name for event in told) == sorted(events)
    if events[-1] == "Call Failed":
        (failed,) = [event for event in told if event.name == "Call Failed"]
        assert failed.properties["code"] == str(status)
        assert shop.delivery().code == {"failed": "404"}.get(end)


def test_a_call_that_somebody_else_cancels_is_canceled(shop: Shop, twin: Twin) -> None:
    twin.post("clock", {"speed": 0})
    twin.configure(ring_seconds=100.0, latencies=True, api_latency_ms=0.0)
    delivery = called(shop, PERSON)

    twin.client.calls(str(delivery.provider_id)).update(status="canceled")
    twin.post("clock", {"speed": 1000})
    shop.rest()

    assert shop.delivery().status is Mark.CANCELED
    (failed,) = [event for event in shop.events() if event.name == "Call Failed"]
    assert failed.properties["code"] == "canceled"


@pytest.mark.parametrize(("number", "who"), [("+15550010004", "machine_end_beep"), ("+15550010005", "fax"), ("+15550010007", "machine_end_silence"), (PERSON, "human")])  # fmt: skip
def test_who_answered_is_told_whatever_it_is(shop: Shop, number: str, who: str) -> None:
    voice = {"machine": "voicemail", "say": [{"say": "Hello"}], "on_machine": [{"say": "Call us."}]}
    shop.templates({"call": {"voice": voice}})
    shop.publish(steps({"voice": "call", "id": "call"}))
    shop.identify("ada", phone=number)
    shop.track("ada", "Go")

    shop.rest()

    answered = [event for event in shop.events() if event.name == "Call Answered"]
    assert {event.properties["answered_by"] for event in answered} == {who}
    assert Mark.COMPLETED in shop.delivery().marks
