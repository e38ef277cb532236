"""The micro-batcher: requests that arrive while a commit is under way share the next one."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from engage.engine.accept.intake import Intake, Taken, together
from engage.ports.storage import StorageAwayError

log = structlog.get_logger(__name__)

FACTS_A_COMMIT = 500
MAX_WAITING = 20_000
"""Facts that may wait; at some 10,000 facts a second about two seconds of work, well within the clients' time-outs."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""And their size: events may have 32 KB each."""
PATIENCE_SECONDS = 7.0
"""How long a commit may take before the database counts as away; Segment's client for Node waits ten seconds."""
MAX_RETRY_AFTER = 60
CROWD = 4
"""Requests in one commit that count as a crowd."""
CROWD_SECONDS = 0.003
"""How long the commit after a crowd waits for its own: a commit costs as much as storing fifty facts."""

_Request = tuple[Taken, int, "asyncio.Future[list[bool]]"]
"""What is to be stored, its bytes, and who waits for it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a batcher has done since it began, and has before it."""

    waiting: int
    waiting_bytes: int
    stored: int
    commits: int
    refused: int


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
    """

    def __init__(
        self, intake: Intake, *, max_waiting: int = MAX_WAITING, patience: float = PATIENCE_SECONDS
    ) -> None:
        """Store through `intake`; refuse once `max_waiting` facts wait, or a commit takes longer than `patience`."""
        self._intake = intake
        self._max_waiting, self._patience = max_waiting, patience
        self._waiting: deque[_Request] = deque()
        self._weight = 0
        self._bytes = 0
        self._stored = self._commits = self._refused = 0
        self._stuck = False
        """The database has not answered in time, nor since."""
        self._rate = 1_000.0
        """Facts a second, as lately seen: what `Retry-After` is reckoned from."""
        self._draining: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")

    async def submit(self, taken: Taken) -> list[bool]:
        """Return once everything is durable; True per piece that was new.

        Raises:
            OverloadedError: too much waits already; nothing was stored.
            StorageAwayError: the database is away.
        """
        weight = len(taken)
        if weight == 0:
            return []
        size = _size(taken)
        self.see_room(weight, size)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[bool]] = loop.create_future()
        self._waiting.append((taken, size, future))
        self._weight += weight
        self._bytes += size
        if self._draining is None:
            self._draining = loop.create_task(self._drain(loop))
        return await future

    def see_room(self, weight: int = 1, size: int = 0) -> None:
        """Return if so many facts of so many bytes would be taken now: it is cheaper to ask before a body is read.

        Raises:
            OverloadedError: too much waits already.
            StorageAwayError: the database is away.
        """
        if self._stuck:
            raise StorageAwayError("the database does not answer")
        full = self._weight + weight > self._max_waiting or self._bytes + size > MAX_WAITING_BYTES
        if self._weight and full:
            self._refused += 1
            raise OverloadedError(min(MAX_RETRY_AFTER, max(1, math.ceil(self._weight / self._rate))))

    def load(self) -> Load:
        """Return how much waits and has been done."""
        return Load(self._weight, self._bytes, self._stored, self._commits, self._refused)

    async def close(self) -> None:
        """Store what waits, then stop the thread."""
        if self._draining is not None:
            await self._draining
        self._thread.shutdown()

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while self._waiting:
                group, together = self._gather()
                started = time.monotonic()
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
                    spent = max(time.monotonic() - started, 1e-4)
                    self._rate += 0.2 * (len(together) / spent - self._rate)
                self._left(group)
                if len(group) >= CROWD:
                    await asyncio.sleep(CROWD_SECONDS)
        finally:
            self._draining = None

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
        self._fail(self._waiting, exc)
        self._left(self._waiting)
        self._waiting.clear()

    def _left(self, group: Iterable[_Request]) -> None:
        for taken, size, _ in group:
            self._weight -= len(taken)
            self._bytes -= size

    def _gather(self) -> tuple[list[_Request], Taken]:
        group, weight = [], 0
        while self._waiting and (weight == 0 or weight + len(self._waiting[0][0]) <= FACTS_A_COMMIT):
            group.append(self._waiting.popleft())
            weight += len(group[-1][0])
        if len(group) == 1:
            return group, group[0][0]
        return group, together([taken for taken, *_ in group])

    @staticmethod
    def _fail(group: Iterable[_Request], exc: Exception) -> None:
        for *_, future in group:
            if not future.done():
                future.set_exception(exc)

    @staticmethod
    def _answer(group: list[_Request], stored: list[bool]) -> None:
        start = 0
        for taken, _, future in group:
            end = start + len(taken.pieces)
            if not future.done():
                future.set_result(stored[start:end])
            start = end
