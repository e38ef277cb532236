"""Calls of `webhook` steps, made to a real server on this machine."""

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from time import monotonic, sleep
from typing import Any

import pytest

from engage.channels.webhook_calls import WebhookCalls, is_public
from engage.domain.delivery.delivery import Channel, FailReason
from engage.domain.ids import DeliveryId
from engage.domain.journey.walk import marked_secret
from engage.domain.links.signing import SIGNATURE
from engage.ports.channel import Accepted, Busy, Outbound, Rejected, WebhookContent
from tests.serving import Quiet, answering

KEY = "signing-key"


@dataclass
class Told:
    """What the server was told, and what it answers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drip: float = 0
    calls: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def partner() -> Iterator[tuple[str, Told]]:
    told = Told()

    class Handler(Quiet, BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.calls.append((self.command, self.path, headers, body))
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            for byte in told.body:
                if told.drip:
                    sleep(told.drip)
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:
                    return

        do_POST = _answer  # noqa: N815 -- the name that http.server calls

    with answering(Handler) as url:
        yield url, told


def call(url: str, **content: Any) -> Outbound:
    content = {"method": "POST", "allow": frozenset({"127.0.0.1", "localhost"}), **content}
    return Outbound(
        delivery=DeliveryId("d-1"),
        lane=0,
        channel=Channel.WEBHOOK,
        to="",
        content=WebhookContent(url=url, **content),
    )


def caller(**secrets: str) -> WebhookCalls:
    return WebhookCalls((KEY,), secrets)


def test_a_call_is_signed_over_its_time_and_its_body(partner: tuple[str, Told]) -> None:
    url, told = partner

    caller().send(call(f"{url}/hook?a=1", body={"total": 80}))

    ((method, path, headers, body),) = told.calls
    parts = dict(part.split("=", 1) for part in headers[SIGNATURE.lower()].split(","))
    expected = hmac.new(KEY.encode(), f"{parts['t']}.".encode() + body, sha256).hexdigest()
    assert (method, path, json.loads(body), parts["v1"]) == ("POST", "/hook?a=1", {"total": 80}, expected)
    assert headers["idempotency-key"] == "d-1"
    assert headers["content-type"] == "application/json"


def test_the_answer_comes_back_as_json_where_it_is(partner: tuple[str, Told]) -> None:
    url, told = partner
    told.headers, told.body = {"Content-Type": "application/json"}, b'{"score": 7, "note": "a\\u0000b"}'

    answer = caller().send(call(url))

    assert isinstance(answer, Accepted)
    assert answer.answer == {"status": 200, "body": {"score": 7, "note": "ab"}}


@pytest.mark.parametrize(
    ("status", "kind"), [(200, "application/json"), (401, "application/json"), (503, "text/plain")]
)
def test_a_secret_that_the_answer_repeats_is_not_kept(
    partner: tuple[str, Told], status: int, kind: str
) -> None:
    url, told = partner
    told.status, told.headers = status, {"Content-Type": kind}
    told.body = (
        b'{"error": "the key k3y-of-ours is none", "k3y-of-ours": ["Bearer \\u006b3y-of-ours"], "pin": "12"}'
    )
    content = {
        "headers": {"Authorization": f"Bearer {marked_secret('TOKEN')}"},
        "secrets": frozenset({"TOKEN", "PIN", "GONE"}),
    }

    answer = caller(TOKEN="k3y-of-ours", PIN="12", OTHER="error").send(call(url, **content))

    assert isinstance(answer, Accepted | Busy | Rejected)
    assert answer.answer is not None
    assert "k3y-of-ours" not in str(answer)
    if kind == "application/json":
        body = {"error": "the key ••• is none", "•••": ["Bearer •••"], "pin": "12"}
        assert answer.answer == {"status": status, "body": body}


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_called_again(partner: tuple[str, Told], status: int) -> None:
    url, told = partner
    told.status, told.headers = status, {"Retry-After": "7"}

    answer = caller().send(call(url))

    assert isinstance(answer, Busy)
    assert answer.retry_after == timedelta(seconds=7)
    assert answer.answer is not None
    assert answer.answer["status"] == status


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404])
def test_everything_else_is_final_and_nothing_is_followed(partner: tuple[str, Told], status: int) -> None:
    url, told = partner
    told.status, told.headers = status, {"Location": f"{url}/elsewhere"}

    answer = caller().send(call(url))

    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.code, len(told.calls)) == (FailReason.PROVIDER_ERROR, str(status), 1)


def test_secrets_are_put_in_where_the_step_names_them_and_nowhere_else(partner: tuple[str, Told]) -> None:
    url, told = partner
    content = {
        "headers": {"Authorization": f"Bearer {marked_secret('TOKEN')}"},
        "body": {"key": marked_secret("TOKEN"), "from a trait": marked_secret("OTHER")},
        "secrets": frozenset({"TOKEN"}),
    }

    caller(TOKEN="t0ken", OTHER="never").send(call(url, **content))

    ((_, _, headers, body),) = told.calls
    assert headers["authorization"] == "Bearer t0ken"
    assert json.loads(body) == {"key": "t0ken", "from a trait": ""}


def test_a_header_cannot_break_out_of_its_line(partner: tuple[str, Told]) -> None:
    url, told = partner

    caller().send(call(url, headers={"X-Name": "a\r\nX-Other: b"}))

    assert told.calls[0][2]["x-name"] == "a X-Other: b"


def test_an_answer_that_never_ends_is_cut_off(partner: tuple[str, Told]) -> None:
    url, told = partner
    told.body, told.drip = b"x" * 200, 0.05
    begun = monotonic()

    answer = caller().send(call(url, timeout=timedelta(seconds=0.3)))

    assert isinstance(answer, Busy)
    assert answer.code == "timeout"
    assert monotonic() - begun < 2


def test_an_answer_is_read_up_to_a_limit(partner: tuple[str, Told]) -> None:
    url, told = partner
    told.body = b"x" * 100_000

    answer = caller().send(call(url))

    assert isinstance(answer, Accepted)
    assert answer.answer is not None
    assert len(answer.answer["body"]) == 64 * 1024


def test_nobody_listening_is_called_again() -> None:
    answer = caller().send(call("http://127.0.0.1:1/"))

    assert isinstance(answer, Busy)
    assert answer.code == "connection"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://0.0.0.0/",
        "http://10.0.0.7/",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]/",
        "http://user@127.0.0.1/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http://",
        "",
        "nonsense",
        "http://example.com:99999/",
    ],
)
def test_the_own_network_is_out_of_reach(url: str) -> None:
    answer = caller().send(call(url, allow=frozenset()))

    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.code) == (FailReason.CONFIG, "forbidden_address")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
    ],
)
def test_what_belongs_to_the_public_internet(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_name_that_answers_differently_the_second_time_is_called_where_it_was_judged(
    partner: tuple[str, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the judged address is the one that is called, and the name is not asked again."""
    answers = iter(["93.184.215.14", "127.0.0.1"])
    asked, called = [], []

    def resolve(host: str, port: int, **_how: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(2, 1, 6, "", (next(answers), port))]

    def connect(address: tuple[str, int], _timeout: float) -> None:
        called.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr("engage.channels.webhook_calls.socket.getaddrinfo", resolve)
    monkeypatch.setattr("engage.channels.webhook_calls.socket.create_connection", connect)
    outbound = Outbound(
        delivery=DeliveryId("01890000-0000-7000-8000-000000000001"),
        lane=1,
        channel=Channel.WEBHOOK,
        to="",
        content=WebhookContent(url="http://rebinding.example/", method="POST"),
    )

    WebhookCalls((KEY,), {}).send(outbound)

    assert (asked, called) == (["rebinding.example"], ["93.184.215.14"])
