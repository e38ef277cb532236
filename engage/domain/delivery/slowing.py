"""Slowing: a sender with a rate, whom its provider tells to slow down, gets a lower one for a while, and gets it back by and by."""

from datetime import datetime, timedelta
from typing import NamedTuple

HALVED_EVERY = timedelta(minutes=2)
"""How fast a sender recovers: what it was slowed down by is half as much after so long."""
BURST = timedelta(seconds=10)
"""Complaints that come together are one: calls that were under way say the same once more."""
MOST = 8.0
"""However often it is told: a rate that was set is not wrong by more."""
ENOUGH = 1.1
"""Below this a sender has recovered."""


class Slowness(NamedTuple):
    """How much slower than its rate a sender was told to go, when, and by which code."""

    at: datetime
    factor: float
    code: str

    def factor_at(self, now: datetime) -> float:
        """Return by how much its rate is divided at `now`: 1 where it has recovered."""
        passed = max((now - self.at) / HALVED_EVERY, 0.0)
        factor = self.factor * 0.5 ** min(passed, 64.0)
        return float(factor) if factor > ENOUGH else 1.0


def slowed(known: Slowness | None, at: datetime, code: str) -> Slowness:
    """Return how slow a sender is to go after one more complaint: half as fast as until then."""
    if known is not None and at < known.at + BURST:
        return known
    factor = 1.0 if known is None else known.factor_at(at)
    return Slowness(at, min(factor * 2, MOST), code)
