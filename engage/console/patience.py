"""Patience: how often somebody may guess a password before they must wait."""

from collections import OrderedDict, deque
from datetime import datetime, timedelta
from threading import Lock

GUESSES = 10
WITHIN = timedelta(minutes=10)
REMEMBERED = 10_000
"""Addresses; beyond that the longest untouched is forgotten."""


class Patience:
    """Counts wrong passwords by address, in this process. Thread-safe."""

    def __init__(self) -> None:
        """Start patient."""
        self._tried: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = Lock()

    def has(self, address: str, now: datetime) -> bool:
        """Return whether another guess is heard: fewer than ten were wrong in the last ten minutes."""
        with self._lock:
            wrong = self._tried.get(address, deque())
            while wrong and wrong[0] <= now - WITHIN:
                wrong.popleft()
            return len(wrong) < GUESSES

    def tried(self, address: str, now: datetime) -> None:
        """Count a wrong guess."""
        with self._lock:
            self._tried.setdefault(address, deque(maxlen=GUESSES)).append(now)
            self._tried.move_to_end(address)
            while len(self._tried) > REMEMBERED:
                self._tried.popitem(last=False)
