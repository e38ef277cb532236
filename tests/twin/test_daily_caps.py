"""A daily cap, through the real SDK: what it refuses waits for the next day, says so, and leaves once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engage.domain.delivery.delivery import Mark
from engage.engine.explain.words import waiting_words
from tests.sandbox.twin import PERSON, Twin
from tests.twin.shop import Shop, steps
from tests.twin.test_statuses import tell

HOUR = timedelta(hours=1)


def ask(shop: Shop, twin: Twin, code: int, **more: str) -> None:
    shop.publish(steps({"sms": {"text": "Hello"}, **more}))
    twin.faults({"fault": "refuse", "code": code, "count": 1})
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go")
    shop.rest()


@pytest.mark.parametrize("code", [30023, 30027])
def test_what_the_carriers_cap_refuses_waits_for_midnight_in_los_angeles(
    shop: Shop, twin: Twin, code: int
) -> None:
    ask(shop, twin, code)

    held = shop.delivery()
    assert (held.status, held.reason, held.code) == (Mark.HELD, "rate", str(code))
    assert held.due_at is not None
    assert held.due_at.astimezone(UTC).hour in (7, 8)
    assert timedelta(0) < held.due_at - shop.clock.now() <= 25 * HOUR
    assert f"rate (daily cap used up ({code}))" in waiting_words(held)

    shop.play_until(held.due_at + HOUR)

    assert (len(twin.messages()), shop.delivery().code) == (1, None)
    assert Mark.ACCEPTED in shop.delivery().marks


def test_what_the_accounts_cap_refuses_waits_for_24_hours(shop: Shop, twin: Twin) -> None:
    refused = shop.clock.now()
    ask(shop, twin, 63038)

    due = shop.delivery().due_at
    assert due is not None
    assert timedelta(0) <= due - refused - 24 * HOUR < HOUR


def test_what_a_cap_refused_expires_meanwhile(shop: Shop, twin: Twin) -> None:
    asked: datetime = shop.clock.now()
    ask(shop, twin, 63038, expires="2 hours")

    due = shop.delivery().due_at
    assert due is not None
    assert due - asked < 3 * HOUR
    shop.play_until(due + HOUR)

    assert (shop.delivery().status, shop.delivery().reason) == (Mark.SKIPPED, "expired")
    assert twin.messages() == []


def taken(shop: Shop, twin: Twin, *more: dict[str, Any], number: str = PERSON, **step: str) -> str:
    """Have a text taken, of which the twin itself tells nothing more; return the provider's id of it."""
    twin.configure(latencies=True, sent_seconds=100_000.0, api_latency_ms=0.0)
    shop.publish(steps({"sms": {"text": "Hello"}, "id": "hi", **step}, *more))
    shop.identify("ada", phone=number)
    shop.track("ada", "Go")
    work(shop)
    return str(shop.delivery().provider_id)


def work(shop: Shop) -> None:
    with shop._guard:
        shop.world.rest()


@pytest.mark.parametrize(("code", "status"), [(30023, "undelivered"), (30027, "failed"), (63038, "failed")])  # fmt: skip
def test_what_a_cap_refused_after_all_is_asked_for_once_more_when_it_renews(
    shop: Shop, twin: Twin, code: int, status: str
) -> None:
    sid = taken(shop, twin, {"wait": "3 days"})

    tell(shop, sid, status, code)

    first, again = shop.deliveries()
    assert (first.status, first.reason, first.code) == (Mark(status), "provider_error", str(code))
    assert (again.status, again.reason, again.code) == (Mark.HELD, "rate", str(code))
    assert (again.step, again.visit, again.text) == ("hi", 2, "Hello")
    assert f"rate (daily cap used up ({code}))" in waiting_words(again)
    assert again.due_at is not None
    assert timedelta(0) < again.due_at - shop.clock.now() <= 25 * HOUR
    assert len(twin.messages()) == 1

    shop.clock.move_to(again.due_at)
    work(shop)

    assert [message["body"] for message in twin.messages()] == ["Hello", "Hello"]
    tell(shop, str(shop.deliveries()[-1].provider_id), "delivered")
    assert [delivery.status for delivery in shop.deliveries()] == [Mark(status), Mark.DELIVERED]
    assert (shop.counts()["SMS Sent"], shop.counts()["SMS Failed"]) == (2, 1)


def test_what_is_refused_again_when_the_cap_has_renewed_has_failed(shop: Shop, twin: Twin) -> None:
    sid = taken(shop, twin, {"wait": "3 days"})
    tell(shop, sid, "undelivered", 30023)
    tell(shop, sid, "undelivered", 30023)
    again = shop.deliveries()[-1]
    assert again.due_at is not None
    shop.clock.move_to(again.due_at)
    work(shop)

    tell(shop, str(shop.deliveries()[-1].provider_id), "undelivered", 30023)

    assert [delivery.status for delivery in shop.deliveries()] == [Mark.UNDELIVERED] * 2


def test_a_run_that_listened_to_the_failure_is_sent_nothing_more(shop: Shop, twin: Twin) -> None:
    wait = {
        "wait_for": {
            "timeout": "2 days",
            "branches": [{"step": "hi", "status": "undelivered", "then": [{"exit": "no text"}]}],
        }
    }
    sid = taken(shop, twin, wait)

    tell(shop, sid, "undelivered", 30023)

    assert shop.delivery().status is Mark.UNDELIVERED
    assert [run.reason for run in shop.runs()] == ["no text"]


def test_what_was_sent_for_a_run_that_was_left_is_not_asked_for_again(shop: Shop, twin: Twin) -> None:
    sid = taken(shop, twin, {"wait_for": {"timeout": "2 days", "event": "Paid", "then": [{"exit": "paid"}]}})
    shop.track("ada", "Paid")
    work(shop)

    tell(shop, sid, "undelivered", 30023)

    assert shop.delivery().status is Mark.UNDELIVERED


def test_the_last_step_of_a_run_is_asked_for_once_more(shop: Shop, twin: Twin) -> None:
    sid = taken(shop, twin)
    assert [run.reason for run in shop.runs()] == ["completed"]

    tell(shop, sid, "undelivered", 30023)

    assert [delivery.status for delivery in shop.deliveries()] == [Mark.UNDELIVERED, Mark.HELD]


def test_what_expires_before_the_cap_renews_is_skipped_then(shop: Shop, twin: Twin) -> None:
    sid = taken(shop, twin, {"wait": "3 days"}, expires="2 hours")

    tell(shop, sid, "failed", 63038)
    shop.clock.move_to(shop.clock.now() + 3 * HOUR)
    work(shop)

    assert (shop.deliveries()[-1].status, shop.deliveries()[-1].reason) == (Mark.SKIPPED, "expired")
    assert len(twin.messages()) == 1


def test_what_is_sensitive_is_covered_by_then_and_not_sent_with_holes(shop: Shop, twin: Twin) -> None:
    shop.settings(quiet_hours="off", sensitive=["Go.code"])
    shop.templates({"code": {"sms": "Your code: {{ entry.code }}"}})
    twin.configure(latencies=True, sent_seconds=100_000.0, api_latency_ms=0.0)
    shop.publish(steps({"sms": "code", "id": "hi"}, {"wait": "3 days"}))
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go", code="4711")
    work(shop)

    tell(shop, str(shop.delivery().provider_id), "undelivered", 30023)

    assert (shop.delivery().status, shop.delivery().concealed) == (Mark.UNDELIVERED, True)
