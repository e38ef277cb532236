"""Blame: whether it is a fact's own fault that it cannot be digested, or that of the code or the schema it meets."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=1)
ALONE = timedelta(hours=1)
"""A fact that fails for so long while nothing else comes by which one could tell is to blame too."""


@dataclass(slots=True)
class _Failing:
    since: datetime
    successes: int
    """Of this process, before the turn in which the lane's oldest fact first failed."""
    tries: int = 0
    again: datetime | None = None


class Blame:
    """What one process knows about the lanes in which it cannot go on. Thread-safe; never asked about a lane that is fine.

    A fact is to blame if others have been digested in the turn in which it failed, or since. As long as everything fails — after a release with
    a mistake, or before a migration — nothing is put aside: each lane waits, is tried again after a pause that grows, and
    goes on in order once the mistake is mended.
    """

    def __init__(self) -> None:
        """Nothing has failed yet."""
        self._lock = threading.Lock()
        self._lanes: dict[int, _Failing] = {}
        self._successes = 0

    @property
    def successes(self) -> int:
        """How often something was digested."""
        return self._successes

    def went_well(self, lanes: list[int]) -> None:
        """Note that facts or timers of these lanes were digested."""
        with self._lock:
            self._successes += 1
            for lane in lanes if self._lanes else ():
                self._lanes.pop(lane, None)

    def failed(self, lane: int, now: datetime, before: int) -> bool:
        """Note that the oldest fact of a lane failed; return whether it is to blame: else the lane waits for a while.

        `before` is `successes` as the turn began.
        """
        with self._lock:
            failing = self._lanes.setdefault(lane, _Failing(now, before))
            if self._successes > failing.successes or now - failing.since >= ALONE:
                failing.again = None
                return True
            failing.again = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failing.tries, 10))
            failing.tries += 1
            return False

    def ready(self, lanes: list[int], now: datetime) -> list[int]:
        """Return the lanes of these that do not have to wait: all, but for those that failed just now."""
        if not self._lanes:
            return lanes
        with self._lock:
            return [lane for lane in lanes if not self._waits(lane, now)]

    def _waits(self, lane: int, now: datetime) -> bool:
        failing = self._lanes.get(lane)
        if failing is None or failing.again is None or self._successes > failing.successes:
            return False
        return now < failing.again
