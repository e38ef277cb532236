"""Sink: a process that stands for both providers: takes every send at once, calls back, and knows when what arrived.

Run as `python -m engage.bench.sink`; its settings come as one line of JSON on standard input, the port it got leaves on
standard output, and it ends when standard input does.
"""

import asyncio
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

from engage.bench.sink_answers import Mails, TextMessages, form_fields
from engage.bench.sink_wire import Callbacks, Job, ServerProtocol, response

CONNECTIONS = 32
"""Callbacks under way at once."""
BATCH_SECONDS, BATCH_EVENTS = 0.2, 500
"""Mail events leave so often, and at most so many in one request; the real stream is slower, and batches no less."""
STATUSES = ("sent", "delivered")
_NOT_FOUND = response(b"404 Not Found")
_BAD = response(b"400 Bad Request")


class SinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the sink must know of those who call it."""

    account_sid: str
    auth_token: str
    signing_key: str
    public_url: str
    """Where the callbacks of mails go, without a slash at the end; a text message brings its own address."""


class Sink:
    """Answers sends and asks for callbacks about them."""

    def __init__(self, settings: SinkSettings) -> None:
        """Nothing is connected yet."""
        self._texts = TextMessages(settings.account_sid, settings.auth_token)
        self._mails = Mails(settings.signing_key, f"{settings.public_url}/webhooks/sendgrid/events")
        base = urlsplit(settings.public_url)
        self._callbacks = Callbacks(base.hostname or "", base.port or 80, CONNECTIONS)
        self._events: list[dict[str, Any]] = []
        self._is_due = False
        self._number = 0
        self._arrivals: dict[str, list[float]] = {}
        self._slow_seconds = 0.0

    def slowness(self, target: bytes) -> float:
        """Return how many seconds an answer takes; the bench's own questions take none."""
        return 0.0 if target.startswith(b"/_bench/") else self._slow_seconds

    def answer(self, method: bytes, target: bytes, body: bytes) -> bytes:
        """Return the response to one request."""
        if target.endswith(b"/Messages.json") and method == b"POST":
            return self._text(body)
        if target == b"/v3/mail/send" and method == b"POST":
            return self._mail(body)
        if target == b"/_bench/stats":
            return _json(self._stats())
        if target == b"/_bench/slow" and method == b"POST":
            self._slow_seconds = float(body)
            return response(b"204 No Content")
        if target == b"/_bench/arrivals":
            return _json(self._arrivals)
        return _NOT_FOUND

    def _stats(self) -> dict[str, int]:
        return {
            "accepted": self._number,
            "recipients": len(self._arrivals),
            "taken": self._callbacks.taken,
            "pending": self._callbacks.pending + len(self._events),
            "refused": self._callbacks.refused,
            "lost": self._callbacks.lost,
        }

    def _arrived(self, to: str) -> int:
        self._arrivals.setdefault(to, []).append(time.monotonic())
        self._number += 1
        return self._number

    def _text(self, body: bytes) -> bytes:
        to, sender, text, url = form_fields(body, "To", "From", "Body", "StatusCallback")
        if not to or not url:
            return _BAD
        sid, answer = self._texts.created(self._arrived(to), to, sender, text)
        asyncio.get_running_loop().call_soon(self._report, url, sid, to, sender, 0)
        return answer

    def _report(self, url: str, sid: str, to: str, sender: str, at: int) -> None:
        """Report a message's next status, and the one after it once this one was taken."""
        if at < len(STATUSES):
            call = self._texts.callback(url, sid, STATUSES[at], to, sender)
            self._callbacks.post(Job(call, lambda: self._report(url, sid, to, sender, at + 1)))

    def _mail(self, body: bytes) -> bytes:
        try:
            to, events, answer = self._mails.accepted(self._number + 1, body)
        except msgspec.DecodeError:
            return _BAD
        self._arrived(to)
        self._events += events
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(BATCH_SECONDS, self._flush)
        return answer

    def _flush(self) -> None:
        self._is_due = False
        events, self._events = self._events, []
        for start in range(0, len(events), BATCH_EVENTS):
            self._callbacks.post(Job(self._mails.batch(events[start : start + BATCH_EVENTS]), _nothing))


def _nothing() -> None:
    """Nothing follows a batch of events."""


def _json(value: object) -> bytes:
    return response(b"200 OK", msgspec.json.encode(value), b"Content-Type: application/json")


async def serve(settings: SinkSettings) -> None:
    """Listen on a free port of loopback until standard input ends."""
    sink = Sink(settings)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ServerProtocol(sink.answer, sink.slowness), "127.0.0.1", 0, backlog=4096
    )
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Read the settings and serve."""
    settings = msgspec.json.decode(sys.stdin.readline(), type=SinkSettings)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
