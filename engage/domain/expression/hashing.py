"""Chance that can be repeated: the same person, the same salt, the same share."""

from __future__ import annotations

from decimal import Context, Decimal
from hashlib import sha256

BUCKETS = 100
_EXACT = Context(prec=80)  # a 64-bit number over 2^64 has at most 64 places
_RANGE = Decimal(2**64)


def bucket(salt: str, key: str) -> int:
    """Return a number from 0 to 99 for this salt and key; stable for ever, evenly spread."""
    return _hash(salt, key) % BUCKETS


def split_fraction(salt: str, key: str) -> Decimal:
    """Return the exact fraction in [0, 1) of this salt and key, from the same hash as `bucket`."""
    return _EXACT.divide(Decimal(_hash(salt, key)), _RANGE)


def _hash(salt: str, key: str) -> int:
    return int.from_bytes(sha256(f"{salt}:{key}".encode("utf-8", "surrogatepass")).digest()[:8], "big")
