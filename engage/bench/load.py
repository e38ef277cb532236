"""Load: a process that plays customers over kept HTTP connections; what it costs is not ours.

Run as `python -m engage.bench.load`; its plan comes as one line of JSON on standard input, its report leaves as one line
on standard output.
"""

import asyncio
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec
import uvloop

from engage.bench.client_wire import Connection
from engage.bench.customers import encoded, identify, track
from engage.bench.sink_answers import request

OVERLOAD_SECONDS = 0.2
"""How long a connection is silent after 429 or 503."""
MAX_TRIES = 100


class Play(StrEnum):
    """What each customer does."""

    BOTH = "both"
    """Becomes known, then does something."""
    KNOWN = "known"
    """Only becomes known."""
    EVENT = "event"
    """Only does something."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to play; customers are numbered `first` to `first + count - 1`."""

    url: str
    write_key: str
    source: str
    """Makes message ids of this plan unlike those of any other."""
    first: int
    count: int
    play: Play = Play.BOTH
    event: str = ""
    turns: int = 1
    """How often each customer does it."""
    batch: int = 1
    """Calls in one request of `/v1/batch`; 1: each call goes alone to its own path."""
    connections: int = 16
    per_second: float | None = None
    """Requests a second, sent on time whatever the answers do; none: the next when the last was answered."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Instants are of the machine's monotonic clock, which other processes read alike."""

    requests: int
    calls: int
    began: float
    ended: float
    refused: int
    """Answers other than 2xx; they were sent again."""
    lost: int
    sent_at: dict[str, float] = {}
    """By customer number, when the request left; only of a plan with `per_second`."""


class _Request(msgspec.Struct):
    data: bytes
    calls: int
    then: "_Request | None" = None
    """Goes out on the same connection once this one was answered."""
    customer: int = 0
    tries: int = 0


def requests_of(plan: Plan) -> Iterator[_Request]:
    """Return what to send, in order; a customer's calls follow each other."""
    if plan.batch > 1:
        yield from _batches(plan)
        return
    for turn in range(plan.turns):
        source = f"{plan.source}.{turn}"
        for number in range(plan.first, plan.first + plan.count):
            known = _single(plan, number, identify(number, source))
            event = _single(plan, number, track(number, source, plan.event))
            if plan.play is Play.BOTH:
                known.then = event
            yield event if plan.play is Play.EVENT else known


def _single(plan: Plan, number: int, call: dict[str, object]) -> _Request:
    url = f"{plan.url}/v1/{call['type']}"
    return _Request(_post(plan, url, encoded(call)), 1, customer=number)


def _batches(plan: Plan) -> Iterator[_Request]:
    calls: list[dict[str, object]] = []
    for turn in range(plan.turns):
        source = f"{plan.source}.{turn}"
        for number in range(plan.first, plan.first + plan.count):
            if plan.play is not Play.EVENT:
                calls.append(identify(number, source))
            if plan.play is not Play.KNOWN:
                calls.append(track(number, source, plan.event))
            while len(calls) >= plan.batch:
                yield _batch(plan, calls[: plan.batch])
                calls = calls[plan.batch :]
    if calls:
        yield _batch(plan, calls)


def _batch(plan: Plan, calls: Sequence[dict[str, object]]) -> _Request:
    return _Request(_post(plan, f"{plan.url}/v1/batch", encoded({"batch": calls})), len(calls))


def _post(plan: Plan, url: str, body: bytes) -> bytes:
    key = b64encode(f"{plan.write_key}:".encode())
    return request(url, body, b"Content-Type: application/json", b"Authorization: Basic " + key)


class Player:
    """Plays one plan."""

    def __init__(self, plan: Plan, host: str, port: int) -> None:
        """Play against `host`:`port`."""
        self._plan, self._host, self._port = plan, host, port
        self._queue = requests_of(plan)
        self._requests = self._calls = self._refused = self._lost = 0
        self._sent_at: dict[str, float] = {}

    async def play(self) -> Report:
        """Play to the end."""
        began = time.monotonic()
        if self._plan.per_second is None:
            await asyncio.gather(*(self._line() for _ in range(self._plan.connections)))
        else:
            await self._on_time(self._plan.per_second)
        return Report(
            requests=self._requests,
            calls=self._calls,
            began=began,
            ended=time.monotonic(),
            refused=self._refused,
            lost=self._lost,
            sent_at=self._sent_at,
        )

    async def _line(self) -> None:
        connection = await Connection.to(self._host, self._port)
        for request_ in self._queue:
            connection = await self._send(connection, request_)
        connection.close()

    async def _send(self, connection: Connection, request_: _Request) -> Connection:
        current: _Request | None = request_
        while current is not None:
            if connection.broken:
                connection = await Connection.to(self._host, self._port)
            status = (await connection.call(current.data)).status
            self._requests += 1
            if 200 <= status < 300:
                self._calls += current.calls
                current = current.then
                continue
            self._refused += 1
            current.tries += 1
            if current.tries >= MAX_TRIES:
                self._lost += current.calls
                break
            await asyncio.sleep(OVERLOAD_SECONDS)
        return connection

    async def _on_time(self, per_second: float) -> None:
        idle = [await Connection.to(self._host, self._port) for _ in range(self._plan.connections)]
        loop = asyncio.get_running_loop()
        start = loop.time()
        running: set[asyncio.Task[None]] = set()

        async def one(request_: _Request) -> None:
            connection = idle.pop() if idle else await Connection.to(self._host, self._port)
            self._sent_at[str(request_.customer)] = time.monotonic()
            idle.append(await self._send(connection, request_))

        for number, request_ in enumerate(self._queue):
            await asyncio.sleep(max(0.0, start + number / per_second - loop.time()))
            task = loop.create_task(one(request_))
            running.add(task)
            task.add_done_callback(running.discard)
        if running:
            await asyncio.wait(running)
        for connection in idle:
            connection.close()


def main() -> None:
    """Read the plan, play it, report."""
    plan = msgspec.json.decode(sys.stdin.readline(), type=Plan)
    where = urlsplit(plan.url)
    report = uvloop.run(Player(plan, where.hostname or "", where.port or 80).play())
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")


if __name__ == "__main__":
    main()
