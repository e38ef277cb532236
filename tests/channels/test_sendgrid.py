"""Mail through the real SendGrid SDK against a real wire, its events and incoming mail."""

import logging
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engage.channels.registry import ChannelSettings, build_senders
from engage.domain.delivery.delivery import Channel, FailReason
from engage.ports.channel import (
    Accepted,
    Answer,
    Attachment,
    Busy,
    CannotSay,
    EmailContent,
    Outbound,
    Question,
    Rejected,
    Sender,
    SmsContent,
    Unknown,
)
from tests.channels.conftest import settings_for
from tests.channels.test_twilio_sms import NOW, REF
from tests.channels.wire import Behaviour, Wire, closed_port, drip, hang, raw, reply, reset

TO = "ada@shop.example"
CONTENT = EmailContent(
    subject="Your cart",
    html="<p>Hi</p>",
    text="Hi",
    reply_to="Help <help@shop.example>",
    headers={"List-Unsubscribe": "<https://u>"},
    categories=("cart",),
)


def outbound(**changes: Any) -> Outbound:
    given: dict[str, Any] = {
        "delivery": REF,
        "lane": 7,
        "channel": Channel.EMAIL,
        "to": TO,
        "content": CONTENT,
        **changes,
    }
    return Outbound(**given)


@pytest.fixture
def mail(settings: ChannelSettings) -> Sender:
    return build_senders(settings)[Channel.EMAIL]


def send(mail: Sender, wire: Wire, act: Behaviour) -> Answer:
    wire.answers.append(act)
    return mail.send(outbound())


def test_a_mail_is_posted_with_our_reference_as_custom_arguments(mail: Sender, wire: Wire) -> None:
    answer = send(mail, wire, reply(202, b"", headers={"X-Message-Id": "14c5d75ce93.dfd.64b469"}))

    request = wire.requests[0]
    assert answer == Accepted(provider_id="14c5d75ce93.dfd.64b469")
    assert (request.method, request.target) == ("POST", "/v3/mail/send")
    assert request.headers["authorization"] == "Bearer SG.key"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "personalizations": [{"to": [{"email": TO}], "custom_args": {"engage_ref": REF, "engage_lane": "7"}}],
        "from": {"email": "hello@shop.example", "name": "Shop"},
        "reply_to": {"email": "help@shop.example", "name": "Help"},
        "subject": "Your cart",
        "content": [{"type": "text/plain", "value": "Hi"}, {"type": "text/html", "value": "<p>Hi</p>"}],
        "headers": {"List-Unsubscribe": "<https://u>"},
        "categories": ["cart"],
    }


def test_what_a_mail_says_of_its_sending_is_posted_as_sendgrid_wants_it(mail: Sender, wire: Wire) -> None:
    wire.usual = reply(202, b"")
    content = replace(
        CONTENT,
        attachments=(Attachment(name="a.ics", type="text/calendar", content=b"BEGIN"),),
        opens=False,
        clicks=True,
        pool="news",
        unsubscribe_group=12,
        categories=tuple(f"c{n}" for n in range(12)),
    )

    mail.send(outbound(content=content))

    body = wire.requests[0].json
    assert body["attachments"] == [
        {"content": "QkVHSU4=", "filename": "a.ics", "type": "text/calendar", "disposition": "attachment"}
    ]
    assert body["tracking_settings"] == {
        "open_tracking": {"enable": False},
        "click_tracking": {"enable": True, "enable_text": False},
    }
    assert (body["ip_pool_name"], body["asm"]) == ("news", {"group_id": 12})
    assert body["categories"] == [f"c{n}" for n in range(10)]


def test_categories_that_begin_alike_are_named_once(mail: Sender, wire: Wire) -> None:
    wire.usual = reply(202, b"")
    long = "n" * 255

    mail.send(outbound(content=replace(CONTENT, categories=(f"{long}-a", f"{long}-b", "cart"))))

    assert wire.requests[0].json["categories"] == [long, "cart"]


def test_mails_share_one_connection(mail: Sender, wire: Wire) -> None:
    wire.usual = reply(202, b"")

    for _ in range(5):
        mail.send(outbound())

    assert wire.connections == 1
    assert len(wire.requests) == 5


