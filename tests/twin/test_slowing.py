"""Too fast, or not reachable, through the real SDK: a sender goes slower for a while, an address is given up after three failures."""

import pytest

from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.delivery.slowing import Slowness
from tests.sandbox.twin import FROM, PERSON, Twin
from tests.twin.shop import Shop, steps

RATE = {"sms": {"number": FROM, "rate": "10 per second"}}


def slowness(shop: Shop, name: str) -> Slowness | None:
    with shop.store.transaction() as tx:
        return tx.senders.slowness([name]).get(name)


def send(shop: Shop, user: str, number: str, times: int = 1) -> None:
    shop.identify(user, phone=number)
    for _ in range(times):
        shop.track(user, "Go")
        shop.rest()


def test_a_sender_that_was_too_fast_goes_slower(shop: Shop, twin: Twin) -> None:
    shop.settings(quiet_hours="off", senders=RATE)
    shop.publish(steps({"sms": {"text": "Hello"}}))
    twin.faults({"fault": "429", "count": 1})
    send(shop, "ada", PERSON)

    slow = slowness(shop, FROM)
    assert slow is not None
    assert (slow.factor, slow.code) == (2, "20429")

    for number in range(8):
        shop.identify(f"u{number}", phone=f"+1415555020{number}")
        shop.track(f"u{number}", "Go")
    with shop._guard:
        shop.world.rest()
    held = [d for d in shop.deliveries() if d.status is Mark.HELD and d.reason == "rate"]
    assert held
    assert {d.rule for d in held} == {"told to slow down (20429)"}


def test_without_a_rate_one_refused_call_holds_up_no_other(shop: Shop, twin: Twin) -> None:
    shop.settings(quiet_hours="off")
    shop.publish(steps({"sms": {"text": "Hello"}}))
    twin.faults({"fault": "429", "count": 1, "retry_after": 60})
    send(shop, "ada", PERSON)

    for number in range(40):
        shop.identify(f"u{number}", phone=f"+141555502{number:02}")
        shop.track(f"u{number}", "Go")
    with shop._guard:
        shop.world.rest()
    held = [delivery for delivery in shop.deliveries() if delivery.status is Mark.HELD]
    assert [delivery.reason for delivery in held] == ["retry"]


@pytest.mark.parametrize("code", [30001, 30017, 30022, 30027, 63018])
def test_a_carrier_that_says_so_later_slows_the_sender_too(shop: Shop, code: int) -> None:
    shop.settings(quiet_hours="off", senders=RATE)
    shop.publish(steps({"sms": {"text": "Hello"}}))
    send(shop, "ada", f"+1555000{code}")

    slow = slowness(shop, FROM)
    assert slow is not None
    assert slow.code == str(code)


def test_other_failures_slow_nobody(shop: Shop) -> None:
    shop.settings(quiet_hours="off", senders=RATE)
    shop.publish(steps({"sms": {"text": "Hello"}}))
    for code in (30003, 30005, 30007):
        send(shop, f"u{code}", f"+1555000{code}")

    assert slowness(shop, FROM) is None


def statuses(shop: Shop) -> list[tuple[str, str | None]]:
    def shown(delivery: Delivery) -> tuple[str, str | None]:
        return str(delivery.status), delivery.reason if delivery.status is Mark.SKIPPED else delivery.code

    return [shown(delivery) for delivery in shop.deliveries()]


@pytest.mark.parametrize("code", [30003, 30008, 30410])
def test_an_address_that_fails_three_times_in_a_row_is_given_up(shop: Shop, code: int) -> None:
    shop.publish(steps({"sms": {"text": "Hello"}}))
    send(shop, "ada", f"+1555000{code}", 4)

    assert statuses(shop) == [("undelivered", str(code))] * 3 + [("skipped", "suppressed")]
    (event,) = [event for event in shop.events() if event.name == "Address Suppressed"]
    assert event.properties == {"channel": "sms", "reason": "unreachable"}


def test_one_that_was_reached_in_between_is_not_given_up(shop: Shop) -> None:
    shop.publish(steps({"sms": {"text": "Hello"}}))
    send(shop, "ada", "+15550000001", 5)  # undelivered, then delivered after all

    assert {delivery.status for delivery in shop.deliveries()} == {Mark.DELIVERED}
    assert shop.counts()["Address Suppressed"] == 0


def test_two_people_of_one_number_share_its_failures(shop: Shop) -> None:
    shop.publish(steps({"sms": {"text": "Hello"}}))
    number = "+155500030003"
    for user in ("ada", "bob", "eve", "dan"):
        shop.identify(user)
        shop.publish(steps({"sms": {"text": "Hello", "to": f"'{number}'"}}))
        shop.track(user, "Go")
        shop.rest()

    assert [status for status, _ in statuses(shop)] == ["undelivered"] * 3 + ["skipped"]
