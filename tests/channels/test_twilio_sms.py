"""Texts through the real Twilio SDK against a real wire."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from engage.channels.registry import ChannelSettings, build_senders
from engage.domain.delivery.delivery import Channel, FailReason
from engage.domain.ids import DeliveryId
from engage.ports.channel import (
    Accepted,
    Answer,
    Busy,
    CannotSay,
    EmailContent,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    Sender,
    SmsContent,
    Taken,
    Unknown,
)
from tests.channels.conftest import ACCOUNT, PUBLIC, settings_for
from tests.channels.wire import Behaviour, Wire, closed_port, drip, hang, raw, reply, reset

REF = DeliveryId("0199a1b2-0000-7000-8000-0123456789ab")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TO = "+14155550101"


def outbound(**changes: Any) -> Outbound:
    given: dict[str, Any] = {
        "delivery": REF,
        "lane": 7,
        "channel": Channel.SMS,
        "to": TO,
        "content": SmsContent(body="Hi & hällo"),
        **changes,
    }
    return Outbound(**given)


def message(**changes: Any) -> dict[str, Any]:
    return {
        "sid": "SM1",
        "status": "queued",
        "num_segments": "1",
        "to": TO,
        "direction": "outbound-api",
        "date_created": format_datetime(NOW),
        **changes,
    }


def error(status: int, code: int) -> Behaviour:
    body = {"code": code, "message": f"bad number {TO}", "more_info": "…", "status": status}
    return reply(status, body)


@pytest.fixture
def sms(settings: ChannelSettings) -> Sender:
    return build_senders(settings)[Channel.SMS]


def send(sms: Sender, wire: Wire, act: Behaviour) -> Answer:
    wire.answers.append(act)
    return sms.send(outbound())


def test_a_text_is_created_with_our_reference_and_nothing_personal_in_the_callback(
    sms: Sender, wire: Wire
) -> None:
    wire.answers.append(reply(201, message()))

    answer = sms.send(outbound(validity=timedelta(hours=2)))

    request = wire.requests[0]
    assert answer == Accepted(provider_id="SM1", segments=1)
    assert (request.method, request.target) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert request.form == {
        "To": [TO],
        "From": ["+15005550006"],
        "Body": ["Hi & hällo"],
        "ValidityPeriod": ["7200"],
        "StatusCallback": [f"{PUBLIC}/webhooks/twilio/status?ref={REF}&lane=7#rc=5&rp=all"],
    }


def test_a_messaging_service_takes_the_place_of_the_number(sms: Sender, wire: Wire) -> None:
    service = "MG" + "0" * 32
    wire.answers.append(reply(201, message(num_segments="0")))

    answer = sms.send(outbound(sender=service, content=SmsContent(body="x", media=("https://a/b.png",))))

    assert answer == Accepted(provider_id="SM1", segments=None)
    assert wire.requests[0].form["MessagingServiceSid"] == [service]
    assert wire.requests[0].form["MediaUrl"] == ["https://a/b.png"]
    assert "From" not in wire.requests[0].form


def test_a_whatsapp_text_uses_channel_addresses(settings: ChannelSettings, wire: Wire) -> None:
    wire.answers.append(reply(201, message()))

    build_senders(settings)[Channel.WHATSAPP].send(outbound(channel=Channel.WHATSAPP))

    assert wire.requests[0].form["To"] == [f"whatsapp:{TO}"]
    assert wire.requests[0].form["From"] == ["whatsapp:+15005550006"]


@pytest.mark.parametrize(
    ("validity", "sent"), [(timedelta(0), "1"), (timedelta(days=3), "36000"), (timedelta(seconds=90), "90")]
)
def test_the_validity_stays_within_twilios_limits(
    sms: Sender, wire: Wire, validity: timedelta, sent: str
) -> None:
    wire.answers.append(reply(201, message()))

    sms.send(outbound(validity=validity))

    assert wire.requests[0].form["ValidityPeriod"] == [sent]


def test_a_429_is_busy_and_its_retry_after_is_kept(sms: Sender, wire: Wire) -> None:
    act = reply(429, {"code": 20429, "message": "slow", "status": 429}, headers={"Retry-After": "30"})

    answer = send(sms, wire, act)

    assert isinstance(answer, Busy)
    assert (answer.retry_after, answer.code) == (timedelta(seconds=30), "20429")


def test_a_429_without_a_wait_or_a_code_is_busy(sms: Sender, wire: Wire) -> None:
    answer = send(sms, wire, reply(429, b"<html>"))

    assert isinstance(answer, Busy)
    assert answer.retry_after is None


def test_a_wait_is_forgotten_with_the_next_answer(sms: Sender, wire: Wire) -> None:
    send(sms, wire, reply(429, {"code": 20429}, headers={"Retry-After": "30"}))

    answer = send(sms, wire, reply(429, {"code": 20429}))

    assert isinstance(answer, Busy)
    assert answer.retry_after is None


@pytest.mark.parametrize(
    ("status", "code", "reason", "suppress", "opt_out"),
    [
        (400, 21610, FailReason.BLOCKED, False, True),
        (400, 21211, FailReason.INVALID_ADDRESS, True, False),
        (400, 21614, FailReason.INVALID_ADDRESS, True, False),
        (400, 21612, FailReason.CONFIG, False, False),
        (400, 21408, FailReason.CONFIG, False, False),
        (400, 21606, FailReason.CONFIG, False, False),
        (400, 21617, FailReason.CONTENT, False, False),
        (400, 30004, FailReason.BLOCKED, False, False),
        (400, 99999, FailReason.CONTENT, False, False),
        (401, 20003, FailReason.CONFIG, False, False),
        (403, 99999, FailReason.CONFIG, False, False),
        (404, 20404, FailReason.CONFIG, False, False),
        (301, 301, FailReason.CONFIG, False, False),
    ],
)
def test_a_refusal_follows_the_table(
    sms: Sender, wire: Wire, status: int, code: int, reason: FailReason, suppress: bool, opt_out: bool
) -> None:
    answer = send(sms, wire, error(status, code))

    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.code) == (reason, str(code))
    assert (answer.suppress, answer.opt_out) == (suppress, opt_out)
    assert TO not in answer.detail


def test_a_full_queue_is_busy(sms: Sender, wire: Wire) -> None:
    assert isinstance(send(sms, wire, error(400, 21611)), Busy)


def test_a_problem_document_is_read_too(sms: Sender, wire: Wire) -> None:
    body = {"type": "https://x", "title": "Stopped", "status": 400, "code": 21610, "detail": f"{TO} stopped"}

    answer = send(sms, wire, reply(400, body))

    assert isinstance(answer, Rejected)
    assert answer.opt_out


@pytest.mark.parametrize(
    "act",
    [
        error(500, 20500),
        error(503, 20503),
        error(400, 20503),
        reply(502, b"<html>bad gateway</html>"),
        reply(504, b""),
        hang(),
        drip(),
        reset(),
        raw(b""),
        raw(b'HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{"sid": "SM'),
        reply(200, b"<html>a captive portal</html>"),
        reply(201, []),
        reply(201, {"sid": None}),
        reply(201, b""),
        reply(201, b'{"sid": "SM'),
    ],
)
def test_everything_after_the_request_left_without_a_clear_answer_is_unknown(
    sms: Sender, wire: Wire, act: Behaviour
) -> None:
    assert isinstance(send(sms, wire, act), Unknown)
    assert len(wire.requests) == 1


def test_a_redirect_is_not_followed(sms: Sender, wire: Wire) -> None:
    answer = send(sms, wire, reply(301, b"", headers={"Location": "/elsewhere"}))

    assert isinstance(answer, Rejected)
    assert len(wire.requests) == 1


def test_a_refused_connection_is_busy() -> None:
    sms = build_senders(settings_for(f"http://127.0.0.1:{closed_port()}"))[Channel.SMS]

    answer = sms.send(outbound())

    assert isinstance(answer, Busy)
    assert answer.code == "not_sent"


def test_a_mail_cannot_leave_as_a_text(sms: Sender) -> None:
    answer = sms.send(outbound(content=EmailContent(subject="s", html=None, text="t")))

    assert isinstance(answer, Rejected)
    assert answer.reason is FailReason.CONFIG


def test_neither_numbers_nor_texts_are_logged(
    sms: Sender, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        send(sms, wire, error(400, 21211))
        sms.ask(Question(delivery=REF, channel=Channel.SMS, to=TO, called_at=NOW, known_ids=frozenset()))

    assert TO.lstrip("+") not in caplog.text


def ask(sms: Sender, wire: Wire, *messages: dict[str, Any], known: frozenset[str] = frozenset()) -> object:
    wire.answers.append(reply(200, {"messages": list(messages), "next_page_uri": None}))
    return sms.ask(Question(delivery=REF, channel=Channel.SMS, to=TO, called_at=NOW, known_ids=known))


def at(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds))


def test_asking_finds_the_one_message_created_since_the_call(sms: Sender, wire: Wire) -> None:
    old = message(sid="SM0", date_created=at(-60))

    answer = ask(sms, wire, message(date_created=at(1)), old)

    assert answer == Taken(provider_id="SM1")
    assert "To=%2B14155550101" in wire.requests[0].target


def test_asking_ignores_what_is_ours_already_or_inbound_or_later(sms: Sender, wire: Wire) -> None:
    answer = ask(
        sms,
        wire,
        message(sid="SM2"),
        message(sid="SM3", direction="inbound"),
        message(sid="SM4", date_created=at(600)),
        known=frozenset({"SM2"}),
    )

    assert isinstance(answer, NotTaken)


def test_two_candidates_prove_nothing(sms: Sender, wire: Wire) -> None:
    assert isinstance(ask(sms, wire, message(), message(sid="SM2")), CannotSay)


@pytest.mark.parametrize(
    "act", [error(503, 20503), error(429, 20429), hang(), reply(200, b"<html>"), reply(200, [])]
)
def test_a_question_that_gets_no_answer_says_nothing(sms: Sender, wire: Wire, act: Behaviour) -> None:
    wire.answers.append(act)

    answer = sms.ask(Question(delivery=REF, channel=Channel.SMS, to=TO, called_at=NOW, known_ids=frozenset()))

    assert isinstance(answer, CannotSay)
