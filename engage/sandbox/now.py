"""The wall clock, read in one place."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache


def unix_now() -> float:
    """Return Unix seconds."""
    return time.time()


@lru_cache(maxsize=1024)
def _rfc2822(second: int) -> str:
    return formatdate(second).replace("-0000", "+0000")


def rfc2822(at: float) -> str:
    """Return a Unix time as the provider writes dates: `Tue, 03 Mar 2026 10:00:00 +0000`."""
    return _rfc2822(int(at))
