"""Mail through a real SMTP server: what was taken, what was not, and what nobody can know."""

import os
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engage.channels.registry import ChannelSettings, build_senders
from engage.channels.smtp_email import SmtpServer
from engage.domain.delivery.delivery import Channel, FailReason
from engage.ports.channel import Accepted, Attachment, Busy, EmailContent, Outbound, Rejected, Sender, Unknown
from tests.channels.smtp_server import CLOSE, HANG, SmtpTestServer, certificate
from tests.channels.test_sendgrid import CONTENT, TO, outbound
from tests.channels.test_twilio_sms import REF
from tests.channels.wire import closed_port

Box = tuple[SmtpTestServer, Sender]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def box(pem: tuple[Path, Path]) -> Iterator[Box]:
    """A server with STARTTLS, and who sends through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pem)
    with SmtpTestServer(tls=context) as server:
        yield server, sender_for(f"smtp://shop:secret@127.0.0.1:{server.port}?ca={pem[0]}")


def sender_for(url: str) -> Sender:
    settings = ChannelSettings(
        public_url="https://e.example",
        smtp_url=url,
        smtp_from="Shop <hello@shop.example>",
        read_timeout=timedelta(seconds=2),
    )
    return build_senders(settings)[Channel.EMAIL]


def test_a_mail_is_handed_in_over_starttls_with_our_reference(box: Box) -> None:
    server, mail = box

    answer = mail.send(
        outbound(content=replace(CONTENT, subject="Grüße", text=".dots\nand é", html="<p>Hi</p>"))
    )

    assert answer == Accepted(provider_id=f"<{REF}@shop.example>")
    [taken] = server.taken
    assert (taken.sender, taken.recipient, taken.is_tls) == ("hello@shop.example", TO, True)
    assert taken.mail["Subject"] == "Grüße"
    assert taken.mail["From"] == "Shop <hello@shop.example>"
    assert taken.mail["Reply-To"] == "Help <help@shop.example>"
    assert taken.mail["List-Unsubscribe"] == "<https://u>"
    assert taken.mail["Message-ID"] == f"<{REF}@shop.example>"
    plain, html = taken.mail.iter_parts()  # type: ignore[attr-defined]  # the default policy gives an EmailMessage
    assert plain.get_content().splitlines() == [".dots", "and é"]
    assert html.get_content().strip() == "<p>Hi</p>"
    assert "secret" not in " ".join(server.commands)


def test_an_attachment_is_a_part_of_the_mail(box: Box) -> None:
    server, mail = box
    item = Attachment(name="a.ics", type="text/calendar", content=b"BEGIN:VCALENDAR")

    mail.send(outbound(content=replace(CONTENT, attachments=(item,))))

    [part] = server.taken[0].mail.iter_attachments()  # type: ignore[attr-defined]  # as above
    assert (part.get_filename(), part.get_content_type()) == ("a.ics", "text/calendar")


def test_mails_share_one_connection_and_a_dead_one_is_replaced_unseen(box: Box) -> None:
    server, mail = box

    for _ in range(3):
        assert isinstance(mail.send(outbound()), Accepted)
    assert server.connections == 1

    server.drop()
    time.sleep(0.05)
    assert isinstance(mail.send(outbound()), Accepted)
    assert server.connections == 2
    assert len(server.taken) == 4


def test_a_fork_leaves_the_connections_of_its_parent_alone(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    server, mail = box
    mail.send(outbound())

    monkeypatch.setattr(os, "getpid", lambda: -1)
    mail.send(outbound())

    assert server.connections == 2


@pytest.mark.parametrize(
    ("verb", "answer", "reason", "suppress"),
    [
        ("RCPT", "550 5.1.1 no such user", FailReason.INVALID_ADDRESS, True),
        ("RCPT", "553 not here", FailReason.INVALID_ADDRESS, False),
        ("RCPT", "550 5.7.1 not from you", FailReason.BLOCKED, False),
        ("RCPT", "552 5.2.2 mailbox full", FailReason.BLOCKED, False),
        ("MAIL", "550 5.7.1 sender not allowed", FailReason.CONFIG, False),
        ("AUTH", "535 5.7.8 bad credentials", FailReason.CONFIG, False),
        ("CONNECT", "554 go away", FailReason.CONFIG, False),
        ("DATA", "554 5.6.0 no", FailReason.CONTENT, False),
        (".", "554 5.7.1 spam", FailReason.CONTENT, False),
    ],
)
def test_a_permanent_refusal_follows_the_table(
    box: Box, verb: str, answer: str, reason: FailReason, suppress: bool
) -> None:
    server, mail = box
    server.next(verb, answer)

    found = mail.send(outbound())

    assert isinstance(found, Rejected)
    assert (found.reason, found.suppress) == (reason, suppress)
    assert found.code in answer
    assert TO not in found.detail


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("CONNECT", "421 4.3.2 later"),
        ("CONNECT", CLOSE),
        ("CONNECT", HANG),
        ("STARTTLS", "454 4.7.0 not now"),
        ("AUTH", "454 4.7.0 temporary"),
        ("MAIL", "451 4.3.0 later"),
        ("MAIL", CLOSE),
        ("RCPT", "450 4.2.1 busy"),
        ("RCPT", HANG),
        ("DATA", "451 4.3.0 later"),
        ("DATA", CLOSE),
        (".", "451 4.3.0 later"),
        (".", "421 closing"),
    ],
)
def test_whatever_is_refused_before_the_message_was_taken_may_be_repeated(
    box: Box, verb: str, answer: str
) -> None:
    server, mail = box
    server.next(verb, answer)

    assert isinstance(mail.send(outbound()), Busy)

    assert isinstance(mail.send(outbound()), Accepted)


@pytest.mark.parametrize("answer", [CLOSE, HANG, "garbage"])
def test_no_answer_to_the_message_is_an_unknown_outcome_and_nothing_is_repeated(
    box: Box, answer: str
) -> None:
    server, mail = box
    mail.send(outbound())
    server.next(".", answer)

    assert isinstance(mail.send(outbound()), Unknown)
    assert len(server.taken) == 2


def test_a_server_that_is_not_there_is_busy() -> None:
    assert isinstance(sender_for(f"smtp://127.0.0.1:{closed_port()}").send(outbound()), Busy)


def test_a_foreign_certificate_gets_neither_password_nor_mail(box: Box) -> None:
    server, _ = box

    answer = sender_for(f"smtp://shop:secret@127.0.0.1:{server.port}").send(outbound())

    assert isinstance(answer, Busy)
    assert not [line for line in server.commands if line.startswith(("AUTH", "MAIL"))]


def test_without_tls_nothing_is_said_unless_the_url_allows_it() -> None:
    with SmtpTestServer() as server:
        refused = sender_for(f"smtp://127.0.0.1:{server.port}").send(outbound())
        allowed = sender_for(f"smtp://127.0.0.1:{server.port}?tls=none").send(outbound())

    assert isinstance(refused, Rejected)
    assert refused.reason is FailReason.CONFIG
    assert isinstance(allowed, Accepted)


def test_tls_from_the_first_byte(pem: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pem)
    with SmtpTestServer(tls=context, tls_at_once=True) as server:
        mail = sender_for(f"smtps://shop:secret@127.0.0.1:{server.port}?ca={pem[0]}")
        assert isinstance(mail.send(outbound()), Accepted)
        assert server.taken[0].is_tls


@pytest.mark.parametrize("to", ["ädä@shop.example", "a@b.example>\r\nRCPT TO:<eve@x.example"])
def test_an_address_that_smtp_cannot_carry_never_gets_there(box: Box, to: str) -> None:
    server, mail = box

    answer = mail.send(outbound(to=to))

    assert not isinstance(answer, Accepted | Unknown)
    assert server.taken == []


@pytest.mark.parametrize("url", ["https://host", "smtp://", "smtp://host?sure=1", "mail.example"])
def test_a_wrong_address_is_told(url: str) -> None:
    with pytest.raises(ValueError, match="an SMTP server is"):
        SmtpServer.parse(url)


def test_user_and_password_may_hold_any_letter() -> None:
    server = SmtpServer.parse("smtps://a%40b:p%2Fw@host")

    assert (server.user, server.password, server.port) == ("a@b", "p/w", 465)


def test_a_mail_of_another_shape_is_refused(box: Box) -> None:
    content: Any = EmailContent(subject="s", html=None, text="only text")
    server, mail = box

    assert isinstance(
        mail.send(Outbound(delivery=REF, lane=1, channel=Channel.EMAIL, to=TO, content=content)), Accepted
    )
    assert server.taken[0].mail.get_content_type() == "text/plain"
