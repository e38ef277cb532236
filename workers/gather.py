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
    digesting the few facts of its own hint, a message cost half as much again.
    """

    def __init__(
        self,
        work: Callable[[Collection[T]], Iterable[T]],
        later: Callable[[Collection[T]], None],
        *,
        most: int,
    ) -> None:
        """`work` gets at most `most` of what was added, the oldest first, and returns what is left to do; `later` has
        others told of what is still waiting after `ROUNDS` runs in a row."""
        self._work, self._later, self._most = work, later, most
        self._lock = threading.Lock()
        self._waiting: dict[T, None] = {}
        self._running = False

    def add(self, items: Iterable[T]) -> None:
        """Have these worked on: now by this thread, or by the one that is at it.

        Raises:
            Exception: whatever `work` raised; what waits then is left to the next caller, or to the sweep.
        """
        with self._lock:
            self._waiting.update(dict.fromkeys(items))
            if self._running:
                return
            self._running = True
        try:
            for _ in range(ROUNDS):
                taken = self._take()
                if not taken:
                    return
                self._keep(self._work(taken))
        except BaseException:
            with self._lock:
                self._running = False
            raise
        self._later(self._give_up())

    def _take(self) -> set[T]:
        """Take the next share; with none the run ends here, under the lock, so that whoever adds next runs anew."""
        with self._lock:
            taken = set(list(self._waiting)[: self._most])
            for item in taken:
                del self._waiting[item]
            self._running = bool(taken)
        return taken

    def _keep(self, left: Iterable[T]) -> None:
        with self._lock:
            self._waiting.update(dict.fromkeys(left))

    def _give_up(self) -> set[T]:
        with self._lock:
            left, self._waiting = set(self._waiting), {}
            self._running = False
        return left
