"""Chance from a seed: the same address, occasion and purpose always draw the same lot, in whatever order they come."""

from __future__ import annotations

import math
from hashlib import blake2b
from statistics import NormalDist

_NORMAL = NormalDist()
# The 99th percentile of a normal distribution lies this many deviations above its median.
_Z99 = _NORMAL.inv_cdf(0.99)
_DENOMINATOR = 2**53


def sigma_for(p99_over_p50: float) -> float:
    """Return the sigma of the log-normal whose 99th percentile is `p99_over_p50` times its median."""
    return math.log(p99_over_p50) / _Z99


class Chance:
    """Draws that depend on nothing but the seed and the keys given."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def share(self, *keys: object) -> float:
        """Return a number in (0, 1) for these keys."""
        text = "|".join([str(self._seed), *map(str, keys)])
        number = int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 11
        return (number + 0.5) / _DENOMINATOR

    def lognormal(self, median: float, sigma: float, *keys: object) -> float:
        """Return a log-normal draw with this median (same unit as the median)."""
        if median <= 0:
            return 0.0
        return median * math.exp(sigma * _NORMAL.inv_cdf(self.share(*keys)))
