"""A daily cap, through the real SDK: what it refuses waits for the next day, says so, and leaves once."""

from datetime import UTC, datetime, timedelta

import pytest

from engage.domain.delivery.delivery import Mark
from engage.engine.explain.words import waiting_words
from tests.sandbox.twin import PERSON, Twin
from tests.twin.shop import Shop, steps

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
