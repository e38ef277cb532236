"""Tokens in the links we hand out: what the link is about, signed, so that nobody can make one up or change it."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from engage.domain.ids import DeliveryId, ProfileId

VERSION = 1
MAX_TOKEN = 3_000
"""Characters. A link target has at most 2,000; what is longer is not ours."""
MAC_BYTES = 16
"""128 bits of HMAC-SHA-256: nobody guesses them, and a text message with a link stays short."""
_PURPOSE = b"engage link token 1"


class Preferences(msgspec.Struct, frozen=True, array_like=True, tag="u", kw_only=True):
    """`/u/`: this address may say no, or change what it gets. Lives as long as our keys: an unsubscribe link never expires."""

    channel: str
    address: str
    topic: str | None = None
    """What one click leaves; none: the whole channel."""
    profile: ProfileId | None = None
    delivery: DeliveryId | None = None


class Confirm(msgspec.Struct, frozen=True, array_like=True, tag="c", kw_only=True):
    """`/c/`: this address confirms that it wants a topic."""

    channel: str
    address: str
    topic: str
    profile: ProfileId | None = None
    delivery: DeliveryId | None = None


class TrackedLink(msgspec.Struct, frozen=True, array_like=True, tag="l", kw_only=True):
    """`/l/`: a link in a message; it leads nowhere but to `url`."""

    delivery: DeliveryId
    lane: int
    url: str
    link_id: str | None = None


class Opened(msgspec.Struct, frozen=True, array_like=True, tag="o", kw_only=True):
    """`/o/`: the picture that says a mail was opened."""

    delivery: DeliveryId
    lane: int


class Viewed(msgspec.Struct, frozen=True, array_like=True, tag="v", kw_only=True):
    """`/v/`: a message as a page."""

    delivery: DeliveryId


LinkToken = Preferences | Confirm | TrackedLink | Opened | Viewed
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[LinkToken] = msgspec.msgpack.Decoder(LinkToken)


def make_token(token: LinkToken, secrets: Sequence[str]) -> str:
    """Return the token as text for a URL, signed with the first secret. The same token always gives the same text.

    Raises:
        ValueError: there is no secret, or the token is longer than `MAX_TOKEN`.
    """
    if not secrets:
        raise ValueError("a link cannot be signed without a secret key")
    payload = bytes([VERSION]) + _encoder.encode(token)
    text = urlsafe_b64encode(_mac(secrets[0], payload) + payload).rstrip(b"=").decode()
    if len(text) > MAX_TOKEN:
        raise ValueError(f"a link token has at most {MAX_TOKEN} characters")
    return text


def read_token(text: str, secrets: Sequence[str]) -> LinkToken | None:
    """Return what a token says if any of `secrets` signed it, else None. Never raises; compares in constant time."""
    if not text or len(text) > MAX_TOKEN:
        return None
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, UnicodeEncodeError):
        return None
    mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
    good = False
    for secret in secrets:
        good |= hmac.compare_digest(mac, _mac(secret, payload))
    if not good or payload[:1] != bytes([VERSION]):
        return None
    try:
        return _decoder.decode(payload[1:])
    except msgspec.DecodeError:
        return None


def _mac(secret: str, payload: bytes) -> bytes:
    return hmac.digest(_key(secret), payload, "sha256")[:MAC_BYTES]


@lru_cache(maxsize=16)
def _key(secret: str) -> bytes:
    # Derived, so that the same secret may serve other purposes without one signature passing for another.
    return hashlib.blake2b(_PURPOSE, key=hashlib.sha256(secret.encode()).digest()).digest()
