"""Gather: hints that come while a turn is under way wait for the next one, so that load makes batches, not turns."""

import threading
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

ROUNDS = 20
"""Turns without a pause, so that a worker that shall stop soon can: five seconds at most."""


class Gather(Generic[T]):
    """Runs `work` on everything added since it last ran, one run at a time in this process. Thread-safe.

    Whoever adds while a run is under way returns at once: the runner takes it along. Measured: with four threads each
    digesting the few facts of its own hint, a message cost half as much again. Where a turn may wait for somebody else, more
    than one may go on `at_once`: whoever added something that nobody took along within `patience` seconds begins another.
    """

    def __init__(
        self,
        work: Callable[[Collection[T]], Iterable[T]],
        later: Callable[[Collection[T]], None],
        *,
        most: int,
        at_once: int = 1,
        patience: float = 0.0,
    ) -> None:
        """`work` gets at most `most` of what was added, the oldest first, and returns what is left to do; `later` has
        others told of what is still waiting after `ROUNDS` runs in a row."""
        self._work, self._later, self._most = work, later, most
        self._at_once, self._patience = at_once, patience
        self._lock = threading.Condition()
        self._waiting: dict[T, None] = {}
        self._running = 0

    def add(self, items: Iterable[T]) -> None:
        """Have these worked on: now by this thread, or by the one that is at it.

        Raises:
            Exception: whatever `work` raised; what waits then is left to the next caller, or to the sweep.
        """
        with self._lock:
            self._waiting.update(dict.fromkeys(items))
            if self._running and not self._nobody_comes():
                return
            self._running += 1
        try:
            for _ in range(ROUNDS):
                taken = self._take()
                if not taken:
                    return
                self._keep(self._work(taken))
        except BaseException:
            with self._lock:
                self._end()
            raise
        self._later(self._give_up())

    def _nobody_comes(self) -> bool:
        """Return whether what waits was left for so long, all runs being busy, that another one is to begin."""
        if self._running >= self._at_once:
            return False
        self._lock.wait_for(lambda: not (self._waiting and self._running), self._patience)
        return bool(self._waiting) and self._running < self._at_once

    def _end(self) -> None:
        self._running -= 1
        self._lock.notify_all()

    def _take(self) -> set[T]:
        """Take the next share; with none the run ends here, under the lock, so that whoever adds next runs anew."""
        with self._lock:
            taken = set(list(self._waiting)[: self._most])
            for item in taken:
                del self._waiting[item]
            if not taken:
                self._end()
            elif not self._waiting:
                self._lock.notify_all()
        return taken

    def _keep(self, left: Iterable[T]) -> None:
        with self._lock:
            self._waiting.update(dict.fromkeys(left))

    def _give_up(self) -> set[T]:
        with self._lock:
            left, self._waiting = set(self._waiting), {}
            self._end()
        return left
