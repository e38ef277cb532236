"""Passwords: hashed with scrypt and a salt each; how a hash was made stands in it, so that the cost can grow."""

import hmac
import os
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import scrypt, sha256

LEAST = 12
"""Characters of a password somebody chooses."""
MOST = 1_000
"""Characters; more is no password, and hashing costs."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess costs: `2 ** log_n * r * 128` bytes of memory, `p` times over."""

    log_n: int = 15
    r: int = 8
    p: int = 3
    # OWASP's password storage cheat sheet: N=2^15, r=8, p=3 is 32 MB and about a quarter of a second.


def generated() -> str:
    """Return a password nobody chose: 128 random bits."""
    return secrets.token_urlsafe(16)


def hashed(password: str, cost: Cost | None = None) -> str:
    """Return the hash to store. The same password gives another one each time."""
    cost, salt = cost or Cost(), os.urandom(16)
    parts = (cost.log_n, cost.r, cost.p, _text(salt), _text(_derived(password, salt, cost)))
    return "scrypt$" + "$".join(map(str, parts))


def matches(password: str, stored: str) -> bool:
    """Return whether this is the password. Compares in constant time; takes as long as hashing."""
    _, log_n, r, p, salt, digest = stored.split("$")
    derived = _derived(password, b64decode(salt), Cost(int(log_n), int(r), int(p)))
    return hmac.compare_digest(derived, b64decode(digest))


def _derived(password: str, salt: bytes, cost: Cost) -> bytes:
    n = 2**cost.log_n
    return scrypt(
        # HMAC, below it, fills a key up with zeros: without a digest "" and "\\0" would be one password.
        sha256(password.encode("utf-8", "replace")).digest(),
        salt=salt,
        n=n,
        r=cost.r,
        p=cost.p,
        maxmem=256 * n * cost.r,
        dklen=32,
    )


def _text(data: bytes) -> str:
    return b64encode(data).decode()
