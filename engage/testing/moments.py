"""Moments: instants of a scenario as people write and read them, offsets from its start."""

from datetime import datetime, timedelta

_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000))


def as_offset(at: datetime, start: datetime) -> str:
    """Return an instant as an offset from the start: `1h 30m`, `-1d`, `0s`; exact to the microsecond."""
    elapsed = (at - start) // timedelta(microseconds=1)
    left, parts = abs(elapsed), []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    if left:
        parts.append(f"{left}µs")
    return ("-" if elapsed < 0 else "") + (" ".join(parts) or "0s")
