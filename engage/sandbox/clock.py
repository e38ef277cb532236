"""The sandbox's own time: a heap of things due, run at an adjustable speed."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Any

# So many due callbacks run before the loop gets a turn, so that a burst cannot starve the HTTP side.
TURN = 200


class Clock:
    """Sandbox seconds since start, `speed` of them per real second; speed 0 stops all timers.

    Changing the speed also stretches or shrinks what is already waiting. Must be used from one event loop.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._base = 0.0
        self._real = time.monotonic()
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._handle: asyncio.Handle | None = None
        self._armed_for = 0.0

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def waiting(self) -> int:
        """Number of timers not yet due."""
        return len(self._heap)

    def now(self) -> float:
        return self._base + (time.monotonic() - self._real) * self._speed

    def set_speed(self, speed: float) -> None:
        self._base, self._real = self.now(), time.monotonic()
        self._speed = speed
        self._arm()

    def later(self, seconds: float, action: Callable[..., object], *args: Any) -> None:
        """Run `action(*args)` once, `seconds` of sandbox time from now."""
        due = self.now() + (
            seconds if seconds > 0 else 0.0
        )  # NaN has no order, and would upset that of all others
        heapq.heappush(self._heap, (due, next(self._order), action, args))
        if self._handle is None or due < self._armed_for:
            self._arm()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of sandbox time."""
        if not seconds > 0:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.later(seconds, _finish, done)
        await done

    def clear(self) -> None:
        """Forget everything that waits; sleepers wake up."""
        for _, _, action, args in self._heap:
            if action is _finish:
                _finish(args[0])
        self._heap.clear()
        self._disarm()

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        self._disarm()
        if not self._heap or self._speed <= 0:
            return
        self._armed_for = self._heap[0][0]
        wait = (self._armed_for - self.now()) / self._speed
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(wait, self._run) if wait > 0.0005 else loop.call_soon(self._run)

    def _run(self) -> None:
        self._handle = None
        now = self.now()
        for _ in range(TURN):
            if not self._heap or self._heap[0][0] > now + 0.0005 * self._speed:
                break
            _, _, action, args = heapq.heappop(self._heap)
            action(*args)
        if self._handle is None:
            self._arm()


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
