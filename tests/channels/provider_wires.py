"""How a test makes each provider's wire accept, refuse, die: one row per provider of the registry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import zip_longest
from typing import Protocol

from engage.channels.registry import ChannelSettings
from engage.domain.delivery.delivery import Channel
from engage.ports.channel import Content, EmailContent, SmsContent, VoiceContent
from tests.channels.conftest import settings_for
from tests.channels.smtp_server import CLOSE, SmtpTestServer
from tests.channels.wire import Behaviour, Request, Wire, closed_port, reply, reset


class ProviderWire(Protocol):
    """One provider on loopback, as the contract needs it."""

    settings: ChannelSettings
    senders: Mapping[Channel, Sequence[str]]
    """Names of senders that are served in another way than the usual ones."""
    taken: Callable[[], int]
    """How many messages left so far."""
    bad_address: Callable[[], None]
    """The next one is refused because of its address; likewise below."""
    bad_password: Callable[[], None]
    not_now: Callable[[], None]
    silence: Callable[[], None]
    """The next one is taken, and the connection dies before the answer."""


class _Http:
    """A provider that speaks HTTP."""

    def __init__(self, wire: Wire, good: Behaviour, bad_address: Behaviour, bad_password: Behaviour) -> None:
        wire.usual = good
        self.senders: Mapping[Channel, Sequence[str]] = {}
        self.settings = settings_for(wire.url)
        self.taken = lambda: sum(not looked for looked in _looks(wire.requests))
        self.bad_address = lambda: wire.answers.append(bad_address)
        self.bad_password = lambda: wire.answers.append(bad_password)
        self.not_now = lambda: wire.answers.append(
            reply(429, {"code": 20429, "message": "too many", "status": 429})
        )
        self.silence = lambda: wire.answers.append(reset())


def _looks(requests: Sequence[Request]) -> Iterator[bool]:
    """Say of each request whether it only looked where the next one goes: a chat finds its room first."""
    for request, following in zip_longest(requests, requests[1:]):
        yield following is not None and following.target.startswith(f"{request.target}/")


def twilio(wire: Wire) -> ProviderWire:
    driven = _Http(
        wire,
        reply(201, {"sid": "SM1", "status": "queued", "num_segments": "1"}),
        reply(400, {"code": 21211, "message": "bad number", "status": 400}),
        reply(401, {"code": 20003, "message": "authenticate", "status": 401}),
    )
    driven.senders = dict.fromkeys((Channel.SMS, Channel.WHATSAPP, Channel.VOICE), ("verify",))
    driven.settings = replace(driven.settings, verify_service_sid="VA" + "1" * 32)
    return driven


def sendgrid(wire: Wire) -> ProviderWire:
    wrong = {"errors": [{"message": "bad", "field": "personalizations.0.to.0.email", "help": None}]}
    return _Http(
        wire,
        reply(202, b"", headers={"X-Message-Id": "abc.def"}),
        reply(400, wrong),
        reply(401, {"errors": [{"message": "unauthorized"}]}),
    )


class _Smtp:
    def __init__(self, server: SmtpTestServer) -> None:
        self.senders: Mapping[Channel, Sequence[str]] = {}
        self.settings = replace(
            settings_for("http://127.0.0.1:9"),
            smtp_url=f"smtp://shop:secret@127.0.0.1:{server.port}?tls=none",
            smtp_from="Shop <hello@shop.example>",
        )
        self.taken = lambda: len(server.taken)
        self.bad_address = lambda: server.next("RCPT", "550 5.1.1 no such user")
        self.bad_password = lambda: server.next("AUTH", "535 5.7.8 wrong")
        self.not_now = lambda: server.next("MAIL", "451 4.3.0 later")
        self.silence = lambda: server.next(".", CLOSE)


Opened = AbstractContextManager[Wire] | AbstractContextManager[SmtpTestServer]

WIRES: dict[str, tuple[Callable[[], Opened], Callable[..., ProviderWire]]] = {
    "twilio": (Wire, twilio),
    "sendgrid": (Wire, sendgrid),
    "smtp": (SmtpTestServer, _Smtp),
}
"""By the name of the row in `engage.channels.registry.PROVIDERS`: what to open, and how to drive it."""


def nobody_there(settings: ChannelSettings) -> ChannelSettings:
    """Return the settings with every provider at a port where nobody listens."""
    nowhere = f"127.0.0.1:{closed_port()}"
    return replace(
        settings,
        twilio_base_url=f"http://{nowhere}",
        sendgrid_base_url=f"http://{nowhere}",
        smtp_url=None if settings.smtp_url is None else f"smtp://{nowhere}?tls=none",
    )


ADDRESSES = {"email": "ada@shop.example"}
CONTENTS: dict[str, Content] = {
    "email": EmailContent(subject="Hi", html="<p>Hi</p>", text="Hi"),
    "voice": VoiceContent(twiml="<Response><Say>Hi</Say></Response>"),
    "sms": SmsContent(body="Hi"),
}
