"""Texts through the real SDK: services and numbers, pictures, validity, links, and what people answer."""

import re
from datetime import datetime
from typing import Any

import pytest

from engage.domain.delivery.delivery import Mark
from tests.sandbox.twin import PERSON, Twin
from tests.twin.shop import Shop, steps


def text(shop: Shop, step: dict[str, Any], **templates: dict[str, Any]) -> None:
    """Publish one step, and let Ada reach it."""
    shop.templates(templates)
    shop.publish(steps(step))
    shop.identify("ada", name="Ada", phone=PERSON)
    shop.track("ada", "Go")
    shop.rest()


def test_a_link_in_a_text_is_short_and_leads_back(shop: Shop, twin: Twin) -> None:
    text(
        shop,
        {"sms": "t", "id": "hi"},
        t={"sms": "Look: {{ link('https://shop.example/a?b=1') }} {{ link('https://shop.example/a?b=1') }}"},
    )

    first, second = re.findall(r"http://\S+/l/(\w{11})", twin.message()["body"])
    assert first == second
    with shop.store.transaction() as tx:
        kept = tx.links.find(first)
    assert kept is not None
    assert (kept.url, kept.delivery) == ("https://shop.example/a?b=1", shop.delivery().id)


def test_a_picture_is_an_mms_that_counts_once(shop: Shop, twin: Twin) -> None:
    shop.settings(quiet_hours="off", senders={"sms": {"messaging_service": "MG" + "a" * 32}})
    text(
        shop,
        {"mms": "t"},
        t={"mms": "x" * 400, "meta": {"media": ["https://shop.example/{{ profile.name }}.png"]}},
    )

    (message,) = twin.settled()
    assert (message["channel"], message["id"][:2]) == ("mms", "MM")
    assert shop.delivery().provider_id == message["id"]
    assert shop.delivery().status is Mark.DELIVERED


def test_a_text_is_not_delivered_after_it_expires(shop: Shop, twin: Twin) -> None:
    twin.configure(enforce_rates=True, speed=1, latencies=False)
    shop.settings(quiet_hours="off")
    text(shop, {"sms": {"text": "x" * 1500}, "expires": "3 seconds"})
    shop.identify("bob", phone="+14155550102")
    shop.track("bob", "Go")  # ten segments of Ada's stand before his one

    shop.rest()

    assert [delivery.code for delivery in shop.deliveries()] == [None, "30036"]


@pytest.mark.parametrize("word", ["STOP", " stop ", "Unsubscribe", "REVOKE"])
def test_stop_closes_the_channel_at_once_and_the_provider_agrees(shop: Shop, twin: Twin, word: str) -> None:
    text(shop, {"sms": {"text": "Hello"}})

    twin.post("inbound", {"channel": "sms", "from": PERSON, "body": word})
    shop.track("ada", "Go")
    shop.rest()

    assert [str(delivery.reason) for delivery in shop.deliveries()] == ["None", "unsubscribed"]
    assert len(twin.messages()) == 1


def test_a_stop_that_only_the_provider_heard_is_heard_by_us_at_the_next_message(
    shop: Shop, twin: Twin
) -> None:
    text(shop, {"sms": {"text": "Hello"}})
    twin.configure(inbound_sms_url="")
    twin.post("inbound", {"channel": "sms", "from": PERSON, "body": "STOP"})

    shop.track("ada", "Go")
    shop.rest()

    refused = shop.deliveries()[1]
    assert (refused.status, str(refused.reason), refused.code) == (Mark.SKIPPED, "unsubscribed", "21610")
    assert shop.subscribed("sms", "anything") is False


@pytest.mark.parametrize("told", [False, True])
def test_help_is_answered_once_by_us_or_by_the_provider(shop: Shop, twin: Twin, told: bool) -> None:
    shop.settings(quiet_hours="off", sms={"help_text": "Shop offers."})
    text(shop, {"sms": {"text": "Hello"}})
    twin.configure(auto_reply=told, opt_out_type=told)

    twin.post("inbound", {"channel": "sms", "from": PERSON, "body": "HELP"})
    shop.rest()

    answers = [message["body"] for message in twin.settled()][1:]
    assert len(answers) == 1
    assert ("Shop offers." in answers) is not told