def test_a_part_that_is_empty_is_left_out(mail: Sender, wire: Wire) -> None:
    wire.usual = reply(202, b"")

    mail.send(outbound(content=EmailContent(subject="s", html=None, text="only text")))

    assert wire.requests[0].json["content"] == [{"type": "text/plain", "value": "only text"}]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sender": "Ada <ada@x.example>"}, {"email": "ada@x.example", "name": "Ada"}),
        (
            {"content": replace(CONTENT, from_address="news@shop.example", from_name="News")},
            {"email": "news@shop.example", "name": "News"},
        ),
    ],
)
def test_the_step_wins_over_the_template_and_it_over_the_settings(
    mail: Sender, wire: Wire, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    wire.usual = reply(202, b"")

    mail.send(outbound(**changes))

    assert wire.requests[0].json["from"] == expected


@pytest.mark.parametrize("status", [200, 201, 204])
def test_only_a_202_is_a_success(mail: Sender, wire: Wire, status: int) -> None:
    assert isinstance(send(mail, wire, reply(status, b"")), Unknown)


def test_in_sandbox_mode_only_a_200_is_a_success(wire: Wire) -> None:
    settings = replace(settings_for(wire.url), sendgrid_sandbox_mode=True)
    mail = build_senders(settings)[Channel.EMAIL]

    assert isinstance(send(mail, wire, reply(200, b"")), Accepted)
    assert isinstance(send(mail, wire, reply(202, b"")), Unknown)
    assert wire.requests[0].json["mail_settings"] == {"sandbox_mode": {"enable": True}}


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_a_refusal_and_not_followed(mail: Sender, wire: Wire, status: int) -> None:
    answer = send(mail, wire, reply(status, b"", headers={"Location": wire.url}))

    assert isinstance(answer, Rejected)
    assert answer.reason is FailReason.CONFIG
    assert len(wire.requests) == 1


def test_a_429_is_busy_until_the_reset(mail: Sender, wire: Wire) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 20)}

    answer = send(mail, wire, reply(429, {"errors": []}, headers=headers))

    assert isinstance(answer, Busy)
    assert answer.retry_after is not None
    assert timedelta(seconds=15) < answer.retry_after <= timedelta(seconds=20)


def test_a_429_with_retry_after_is_busy_that_long(mail: Sender, wire: Wire) -> None:
    answer = send(mail, wire, reply(429, b"", headers={"Retry-After": "7"}))

    assert isinstance(answer, Busy)
    assert answer.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("status", "body", "reason", "suppress"),
    [
        (400, {"errors": [{"message": "bad", "field": "subject"}]}, FailReason.CONTENT, False),
        (
            400,
            {"errors": [{"message": f"{TO} is bad", "field": "personalizations.0.to.0.email"}]},
            FailReason.INVALID_ADDRESS,
            True,
        ),
        (400, {"errors": []}, FailReason.CONTENT, False),
        (400, b"nonsense", FailReason.CONTENT, False),
        (401, {"errors": [{"message": "key", "field": None}]}, FailReason.CONFIG, False),
        (403, {"errors": [{"message": "sender", "field": "from"}]}, FailReason.CONFIG, False),
        (404, b"", FailReason.CONFIG, False),
        (413, b"<html>too large</html>", FailReason.CONTENT, False),
        (415, b"", FailReason.CONTENT, False),
    ],
)
def test_a_refusal_follows_the_table(
    mail: Sender, wire: Wire, status: int, body: object, reason: FailReason, suppress: bool
) -> None:
    answer = send(mail, wire, reply(status, body))

    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.code, answer.suppress) == (reason, str(status), suppress)
    assert TO not in answer.detail


@pytest.mark.parametrize(
    "act",
    [
        reply(500, b""),
        reply(502, b"<html>"),
        reply(503, b""),
        reply(504, b""),
        hang(),
        drip(),
        reset(),
        raw(b"HTTP/1.1 202"),
    ],
)
def test_everything_after_the_request_left_without_a_clear_answer_is_unknown(
    mail: Sender, wire: Wire, act: Behaviour
) -> None:
    assert isinstance(send(mail, wire, act), Unknown)
    assert len(wire.requests) == 1


def test_a_refused_connection_is_busy() -> None:
    mail = build_senders(settings_for(f"http://127.0.0.1:{closed_port()}"))[Channel.EMAIL]

    assert isinstance(mail.send(outbound()), Busy)


def test_neither_addresses_nor_the_key_are_logged(
    mail: Sender, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        send(mail, wire, reply(400, {"errors": [{"message": TO, "field": "x"}]}))

    assert TO not in caplog.text
    assert "SG.key" not in caplog.text


def test_a_text_cannot_leave_as_a_mail(mail: Sender) -> None:
    assert isinstance(mail.send(outbound(content=SmsContent(body="x"))), Rejected)


def test_sendgrid_cannot_be_asked(mail: Sender) -> None:
    question = Question(delivery=REF, channel=Channel.EMAIL, to=TO, called_at=NOW, known_ids=frozenset())

    assert isinstance(mail.ask(question), CannotSay)


def test_a_setting_does_not_show_its_secrets() -> None:
    assert "SG.key" not in repr(settings_for("http://127.0.0.1:1"))
    assert "12345" not in repr(settings_for("http://127.0.0.1:1"))
