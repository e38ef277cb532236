"""Crowd: a process that plays many clients who go on offering whatever they are answered; what it costs is not ours.

Some of them are servers with a library like Segment's: a short queue each, one request at a time, and after 429 they wait as
long as they were told. The others are not as polite: every batch leaves when it is made, over any of
many connections, and again at once. Each batch brings somebody new who gets an SMS, so that what became of it can be counted
at the provider. Run as `python -m engage.bench.crowd`; a line of JSON in, a line of JSON out.
"""

import asyncio
import sys
import time
from base64 import b64encode
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import urlsplit

import msgspec
import uvloop

from engage.bench.client_wire import Answered, Connection
from engage.bench.customers import EPOCH_PHONE, SMS_EVENT, UNHEARD_EVENT, encoded, phone_of, track
from engage.bench.figures import latencies
from engage.bench.sink_answers import request

QUEUE = 10
"""Batches a polite client keeps before it drops the next; analytics-python keeps 10,000 messages, browsers 100."""
TRIES = 10
"""As analytics-python; then the batch is given up."""
RUDE_TRIES = 3
RUDE_SECONDS = 0.1
RUDE_CONNECTIONS = 512
TIMEOUT_SECONDS = 10.0
"""Segment's client for Node waits as long."""
_NUMBER = b"@@@@@@@@"


NEWCOMERS = 6_000_000
"""Customers with numbers from here on come with batches."""


FIRST_DIGITS = 2 * 10**7 + EPOCH_PHONE + NEWCOMERS
"""What stands for batch 0 in its message ids: the last eight digits of its newcomer's phone number."""


def newcomer(batch: int) -> str:
    """Return the phone number of who came with a batch."""
    return phone_of(NEWCOMERS + batch)


class CrowdPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to offer."""

    url: str
    write_key: str
    source: str
    first: int
    """Customers from here on are known and do what nobody listens to."""
    people: int
    batches_from: int
    """The number of the first batch; its newcomer is `newcomer(number)`."""
    per_second: float
    """Events offered a second, by all together, whatever the answers are."""
    seconds: float
    batch: int = 100
    clients: int = 200
    """Polite ones; they offer `1 - rude` of it all."""
    rude: float = 0.5


class CrowdReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Instants are of the machine's monotonic clock."""

    offered: int
    """Events."""
    began: float
    ended: float
    """When the last was offered; some were still asked again after that."""
    late_ms: dict[str, float]
    """How late the crowd itself was with its batches: what it measures is no better than that."""
    accepted: list[int]
    """Batches that were answered 200, by number."""
    dropped: int
    """Batches that a polite client's full queue did not take."""
    given_up: int
    """Batches that were refused too often."""
    answers: dict[str, int]
    """Requests by the status of their answer; 0: none came in time, or the connection broke."""
    accepted_ms: dict[str, float]
    refused_ms: dict[str, float]
    silent: int
    """Answers of 429 or 503 that did not say when to come back."""


@dataclass(slots=True)
class _Batch:
    number: int
    tries: int = 0


@dataclass(slots=True)
class _Seen:
    late_seconds: list[float] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    dropped: int = 0
    given_up: int = 0
    silent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    accepted_seconds: list[float] = field(default_factory=list)
    refused_seconds: list[float] = field(default_factory=list)


