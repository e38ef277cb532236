"""Signing: how another system knows that a call is ours."""

import hmac
from hashlib import sha256

SIGNATURE = "Engage-Signature"
"""The header."""


def signature(key: bytes, timestamp: int, body: bytes) -> str:
    """Return what signs a call: `t=<Unix seconds>,v1=<HMAC-SHA256 of "t.body", in hex>`."""
    digest = hmac.new(key, f"{timestamp}.".encode() + body, sha256).hexdigest()
    return f"t={timestamp},v1={digest}"
