"""A person's data in a mail: it fills the place it was given, and makes no header, no address, no second mail."""

import email
import ssl
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.channels.registry import build_senders
from engage.domain.delivery.delivery import Channel, FailReason
from engage.ports.channel import Accepted, Attachment, EmailContent, Rejected, Sender
from engage.ports.templating import RenderRefused
from tests.channels.conftest import settings_for
from tests.channels.smtp_server import SmtpTestServer, certificate
from tests.channels.test_sendgrid import outbound
from tests.channels.test_smtp import sender_for
from tests.channels.wire import Wire, reply
from tests.templating.build import mail, published, request

BREAKS = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\r\n ",
    "\n\t",
]
EVIL = [
    *(f"Hi{each}Bcc: all@shop.example{each}{each}<b>body</b>" for each in BREAKS),
    "evil@evil.example, Ada",
    "evil@evil.example; Ada",
    "Ada <evil@evil.example>,",
    'Ada" <evil@evil.example>, "',
    "Ada\\",
    "(comment) evil@evil.example",
    "=?utf-8?q?Hi=0D=0ABcc:_all=40shop.example?=",
    "group: evil@evil.example;",
]
META = {
    "subject": "{{ entry.x }}",
    "from": "{{ entry.x }} <hello@shop.example>",
    "reply_to": "{{ entry.x }} <help@shop.example>",
    "preheader": "{{ entry.x }}",
    "attachments": [{"name": "a.ics", "type": "text/calendar", "text": "{{ entry.x }}"}],
}
NAMES = {"from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type"}
ALLOWED = NAMES | {"content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post"}


def rendered(text: str) -> EmailContent:
    return mail(
        {"email": "<p>{{ entry.x }}</p>", "email.txt": "Hi {{ entry.x }}", "meta": META}, entry={"x": text}
    )


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def box(pem: tuple[Path, Path]) -> Iterator[tuple[SmtpTestServer, Sender]]:
    """A real SMTP server, and who sends through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pem)
    with SmtpTestServer(tls=context) as server:
        yield server, sender_for(f"smtp://shop:secret@127.0.0.1:{server.port}?ca={pem[0]}")


def last(server: SmtpTestServer) -> EmailMessage:
    read = email.message_from_bytes(server.taken[-1].data, policy=default)
    assert isinstance(read, EmailMessage)
    return read


@pytest.mark.parametrize("text", EVIL, ids=lambda text: ascii(text)[:30])
def test_a_mail_by_smtp_has_our_headers_and_addresses_alone(
    box: tuple[SmtpTestServer, Sender], text: str
) -> None:
    server, sender = box
    before = len(server.taken)

    answer = sender.send(outbound(content=rendered(text)))

    assert isinstance(answer, Accepted)
    assert len(server.taken) == before + 1
    taken = last(server)
    assert {name.lower() for name in taken} <= ALLOWED
    assert [address for _, address in getaddresses([str(taken["Reply-To"])])] == ["help@shop.example"]
    assert [each.addr_spec for each in taken["From"].addresses] == ["hello@shop.example"]
    assert [each.addr_spec for each in taken["To"].addresses] == ["ada@shop.example"]


@pytest.mark.parametrize("text", EVIL, ids=lambda text: ascii(text)[:30])
def test_a_mail_by_sendgrid_has_our_addresses_alone(text: str) -> None:
    with Wire() as wire:
        sender = build_senders(settings_for(wire.url))[Channel.EMAIL]
        wire.answers.append(reply(202, b"", headers={"X-Message-Id": "1"}))

        assert isinstance(sender.send(outbound(content=rendered(text))), Accepted)

        body: Any = wire.requests[0].json
    assert (body["from"]["email"], body["reply_to"]["email"]) == ("hello@shop.example", "help@shop.example")
    assert [to["email"] for to in body["personalizations"][0]["to"]] == ["ada@shop.example"]
    assert set(body["personalizations"][0]) == {"to", "custom_args"}
    for value in (body["subject"], body["from"].get("name", ""), body["reply_to"].get("name", "")):
        assert value.isprintable()


@pytest.mark.parametrize("name", ["from", "reply_to"])
@pytest.mark.parametrize(
    "text", ["a@b.example, evil@evil.example", "a@b.example (x", "evil", "", "<>", "a b@c.example"]
)
def test_what_is_no_single_address_is_refused(name: str, text: str) -> None:
    meta = {"subject": "Hi", name: "{{ entry.x }}"}

    found = published({"email": "x", "meta": meta}).render(request(Channel.EMAIL, entry={"x": text}))

    assert isinstance(found, RenderRefused)


LINES = st.lists(
    st.sampled_from(
        [
            "\r\n",
            "\n",
            "\r",
            ".",
            "..",
            "\r\n.\r\n",
            "\n.\n",
            "\r.\r",
            "\n.\r\n",
            "MAIL FROM:<x@y.example>",
            "a",
            "é",
            "\0",
            "\x85",
            "\u2028",
        ]
    ),
    max_size=12,
).map("".join)


@given(text=LINES, html=LINES, attached=LINES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_no_body_ends_its_mail_and_begins_another(
    box: tuple[SmtpTestServer, Sender], text: str, html: str, attached: str
) -> None:
    server, sender = box
    before, said = len(server.taken), len(server.commands)
    content = replace(
        rendered("x"),
        text=text,
        html=html or None,
        attachments=(Attachment(name="a.txt", type="text/plain", content=attached.encode()),),
    )

    assert isinstance(sender.send(outbound(content=content)), Accepted)

    assert len(server.taken) == before + 1
    # Some servers take a bare CR or LF before a dot for the end (SMTP smuggling): none leaves us.
    raw = server.taken[-1].data
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert len([line for line in server.commands[said:] if line.startswith("MAIL FROM")]) == 1
    parts = [part.get_content() for part in last(server).walk() if not part.is_multipart()]
    assert len(parts) == (3 if html else 2)


@pytest.mark.parametrize(
    "content",
    [
        {"subject": "a\r\nBcc: b@c.example"},
        {"text": "\ud800"},
        {"headers": {"X-A": "a\r\nBcc: b@c.example"}},
        {"reply_to": "=?utf-8?q?a=0D=0Ab?= <a@b.example>"},
    ],
    ids=str,
)
def test_what_no_mail_can_hold_is_a_refusal(
    box: tuple[SmtpTestServer, Sender], content: dict[str, Any]
) -> None:
    server, sender = box
    before = len(server.taken)

    answer = sender.send(outbound(content=replace(rendered("x"), **content)))

    assert isinstance(answer, Rejected)
    assert answer.reason is FailReason.CONTENT
    assert len(server.taken) == before


@pytest.mark.parametrize(
    "to",
    [
        "a@b.example>\r\nRCPT TO:<evil@evil.example",
        "a@b.example\n",
        "a@b.example> SIZE=1",
        "a\0@b.example",
        "<a@b.example>",
        "a@b.example,c@d.example",
    ],
)
def test_no_address_brings_a_command_of_its_own(box: tuple[SmtpTestServer, Sender], to: str) -> None:
    server, sender = box
    said = len(server.commands)

    assert isinstance(sender.send(outbound(to=to)), Rejected)

    assert server.commands[said:] == []
