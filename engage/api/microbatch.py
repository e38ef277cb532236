"""The micro-batcher: requests that arrive while a commit is under way share the next one."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from engage.api.brake import Brake, Lookout
from engage.engine.accept.intake import Intake, Taken, together
from engage.ports.storage import StorageAwayError

log = structlog.get_logger(__name__)

FACTS_A_COMMIT = 500
MAX_WAITING = 20_000
"""Facts that may wait, however fast they are stored."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""And their size: events may have 32 KB each."""
WAIT_SECONDS = 2.0
"""Who would wait for longer is told to come back. Segment's clients hang up after five to ten seconds and ask again: what is
stored for somebody who left is work done for nothing, and with all of it done so nobody is served."""
PATIENCE_SECONDS = 7.0
"""How long a commit may take before the database counts as away; Segment's client for Node waits ten seconds."""
MAX_RETRY_AFTER = 60
CROWD = 4
"""Requests in one commit that count as a crowd."""
CROWD_SECONDS = 0.003
"""How long the commit after a crowd waits for its own: a commit costs as much as storing fifty facts."""

HELD_SECONDS = 0.01
"""Between two looks whether events may be stored again, while nothing else is to be."""
TOO_LATE_SECONDS = 2 * WAIT_SECONDS
"""Who has waited as long, because storing became slower meanwhile, is told to come back too."""
RATE = MAX_WAITING / WAIT_SECONDS
"""Facts a second that are believed in until seen otherwise."""
QUICKLY = 0.5
"""How much the last commit counts in what is lately seen."""


class _Queue:
    """What waits in one class, oldest first; what is being stored still counts."""

    def __init__(self) -> None:
        self.requests: deque[_Request] = deque()
        self.weight = self.bytes = 0

    def add(self, request: "_Request") -> None:
        self.requests.append(request)
        self.weight += len(request.taken)
        self.bytes += request.size


@dataclass(frozen=True, slots=True)
class _Request:
    taken: Taken
    size: int
    """Of its payloads, in bytes."""
    since: float
    """When it came, on the monotonic clock."""
    answer: "asyncio.Future[list[bool]]"
    queue: _Queue

    def leave(self) -> None:
        """Count no more."""
        self.queue.weight -= len(self.taken)
        self.queue.bytes -= self.size


@dataclass(frozen=True, slots=True)
class Load:
    """What a batcher has done since it began, and has before it."""

    waiting: int
    waiting_bytes: int
    stored: int
    commits: int
    refused: int
    limit: float
    """Events a second that are stored at most, as digest is late; infinity where it is not."""


class OverloadedError(Exception):
    """More is waiting than may; come back in `retry_after` whole seconds."""

    def __init__(self, retry_after: int) -> None:
        """Keep how long the present backlog takes."""
        super().__init__(f"overloaded, retry after {retry_after} s")
        self.retry_after = retry_after


def _size(taken: Taken) -> int:
    kept = [*taken.quarantined, *(one.otherwise for one in taken.unplaced)]
    return sum(len(piece.fact.payload) for piece in taken.pieces) + sum(len(item.payload) for item in kept)


