"""The micro-batcher: requests that arrive while a commit is under way share the next one."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from engage.engine.accept_intake import Intake, Taken
from engage.ports.storage import StorageAwayError

FACTS_A_COMMIT = 500
MAX_WAITING = 20_000
"""Facts that may wait; at some 10,000 facts a second about two seconds of work, well within the clients' time-outs."""
MAX_RETRY_AFTER = 60
CROWD = 4
"""Requests in one commit that count as a crowd."""
CROWD_SECONDS = 0.003
"""How long the commit after a crowd waits for its own: a commit costs as much as storing fifty facts."""

_Request = tuple[Taken, "asyncio.Future[list[bool]]"]


class OverloadedError(Exception):
    """More is waiting than may; come back in `retry_after` whole seconds."""

    def __init__(self, retry_after: int) -> None:
        """Keep how long the present backlog takes."""
        super().__init__(f"overloaded, retry after {retry_after} s")
        self.retry_after = retry_after


class MicroBatcher:
    """Gathers what requests bring and stores it from one thread, in few commits.

    A lone request is stored at once, and while that commit runs (one to five milliseconds) the next ones gather. Only
    where they come in crowds does a commit wait a moment for more. Nobody is answered before the commit that holds theirs.
    """

    def __init__(self, intake: Intake, *, max_waiting: int = MAX_WAITING) -> None:
        """Store through `intake`; refuse once `max_waiting` facts wait."""
        self._intake = intake
        self._max_waiting = max_waiting
        self._waiting: deque[_Request] = deque()
        self._weight = 0
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
        if self._weight and self._weight + weight > self._max_waiting:
            raise OverloadedError(min(MAX_RETRY_AFTER, max(1, math.ceil(self._weight / self._rate))))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[bool]] = loop.create_future()
        self._waiting.append((taken, future))
        self._weight += weight
        if self._draining is None:
            self._draining = loop.create_task(self._drain(loop))
        return await future

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
                    stored = await loop.run_in_executor(self._thread, self._intake.store, together)
                except Exception as exc:
                    self._fail(group, exc)
                    if isinstance(exc, StorageAwayError):
                        # Who waits behind would only find out the same after another time-out of its own.
                        self._fail(self._waiting, exc)
                        self._waiting.clear()
                        self._weight = len(together)
                else:
                    self._answer(group, stored)
                    spent = max(time.monotonic() - started, 1e-4)
                    self._rate += 0.2 * (len(together) / spent - self._rate)
                self._weight -= len(together)
                if len(group) >= CROWD:
                    await asyncio.sleep(CROWD_SECONDS)
        finally:
            self._draining = None

    def _gather(self) -> tuple[list[_Request], Taken]:
        group, weight = [], 0
        while self._waiting and (weight == 0 or weight + len(self._waiting[0][0]) <= FACTS_A_COMMIT):
            group.append(self._waiting.popleft())
            weight += len(group[-1][0])
        if len(group) == 1:
            return group, group[0][0]
        pieces = [piece for taken, _ in group for piece in taken.pieces]
        quarantined = [item for taken, _ in group for item in taken.quarantined]
        return group, Taken(pieces, quarantined)

    @staticmethod
    def _fail(group: Iterable[_Request], exc: Exception) -> None:
        for _, future in group:
            if not future.done():
                future.set_exception(exc)

    @staticmethod
    def _answer(group: list[_Request], stored: list[bool]) -> None:
        start = 0
        for taken, future in group:
            end = start + len(taken.pieces)
            if not future.done():
                future.set_result(stored[start:end])
            start = end