@pytest.mark.parametrize("sender", [{}, {"sender": "+15005550006"}, {"sender": "MG" + "a" * 32}])
def test_a_reply_finds_the_run_that_waits_for_it(shop: Shop, twin: Twin, sender: dict[str, str]) -> None:
    shop.publish(
        steps(
            {"sms": {"text": "Coming?", **sender}, "id": "ask"},
            {
                "wait_for": {
                    "step": "ask",
                    "status": "replied",
                    "where": "event.body == 'yes'",
                    "timeout": "1 day",
                    "then": [{"exit": "coming"}],
                }
            },
        )
    )
    shop.identify("ada", phone=PERSON)
    shop.track("ada", "Go")
    shop.rest()

    twin.post("inbound", {"channel": "sms", "from": PERSON, "body": "yes"})
    shop.rest()

    (run,) = shop.runs()
    assert (run.reason, shop.delivery().status) == ("coming", Mark.REPLIED)
    assert isinstance(run.ended_at, datetime)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (PERSON, Mark.DELIVERED),
        ("+15550000000", Mark.SENT),
        ("+15550000001", Mark.DELIVERED),
        ("+155500030003", Mark.UNDELIVERED),
    ],
)
@pytest.mark.parametrize("fault", [None, "reorder", "duplicate", "forged"])
def test_the_status_is_what_all_callbacks_together_say(
    shop: Shop, twin: Twin, number: str, status: Mark, fault: str | None
) -> None:
    if fault:
        twin.faults({"fault": fault})
        twin.post(
            "clock", {"speed": 500}
        )  # one kept back by `reorder` waits two minutes for nobody to overtake it
    shop.publish(steps({"sms": {"text": "Hello"}}))
    shop.identify("ada", phone=number)
    shop.track("ada", "Go")

    shop.rest()

    assert shop.delivery().status is status
    assert bool(shop.refused) is (fault == "forged")


@pytest.mark.parametrize("smart", [False, True])
def test_look_alikes_are_replaced_where_the_settings_say_so(shop: Shop, twin: Twin, smart: bool) -> None:
    shop.settings(quiet_hours="off", sms={"smart_encoding": smart})
    body = "\u201cHello\u201d \u2013 it\u2019s " + "x" * 80
    text(shop, {"sms": {"text": body}})

    arrived = twin.message()
    assert arrived["body"].startswith('"Hello" - it\'s' if smart else "\u201cHello")
    assert shop.delivery().segments == arrived["segments"] == (1 if smart else 2)


LANDLINE = "+15550040001"


def test_a_landline_gets_no_text_where_numbers_are_looked_up(shop: Shop, twin: Twin) -> None:
    shop.settings(quiet_hours="off", sms={"lookup": True})
    shop.publish(steps({"sms": {"text": "Hello"}}))
    for name, number in (("ada", LANDLINE), ("bob", PERSON)):
        shop.identify(name, phone=number)
        shop.track(name, "Go")
    shop.rest()

    refused = next(d for d in shop.deliveries() if d.address == LANDLINE)
    assert (refused.status, str(refused.reason), refused.code) == (Mark.FAILED, "invalid_address", "landline")
    assert [message["to"] for message in twin.messages()] == [PERSON]
    assert shop.counts()["Address Suppressed"] == 1


def test_without_the_look_up_a_landline_is_found_out_the_dear_way(shop: Shop) -> None:
    shop.publish(steps({"sms": {"text": "Hello"}}))
    shop.identify("ada", phone=LANDLINE)
    shop.track("ada", "Go")
    shop.rest()

    assert (shop.delivery().status, shop.delivery().code) == (Mark.UNDELIVERED, "30006")


def test_a_number_is_looked_up_once(shop: Shop, twin: Twin) -> None:
    shop.settings(quiet_hours="off", sms={"lookup": True})
    text(shop, {"sms": {"text": "Hello"}})
    shop.track("ada", "Go")
    shop.rest()

    assert len(twin.messages()) == 2
    assert [record["sid"] for record in twin.get("records", kind="lookups")["records"]["lookups"]] == [PERSON]


def test_a_look_up_that_fails_holds_up_no_text(shop: Shop, twin: Twin) -> None:
    shop.settings(quiet_hours="off", sms={"lookup": True})
    twin.configure(lookup_fails=True)
    text(shop, {"sms": {"text": "Hello"}})

    assert shop.delivery().status is Mark.DELIVERED


def test_what_callbacks_say_that_nobody_understands_is_put_aside_and_the_rest_counts(
    shop: Shop, twin: Twin
) -> None:
    twin.faults({"channel": "sms", "fault": "odd"})

    text(shop, {"sms": {"text": "Hi"}, "id": "hi"})

    assert shop.delivery().status is Mark.DELIVERED
    assert (
        sorted(item.reason for item in shop.quarantined()) == ["other_account"] * 2 + ["unknown_status"] * 2
    )
    assert shop.refused == []


def test_a_picture_that_somebody_sends_is_in_what_was_received(shop: Shop, twin: Twin) -> None:
    text(shop, {"sms": {"text": "Hi"}, "id": "hi"})

    twin.post(
        "inbound", {"channel": "sms", "from": PERSON, "body": "", "media": ["https://shop.example/a.png"]}
    )
    shop.rest()

    (received,) = [event for event in shop.events() if event.name == "SMS Received"]
    assert received.properties["media"] == ["https://shop.example/a.png"]