class Crowd:
    """Plays one plan."""

    def __init__(self, plan: CrowdPlan) -> None:
        """Make the bodies beforehand: only a number changes in them."""
        self._plan = plan
        where = urlsplit(plan.url)
        self._host, self._port = where.hostname or "", where.port or 80
        key = b64encode(f"{plan.write_key}:".encode())
        self._requests = [
            request(
                f"{plan.url}/v1/batch",
                body,
                b"Content-Type: application/json",
                b"Authorization: Basic " + key,
            )
            for body in self._bodies()
        ]
        self._seen = _Seen()
        self._idle: list[Connection] = []
        self._lines = asyncio.Semaphore(RUDE_CONNECTIONS)

    def _bodies(self) -> list[bytes]:
        plan, number = self._plan, _NUMBER.decode()
        source, new = f"{plan.source}-{number}", f"customer-{number}"
        traits = {"phone": f"+121{number}", "plan": "gold", "first_name": "Ada"}
        newcomer = [
            {"type": "identify", "userId": new, "messageId": f"{source}-i", "traits": traits},
            {**track(0, source, SMS_EVENT), "userId": new},
        ]
        rest = plan.batch - len(newcomer)
        return [
            encoded(
                {
                    "batch": newcomer
                    + [track(first + place, source, UNHEARD_EVENT) for place in range(1, rest + 1)]
                }
            )
            for first in range(plan.first, plan.first + plan.people - rest, rest)
        ]

    def _data(self, number: int) -> bytes:
        body = self._requests[number % len(self._requests)]
        return body.replace(_NUMBER, b"%08d" % (FIRST_DIGITS + number))

    async def play(self) -> CrowdReport:
        """Offer for so long, and end with what is under way; what waits in a queue then was never sent."""
        plan, loop = self._plan, asyncio.get_running_loop()
        queues: list[deque[_Batch]] = [deque() for _ in range(plan.clients)]
        news = [asyncio.Event() for _ in queues]
        polite = [loop.create_task(self._polite(*one)) for one in zip(queues, news, strict=True)]
        turns, rude = cycle(zip(queues, news, strict=True)), set[asyncio.Task[None]]()
        interval, began, number, rest = plan.batch / plan.per_second, time.monotonic(), 0, 0.0
        while number * interval < plan.seconds:
            due = began + number * interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._seen.late_seconds.append(time.monotonic() - due)
            batch, rest = _Batch(plan.batches_from + number), rest + plan.rude
            if rest >= 1:
                rest -= 1
                task = loop.create_task(self._rude(batch))
                rude.add(task)
                task.add_done_callback(rude.discard)
            else:
                queue, new = next(turns)
                self._put(queue, batch)
                new.set()
            number += 1
        ended = time.monotonic()
        for queue in queues:
            self._seen.dropped += len(queue)
            queue.clear()
        if rude:
            await asyncio.wait(rude)
        for task in polite:
            task.cancel()
        await asyncio.gather(*polite, return_exceptions=True)
        return self._report(number, began, ended)

    def _put(self, queue: deque[_Batch], batch: _Batch) -> None:
        if len(queue) >= QUEUE:
            self._seen.dropped += 1
        else:
            queue.append(batch)

    def _report(self, batches: int, began: float, ended: float) -> CrowdReport:
        seen = self._seen
        return CrowdReport(
            offered=batches * self._plan.batch,
            began=began,
            ended=ended,
            late_ms=latencies(seen.late_seconds),
            accepted=seen.accepted,
            dropped=seen.dropped,
            given_up=seen.given_up,
            answers=dict(seen.answers),
            accepted_ms=latencies(seen.accepted_seconds) if seen.accepted_seconds else {},
            refused_ms=latencies(seen.refused_seconds) if seen.refused_seconds else {},
            silent=seen.silent,
        )

    async def _polite(self, queue: deque[_Batch], new: asyncio.Event) -> None:
        """One batch after the other; after a refusal nothing until the time that was told, as Segment's libraries do."""
        connection = None
        while True:
            while not queue:
                new.clear()
                await new.wait()
            batch = queue.popleft()
            while True:
                connection = await self._connected(connection)
                answer = await self._ask(connection, batch)
                if answer.status == 200:
                    break
                if batch.tries >= TRIES:
                    self._seen.given_up += 1
                    break
                await asyncio.sleep(answer.retry_after or min(60.0, 0.1 * 2**batch.tries))

    async def _rude(self, batch: _Batch) -> None:
        """At once, over any connection, and at once again."""
        while batch.tries < RUDE_TRIES:
            async with self._lines:
                connection = await self._connected(self._idle.pop() if self._idle else None)
                answer = await self._ask(connection, batch)
                self._idle.append(connection)
            if answer.status == 200:
                return
            await asyncio.sleep(RUDE_SECONDS)
        self._seen.given_up += 1

    async def _connected(self, connection: Connection | None) -> Connection:
        while connection is None or connection.broken:
            try:
                connection = await Connection.to(self._host, self._port)
            except OSError:
                self._seen.answers["0"] += 1
                await asyncio.sleep(RUDE_SECONDS)
        return connection

    async def _ask(self, connection: Connection, batch: _Batch) -> Answered:
        seen, began = self._seen, time.monotonic()
        answer = await connection.call(self._data(batch.number), TIMEOUT_SECONDS)
        seconds = time.monotonic() - began
        batch.tries += 1
        seen.answers[str(answer.status)] += 1
        if answer.status == 200:
            seen.accepted.append(batch.number)
            seen.accepted_seconds.append(seconds)
        elif answer.status in (429, 503):
            seen.refused_seconds.append(seconds)
            seen.silent += answer.retry_after is None
        return answer


def main() -> None:
    """Read the plan, play it, report."""
    plan = msgspec.json.decode(sys.stdin.readline(), type=CrowdPlan)
    report = uvloop.run(Crowd(plan).play())
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")


if __name__ == "__main__":
    main()
