"""A running sandbox and a webhook receiver, as the tests hold them."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode

from sendgrid import SendGridAPIClient
from twilio.rest import Client

from engage.sandbox.server import RunningSandbox
from tests.serving import Quiet, answering

ACCOUNT = "AC" + "1" * 32
TOKEN = "twilio-token"
FROM = "+15005550006"
PERSON = "+14155550101"

Json = dict[str, Any]
T = TypeVar("T")


def wait_until(look: Callable[[], T], seconds: float = 20.0) -> T:
    """Return the first true value of `look`."""
    end = time.monotonic() + seconds
    while True:
        value = look()
        if value:
            return value
        assert time.monotonic() < end, f"still {value!r} after {seconds} s"
        time.sleep(0.01)


@dataclass(frozen=True)
class Hit:
    """One request that the receiver got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    url: str

    @property
    def form(self) -> dict[str, str]:
        pairs = parse_qs(self.body.decode(), keep_blank_values=True)
        return {name: values[0] for name, values in pairs.items()}

    @property
    def events(self) -> list[Json]:
        events: list[Json] = json.loads(self.body)
        return events


Script = Callable[[Hit], tuple[int, str, str]]


@dataclass
class Receiver:
    """Records webhooks; answers 204, or the next of `answers`, or what `script` says."""

    url: str
    hits: list[Hit] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    script: Script | None = None

    def forms(self, name: str = "MessageStatus") -> list[str]:
        return [hit.form.get(name, "") for hit in list(self.hits)]

    def events(self) -> list[Json]:
        return [event for hit in list(self.hits) for event in hit.events]

    def answer(self, hit: Hit) -> tuple[int, str, str]:
        self.hits.append(hit)
        if self.script is not None:
            return self.script(hit)
        return (self.answers.pop(0) if self.answers else 204), "", "text/plain"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver("")

    class Handler(Quiet, BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            hit = Hit(self.command, self.path, headers, body, receiver.url + self.path)
            status, text, kind = receiver.answer(hit)
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(text.encode())))
                self.send_header("Content-Type", kind)
            self.end_headers()
            if status != 204:
                self.wfile.write(text.encode())

        do_GET = do_POST  # noqa: N815  # the base class looks for this name

    with answering(Handler) as receiver.url:
        yield receiver


@dataclass
class Twin:
    """A running sandbox with its control routes and the SDK clients that talk to it."""

    box: RunningSandbox
    client: Client
    sendgrid: SendGridAPIClient

    @property
    def url(self) -> str:
        return self.box.url

    def post(self, route: str, body: Any = None) -> Json:
        request = urllib.request.Request(
            f"{self.url}/_sandbox/{route}",
            json.dumps(body if body is not None else {}).encode(),
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            result: Json = json.loads(answer.read())
            return result

    def get(self, route: str, **query: str) -> Json:
        with urllib.request.urlopen(f"{self.url}/_sandbox/{route}?{urlencode(query)}", timeout=20) as answer:
            result: Json = json.loads(answer.read())
            return result

    def page(self, path: str) -> tuple[str, dict[str, str]]:
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return answer.read().decode(errors="replace"), {
                name.lower(): value for name, value in answer.headers.items()
            }

    def messages(self, **query: str) -> list[Json]:
        found: list[Json] = self.get("messages", **{"more": "1", **query})["messages"]
        return found

    def message(self, **query: str) -> Json:
        (only,) = self.messages(**query)
        return only

    def configure(self, **changes: Any) -> None:
        self.post("config", changes)

    def faults(self, *rules: Json) -> None:
        self.post("faults", list(rules))

    def settled(self, **query: str) -> list[Json]:
        """Return the messages once nothing is on its way any more."""

        wait_until(self.is_quiet)
        return self.messages(**query)

    def is_quiet(self) -> bool:
        """Whether nothing is on its way any more."""
        stats = self.get("stats")
        return not (stats["timers"] or stats["calls_in_progress"] or stats["callbacks"]["pending"])

    def text(self, to: str = PERSON, body: str = "Hello", **more: Any) -> Any:
        return self.client.messages.create(to=to, body=body, **({"from_": FROM} | more))

    def call(self, to: str = PERSON, **more: Any) -> Any:
        return self.client.calls.create(to=to, from_=FROM, **more)

    def mail(self, to: str = "ada@shop.example", **more: Any) -> Any:
        return self.sendgrid.client.mail.send.post(request_body=mail_body(to) | more)


def mail_body(to: str = "ada@shop.example") -> Json:
    return {
        "personalizations": [{"to": [{"email": to}]}],
        "from": {"email": "shop@shop.example", "name": "Shop"},
        "subject": "Hello",
        "content": [
            {"type": "text/plain", "value": "Hello Ada"},
            {
                "type": "text/html",
                "value": '<p>Hello</p><a href="https://shop.example/a?b=1&amp;c=2">Shop</a>',
            },
        ],
        "custom_args": {"engage_ref": "ref-1"},
    }
