"""Veil: what an address that was erased is known by — enough to keep its "no", not enough to reach anybody."""

import hmac
from hashlib import sha256
from uuid import UUID

PREFIX = "erased:"
NOBODY = str(UUID(int=0))
"""Stands for an erased person where something of ours must stand."""


def veiled(address: str, pepper: bytes) -> str:
    """Return the name under which the opt-outs and suppressions of an erased address go on."""
    return PREFIX + hmac.new(pepper, address.encode("utf-8", "replace"), sha256).hexdigest()


def just_before(profile: str) -> str:
    """Return the id before a profile's: whoever walks through people in order goes on from there as from the profile itself."""
    return str(UUID(int=UUID(profile).int - 1))
