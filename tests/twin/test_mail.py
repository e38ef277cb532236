"""Mail through the real SDK to the twin, and its signed events back: every fate comes to its status, whatever goes wrong."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from engage.domain.delivery.delivery import FailReason
from tests.sandbox.twin import Twin
from tests.twin.shop import Shop, open_shop, steps

MAIL = {"email": '<p>Hello <a href="https://shop.example/a">you</a></p>', "meta": {"subject": "Hello"}}
_A_MINUTE = timedelta(minutes=1)
TOPICS = {"offers": {"email": "opt_out"}, "orders": {"transactional": True}}


@pytest.fixture
def shop(twin: Twin) -> Iterator[Shop]:
    """A shop that writes mails about offers."""
    with open_shop(
        twin,
        sendgrid_api_key="SG.test",
        sendgrid_from="Shop <hello@shop.example>",
        sendgrid_base_url=twin.url,
        sendgrid_public_keys=(twin.box.public_key,),
    ) as shop:
        twin.configure(event_webhook_url=f"{shop.url}/webhooks/sendgrid/events", open_share=0, click_share=0)
        shop.settings(quiet_hours="off", topics=TOPICS)
        shop.templates({"hello": MAIL})
        shop.publish(steps({"email": {"template": "hello", "topic": "offers"}, "id": "mail"}))
        yield shop


def write_to(shop: Shop, address: str) -> None:
    shop.identify("ada", email=address)
    shop.track("ada", "Go")
    shop.rest()


@pytest.mark.parametrize(
    ("address", "status", "happened"),
    [
        ("ada@sandbox.example", "delivered", {"Email Sent": 1, "Email Delivered": 1}),
        (
            "bounce+5.1.1@sandbox.example",
            "bounced",
            {"Email Sent": 1, "Email Bounced": 1, "Address Suppressed": 1},
        ),
        ("blocked@sandbox.example", "bounced", {"Email Bounced": 1, "Address Suppressed": 0}),
        ("deferred3@sandbox.example", "delivered", {"Email Deferred": 3, "Email Delivered": 1}),
        ("dropped-invalid@sandbox.example", "failed", {"Email Dropped": 1, "Address Suppressed": 1}),
        ("spam@sandbox.example", "complained", {"Email Marked as Spam": 1, "Address Suppressed": 1}),
        ("open@sandbox.example", "opened", {"Email Opened": 1}),
        ("machineopen@sandbox.example", "delivered", {"Email Opened": 1}),
        ("click@sandbox.example", "clicked", {"Email Opened": 1, "Email Link Clicked": 1}),
        ("unsub@sandbox.example", "delivered", {"Email Unsubscribed": 1, "Subscription Updated": 1}),
        ("slow@sandbox.example", "delivered", {"Email Delivered": 1}),
    ],
)
def test_every_fate_comes_to_its_status(
    shop: Shop, address: str, status: str, happened: dict[str, int]
) -> None:
    write_to(shop, address)

    counts = shop.counts()
    assert str(shop.delivery().status) == status
    assert {name: counts[name] for name in happened} == happened
    assert shop.refused == []
    [run] = shop.runs()
    assert run.reason == "completed"


def test_a_machines_open_is_no_engagement(shop: Shop) -> None:
    write_to(shop, "machineopen@sandbox.example")

    [opened] = [event for event in shop.events() if event.name == "Email Opened"]
    assert opened.properties["machine"] is True
    assert "opened_any" in [str(mark) for mark in shop.delivery().marks]
    assert "opened" not in [str(mark) for mark in shop.delivery().marks]


@pytest.mark.parametrize(
    "address", ["bounce+5.1.1@sandbox.example", "spam@sandbox.example", "unsub@sandbox.example"]
)
def test_after_a_no_nothing_leaves_any_more(shop: Shop, twin: Twin, address: str) -> None:
    write_to(shop, address)
    write_to(shop, address)

    first, second = shop.deliveries()
    assert first.accepted_at is not None
    assert str(second.status) == "skipped"
    assert second.reason in {"suppressed", "unsubscribed"}
    assert len(twin.messages(to=address)) == 1


def test_a_no_at_sendgrid_closes_every_topic_and_a_group_s_only_its_own(shop: Shop, twin: Twin) -> None:
    twin.sendgrid.client.asm.groups.post(request_body={"name": "Offers", "description": "Offers"})
    write_to(shop, "unsub@sandbox.example")
    assert not shop.subscribed("email", "offers")
    assert not shop.subscribed("email", "orders")

    shop.templates({"hello": {**MAIL, "meta": {"subject": "Hello", "unsubscribe_group": 1}}})
    shop.identify("bob", email="unsub+2@sandbox.example")
    shop.track("bob", "Go")
    shop.rest()

    states = {
        row.key.topic for row in shop.store.look().subscriptions.where("address", "unsub+2@sandbox.example")
    }
    assert states == {"offers"}


@pytest.mark.parametrize("fault", ["duplicate", "reorder", "delay", "forged"])
def test_events_that_come_twice_late_or_forged_come_to_the_same(shop: Shop, twin: Twin, fault: str) -> None:
    twin.configure(speed=50)
    twin.faults({"channel": "email", "fault": fault, "seconds": 2})

    write_to(shop, "click@sandbox.example")

    counts = shop.counts()
    assert str(shop.delivery().status) == "clicked"
    assert {name: counts[name] for name in ("Email Sent", "Email Delivered", "Email Opened", "Email Link Clicked", "Email Bounced")} == {
        "Email Sent": 1, "Email Delivered": 1, "Email Opened": 1, "Email Link Clicked": 1, "Email Bounced": 0
    }  # fmt: skip
    assert bool(shop.refused) is (fault == "forged")


@pytest.mark.parametrize(
    "fault", ["429", "503_after", "hang_after", "reset_after", "html_after", "drip_after", "truncated_after"]
)
def test_trouble_with_the_call_never_makes_two_mails(shop: Shop, twin: Twin, fault: str) -> None:
    twin.configure(hang_seconds=5)
    twin.faults({"channel": "email", "fault": fault, "count": 1, "retry_after": 0, "seconds": 0.5})

    write_to(shop, "ada@sandbox.example")
    shop.play_until(shop.clock.now() + _A_MINUTE)

    assert str(shop.delivery().status) == "delivered"
    assert len(twin.messages(to="ada@sandbox.example")) == 1


@pytest.mark.parametrize(
    ("address", "reason"),
    [("not an address", "invalid_address"), ("ada@nowhere", "invalid_address")],
)
def test_an_address_that_sendgrid_refuses_ends_as_invalid(shop: Shop, address: str, reason: str) -> None:
    write_to(shop, address)

    assert str(shop.delivery().status) in {"failed", "skipped"}
    assert shop.delivery().reason in {reason, "no_address"}


def test_a_wrong_key_is_a_matter_of_setup(twin: Twin) -> None:
    with open_shop(
        twin, sendgrid_api_key="SG.wrong", sendgrid_from="a@b.example", sendgrid_base_url=twin.url
    ) as shop:
        twin.configure(sendgrid_api_key="SG.right")
        shop.templates({"hello": MAIL})
        shop.publish(steps({"email": "hello"}))
        write_to(shop, "ada@sandbox.example")

        assert (str(shop.delivery().status), shop.delivery().reason) == ("failed", FailReason.CONFIG)


def test_a_sender_that_is_not_verified_is_a_matter_of_setup(shop: Shop, twin: Twin) -> None:
    twin.configure(verified_senders=["other.example"])
    write_to(shop, "ada@sandbox.example")
    twin.configure(verified_senders=["other.example", "SHOP.example"])
    write_to(shop, "bob@sandbox.example")

    first, second = shop.deliveries()
    assert (str(first.status), first.reason, first.code) == ("failed", FailReason.CONFIG, "403")
    assert str(second.status) == "delivered"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whatever_kind_of_5xx_the_outcome_is_settled_by_the_stream(
    shop: Shop, twin: Twin, status: int, when: str
) -> None:
    twin.faults({"channel": "email", "fault": f"503_{when}", "status": status, "count": 1})

    write_to(shop, "ada@sandbox.example")

    assert str(shop.delivery().status) == ("delivered" if when == "after" else "unknown")
    assert len(twin.messages(to="ada@sandbox.example")) == int(when == "after")


def test_what_meta_says_reaches_the_mailbox(shop: Shop, twin: Twin) -> None:
    said: dict[str, Any] = {
        "subject": "Hello",
        "preheader": "Look inside",
        "categories": ["spring"],
        "tracking": {"opens": False, "clicks": False},
        "attachments": [{"name": "class.ics", "type": "text/calendar", "text": "SUMMARY:{{ entry.title }}"}],
    }
    shop.templates({"hello": {**MAIL, "meta": said}})
    shop.identify("ada", email="ada@sandbox.example")
    shop.track("ada", "Go", title="Bread")
    shop.rest()

    message = twin.message(to="ada@sandbox.example")
    assert "Look inside" in message["html"]
    assert message["categories"] == ["hello", "spring"]
    assert message["tracking"] == {"opens": False, "clicks": False}
    assert message["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["attachments"] == ["class.ics"]


def test_what_the_stream_says_that_nobody_understands_is_put_aside(shop: Shop, twin: Twin) -> None:
    twin.faults({"channel": "email", "fault": "odd", "count": 1})

    write_to(shop, "click@sandbox.example")

    assert str(shop.delivery().status) == "clicked"
    reasons = Counter(row.reason for row in shop.quarantined())
    assert reasons == {"no_reference": 2, "unknown_event": 1}


def test_events_that_lost_our_reference_find_their_mail(shop: Shop, twin: Twin) -> None:
    twin.faults({"channel": "email", "fault": "bare"})

    write_to(shop, "click@sandbox.example")
    write_to(shop, "spam@sandbox.example")

    assert [str(one.status) for one in shop.deliveries()] == ["clicked", "complained"]
    assert shop.quarantined() == []


@pytest.mark.parametrize(
    ("subject", "body", "leaves"),
    [
        ("Re: Hello", "Abmelden!\n\n> Hello", True),
        ("unsubscribe", "", True),
        ("Re: Hello", "Stop by on Monday?", False),
    ],
)
def test_a_reply_that_says_no_is_the_last_thing_they_hear_of_us(
    shop: Shop, twin: Twin, subject: str, body: str, leaves: bool
) -> None:
    twin.configure(inbound_email_url=f"{shop.url}/webhooks/sendgrid/inbound")
    write_to(shop, "ada@sandbox.example")

    twin.post(
        "inbound", {"channel": "email", "from": "Ada@sandbox.example", "subject": subject, "body": body}
    )
    shop.rest()
    write_to(shop, "ada@sandbox.example")

    assert shop.counts()["Email Received"] == 1
    assert [str(one.status) for one in shop.deliveries()] == ["replied", "skipped" if leaves else "delivered"]


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("invalid", "invalid_address"),
        ("bounced", "invalid_address"),
        ("unsubscribed", "blocked"),
        ("spam", "blocked"),
        ("content", "content"),
        ("header", "config"),
        ("quota", "config"),
    ],
)
def test_every_reason_of_a_drop_has_its_own(shop: Shop, reason: str, why: str) -> None:
    write_to(shop, f"dropped-{reason}@sandbox.example")

    assert (str(shop.delivery().status), shop.delivery().reason) == ("failed", why)


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [("redirect", "failed", "config"), ("413", "failed", "content")],
)
def test_refusals_follow_the_table(shop: Shop, twin: Twin, fault: str, status: str, reason: str) -> None:
    twin.faults({"channel": "email", "fault": fault, "count": 1})

    write_to(shop, "ada@sandbox.example")
    shop.play_until(shop.clock.now() + _A_MINUTE)

    assert (str(shop.delivery().status), shop.delivery().reason) == (status, reason)
