"""Veil: what an address that was erased is known by — enough to keep its "no", not enough to reach anybody."""

import hmac
from hashlib import sha256

PREFIX = "erased:"


def veiled(address: str, pepper: bytes) -> str:
    """Return the name under which the opt-outs and suppressions of an erased address go on."""
    return PREFIX + hmac.new(pepper, address.encode("utf-8", "replace"), sha256).hexdigest()