class MicroBatcher:
    """Gathers what requests bring and stores it from one thread, in few commits.

    A lone request is stored at once, and while that commit runs (one to five milliseconds) the next ones gather. Only
    where they come in crowds does a commit wait a moment for more. Nobody is answered before the commit that holds theirs.

    What providers tell goes ahead of events, and is not refused because of them: nobody says STOP twice, and how much they
    have to tell is bounded by what was sent.

    Once facts wait for digest, events wait here instead (`Brake`), where who waits can be told to come back: what was taken
    in has a claim to be digested in time, and so has what came in otherwise, as a code that somebody asks for.
    """

    def __init__(
        self, intake: Intake, *, max_waiting: int = MAX_WAITING, patience: float = PATIENCE_SECONDS
    ) -> None:
        """Store through `intake`; refuse once `max_waiting` facts wait, or a commit takes longer than `patience`."""
        self._intake = intake
        self._max_waiting, self._patience = max_waiting, patience
        self._ahead, self._events = _Queue(), _Queue()
        self._stored = self._commits = self._refused = 0
        self._stuck = False
        """The database has not answered in time, nor since."""
        self._rate = RATE
        """Facts a second, as lately seen: what the wait and `Retry-After` are reckoned from."""
        self._brake = Brake()
        self._lookout = Lookout(intake.backlog, self._brake)
        self._closing = False
        self._draining: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")

    async def submit(self, taken: Taken, *, ahead: bool = False) -> list[bool]:
        """Return once everything is durable; True per piece that was new. `ahead`: a provider tells it.

        Raises:
            OverloadedError: too much waits already; nothing was stored.
            StorageAwayError: the database is away.
        """
        weight = len(taken)
        if weight == 0:
            return []
        size = _size(taken)
        loop = asyncio.get_running_loop()
        request = _Request(
            taken, size, time.monotonic(), loop.create_future(), self._ahead if ahead else self._events
        )
        self._see_room(request.queue, size)
        request.queue.add(request)
        if self._draining is None:
            self._draining = loop.create_task(self._drain(loop))
        return await request.answer

    def see_room(self) -> None:
        """Return if an event would be taken now: it is cheaper to ask before a body is read.

        Raises:
            OverloadedError: too much waits already.
            StorageAwayError: the database is away.
        """
        self._see_room(self._events, 0)

    def _see_room(self, queue: _Queue, size: int) -> None:
        if self._stuck:
            raise StorageAwayError("the database does not answer")
        # Who fits in part is let in whole: what was read and then refused would be read again, and again for nothing.
        full = queue.weight >= self._most(queue) or queue.bytes + size > MAX_WAITING_BYTES
        if queue.weight and full:
            self._refused += 1
            raise OverloadedError(self._retry_after())

    def _retry_after(self) -> int:
        """Return in how many seconds what waits now is stored."""
        return min(MAX_RETRY_AFTER, max(1, math.ceil(self.load().waiting / self._pace())))

    def _pace(self) -> float:
        """Return how many facts a second are stored, as far as events are concerned."""
        return min(self._rate, self._brake.rate)

    def _most(self, queue: _Queue) -> float:
        """Return how many facts may wait: of events no more than are stored within `WAIT_SECONDS`."""
        if queue is self._ahead:
            return self._max_waiting
        in_time = self._pace() * WAIT_SECONDS - self._ahead.weight
        return min(self._max_waiting, max(FACTS_A_COMMIT, in_time))

    def load(self) -> Load:
        """Return how much waits and has been done."""
        queues = (self._ahead, self._events)
        return Load(
            sum(queue.weight for queue in queues),
            sum(queue.bytes for queue in queues),
            self._stored,
            self._commits,
            self._refused,
            self._brake.rate,
        )

    async def close(self) -> None:
        """Store what waits, then stop the threads."""
        self._closing = True
        if self._draining is not None:
            await self._draining
        await self._lookout.close()
        self._thread.shutdown()

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while True:
                started = time.monotonic()
                self._turn_away(started - TOO_LATE_SECONDS)
                if not self._ahead.requests and not self._events.requests:
                    break
                group, together = self._gather(started)
                if not group:
                    await asyncio.sleep(HELD_SECONDS)
                    continue
                try:
                    stored = await self._store(loop, group, together)
                except Exception as exc:
                    self._fail(group, exc)
                    if isinstance(exc, StorageAwayError):
                        self._fail_all(exc)
                else:
                    self._answer(group, stored)
                    self._commits += 1
                    self._stored += len(together)
                    self._lookout.stored(self._events_in(group))
                for request in group:
                    request.leave()
                if len(group) >= CROWD:
                    await asyncio.sleep(CROWD_SECONDS)
                self._learn(len(together), time.monotonic() - started)
        finally:
            self._draining = None

    def _learn(self, facts: int, seconds: float) -> None:
        """See how fast facts are stored; a commit of few shows no more than that it is not slower."""
        seen = facts / max(seconds, 1e-4)
        if facts >= FACTS_A_COMMIT // 2 or seen > self._rate:
            self._rate += QUICKLY * (seen - self._rate)

    async def _store(
        self, loop: asyncio.AbstractEventLoop, group: list[_Request], together: Taken
    ) -> list[bool]:
        """Store in the thread. Where that takes too long nobody is kept waiting for it: it may still come to pass, and
        what is sent again is known then."""
        storing = loop.run_in_executor(self._thread, self._intake.store, together)
        done, _ = await asyncio.wait({storing}, timeout=self._patience)
        if not done:
            log.error("database.silent", seconds=self._patience)
            exc = StorageAwayError("the database does not answer")
            self._stuck = True
            self._fail(group, exc)
            self._fail_all(exc)
            try:
                await asyncio.wait({storing})
            finally:
                self._stuck = False
        return await storing

    def _fail_all(self, exc: Exception) -> None:
        """Tell those behind: they would only find out the same after another time-out of their own."""
        for queue in (self._ahead, self._events):
            self._fail(queue.requests, exc)
            for request in queue.requests:
                request.leave()
            queue.requests.clear()

    def _turn_away(self, before: float) -> None:
        """Refuse the events that have waited since `before`."""
        late = list[_Request]()
        while self._events.requests and self._events.requests[0].since < before:
            late.append(self._events.requests.popleft())
            late[-1].leave()
        if late:
            self._refused += len(late)
            self._fail(late, OverloadedError(self._retry_after()))

    def _gather(self, now: float) -> tuple[list[_Request], Taken]:
        group, weight = list[_Request](), 0
        for queue in (self._ahead, *self._let(now)):
            while queue.requests and (weight == 0 or weight + len(queue.requests[0].taken) <= FACTS_A_COMMIT):
                group.append(queue.requests.popleft())
                weight += len(group[-1].taken)
        self._brake.spend(self._events_in(group))
        if len(group) == 1:
            return group, group[0].taken
        return group, together([request.taken for request in group])

    def _let(self, now: float) -> tuple[_Queue, ...]:
        """Return the queue of events, if any may be stored now; who shuts down stores what waits."""
        return (self._events,) if self._closing or self._brake.lets(now) else ()

    def _events_in(self, group: Iterable[_Request]) -> int:
        return sum(len(request.taken) for request in group if request.queue is self._events)

    @staticmethod
    def _fail(group: Iterable[_Request], exc: Exception) -> None:
        for request in group:
            if not request.answer.done():
                request.answer.set_exception(exc)

    @staticmethod
    def _answer(group: list[_Request], stored: list[bool]) -> None:
        start = 0
        for request in group:
            end = start + len(request.taken.pieces)
            if not request.answer.done():
                request.answer.set_result(stored[start:end])
            start = end
