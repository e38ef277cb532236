"""Kept: numbers that are dear to count are counted again only after a while that grows with what counting takes."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

Value = TypeVar("Value")
LEAST_SECONDS = 1.0
TIMES_AS_LONG = 20
"""What took a second is kept for twenty: looking costs the database a twentieth of its time at most."""


class Kept(Generic[Value]):
    """One value, counted by whoever asks first and kept for the others. Thread-safe."""

    def __init__(self, count: Callable[[], Value]) -> None:
        """Keep what `count` returns."""
        self._count = count
        self._lock = threading.Lock()
        self._value: Value | None = None
        self._until = 0.0

    def __call__(self) -> Value:
        """Return the value, counted anew if the old one has had its time."""
        with self._lock:
            if self._value is None or monotonic() >= self._until:
                began = monotonic()
                self._value = self._count()
                ended = monotonic()
                self._until = ended + max(LEAST_SECONDS, TIMES_AS_LONG * (ended - began))
            return self._value
