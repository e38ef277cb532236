"""Locks: who holds what until the end of their transaction, and the one place where anybody waits."""

import threading
import time
from collections.abc import Callable, Hashable

Wait = Callable[[Callable[[], bool]], None]

DEADLOCK_SECONDS = (
    5.0  # far longer than any honest transaction of a test; then two threads wait for each other
)
_POLL_SECONDS = 0.0005


def refuse_to_wait(free: Callable[[], bool]) -> None:  # the shape of every wait
    """Fail: with one thread, nobody could ever release what another open transaction holds.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("deadlock: another open transaction of this thread holds the lock")


def wait_for_threads(free: Callable[[], bool]) -> None:
    """Wait, as a thread among others, until `free()`.

    Raises:
        RuntimeError: nothing was released for `DEADLOCK_SECONDS`.
    """
    until = time.monotonic() + DEADLOCK_SECONDS
    while not free():
        if time.monotonic() > until:
            raise RuntimeError("deadlock: the lock was not released")
        time.sleep(_POLL_SECONDS)


class LockTable:
    """Exclusive locks on anything hashable, each held by one transaction until it ends.

    `wait(free)` is called where a transaction must wait; it returns when `free()` is true. A deterministic
    scheduler puts its own there and lets other workers go on meanwhile.
    """

    __slots__ = ("_guard", "_holders", "wait")

    def __init__(self, wait: Wait = refuse_to_wait) -> None:
        """Start with everything free."""
        self._holders: dict[Hashable, object] = {}
        self._guard = threading.Lock()
        self.wait = wait

    def try_take(self, key: Hashable, holder: object) -> bool:
        """Take the lock if it is free or already the holder's; return whether it is the holder's now."""
        with self._guard:
            return self._holders.setdefault(key, holder) is holder

    def take(self, key: Hashable, holder: object) -> None:
        """Take the lock, waiting for it where another transaction has it."""
        while not self.try_take(key, holder):
            self.wait(lambda: key not in self._holders)

    def release(self, holder: object) -> None:
        """Release everything the holder has."""
        with self._guard:
            for key in [key for key, owner in self._holders.items() if owner is holder]:
                del self._holders[key]
