"""Carries callbacks to their receivers: bounded parallelism per host, retries on the sandbox clock, every try recorded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from engage.sandbox.clock import Clock
from engage.sandbox.http_client import Answer, ConnectError, HttpClient, ReadError
from engage.sandbox.ledger import Callback, iso
from engage.sandbox.now import unix_now


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One callback to deliver; `next_wait` says after how many sandbox seconds to try again, None to give up."""

    url: str
    body: bytes
    headers: Callable[[], str]
    records: list[Callback]
    next_wait: Callable[[int, Outcome], float | None]
    method: str = "POST"
    connect_seconds: float = 5.0
    read_seconds: float = 15.0
    then: list[Job] = field(default_factory=list)
    """Jobs that go out once this one has been tried: what `reorder` kept back."""
    on_answer: Callable[[Answer], None] | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended: an HTTP status, or `ct` (no connection) or `rt` (no answer)."""

    status: int | None
    trouble: str = ""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(slots=True)
class _Lane:
    queue: deque[Job] = field(default_factory=deque)
    workers: int = 0


class Courier:
    """Delivers jobs and counts them: `sent` (2xx at last), `failed` (given up), `pending`, `retries`."""

    def __init__(self, clock: Clock, client: HttpClient, per_host: int) -> None:
        self._clock = clock
        self._client = client
        self._per_host = per_host
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._generation = 0
        self.sent = self.failed = self.pending = self.retries = 0

    def post(self, job: Job) -> None:
        """Take a job; its first try starts as soon as its host has a free slot."""
        self.pending += 1
        self._queue(job, self._generation)

    def hold(self, job: Job) -> None:
        """Count a job as pending without sending it; it goes out by `release` or as another job's `then`."""
        self.pending += 1

    def release(self, job: Job) -> None:
        """Send a held job."""
        self._queue(job, self._generation)

    def reset(self) -> None:
        """Forget all jobs and counters; tries under way end unrecorded."""
        self._generation += 1
        self._lanes = {}
        self.sent = self.failed = self.pending = self.retries = 0

    async def stop(self) -> None:
        """Cancel what is under way and wait until it has ended."""
        self.reset()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _queue(self, job: Job, generation: int) -> None:
        if generation != self._generation:
            return
        host = urlsplit(job.url).netloc
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = _Lane()
        lane.queue.append(job)
        if lane.workers < self._per_host:
            lane.workers += 1
            task = asyncio.get_running_loop().create_task(self._work(lane, self._generation))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, lane: _Lane, generation: int) -> None:
        try:
            while lane.queue and generation == self._generation:
                await self._try(lane.queue.popleft(), generation)
        finally:
            lane.workers -= 1

    async def _try(self, job: Job, generation: int) -> None:
        job.tries += 1
        at = iso(unix_now())
        for record in job.records:
            record.tries += 1
            if record.at is None:
                record.at = at
        try:
            answer = await self._client.request(
                job.method,
                job.url,
                headers=job.headers(),
                body=job.body,
                connect_seconds=job.connect_seconds,
                read_seconds=job.read_seconds,
            )
            outcome = Outcome(answer.status)
        except ConnectError:
            answer, outcome = None, Outcome(None, "ct")
        except ReadError:
            answer, outcome = None, Outcome(None, "rt")
        if generation != self._generation:
            return
        for record in job.records:
            record.answer = outcome.status
        then, job.then = job.then, []
        for follower in then:
            self._queue(follower, generation)
        self._settle(job, outcome)
        if answer is not None and job.on_answer is not None:
            job.on_answer(answer)

    def _settle(self, job: Job, outcome: Outcome) -> None:
        if outcome.is_success:
            self.sent += 1
            self.pending -= 1
            return
        wait = job.next_wait(job.tries, outcome)
        if wait is None:
            self.failed += 1
            self.pending -= 1
            return
        self.retries += 1
        self._clock.later(wait, self._queue, job, self._generation)
