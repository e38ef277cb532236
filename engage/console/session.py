"""Sessions: who looks, signed into a cookie; nothing is kept on the server but which ones were left."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

import msgspec

COOKIE = "engage_console"
LIFETIME = timedelta(hours=8)
MAX_COOKIE = 1_000
"""Characters; what is longer is not ours."""
_PURPOSE = b"engage console session 1"


class Session(msgspec.Struct, frozen=True, array_like=True):
    """Who looks, and until when."""

    holder: str
    until: int
    """Seconds since 1970, UTC."""
    mark: str = ""
    """What the holder had to show; a session ends when that changes."""
    nonce: str = ""
    """Tells it from others of its holder and second."""

    @property
    def id(self) -> bytes:
        """What names this session once it was left; opens nothing."""
        return sha256(msgspec.json.encode(self)).digest()


def cookie_in(header: str | None) -> str | None:
    """Return our cookie of a `Cookie` header; of several the first, which is the one nearest to our path.

    Not by the standard library: Python before 3.11.10 and 3.12.6 takes the square of a quoted cookie's length.
    """
    for part in (header or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None


def open_session(holder: str, now: datetime, secrets: Sequence[str], mark: str = "") -> str:
    """Return the cookie of a session that begins now and ends by itself, signed with the first secret.

    Raises:
        ValueError: there is no secret to sign with.
    """
    if not secrets:
        raise ValueError("a session cannot be signed without a secret key")
    payload = msgspec.json.encode(Session(holder, int((now + LIFETIME).timestamp()), mark, token_urlsafe(12)))
    return f"{_text(payload)}.{_text(_mac(secrets[0], payload))}"


def read_session(cookie: str | None, now: datetime, secrets: Sequence[str]) -> Session | None:
    """Return the session if one of `secrets` signed it and it is not over. Never raises; compares in constant time."""
    if not cookie or len(cookie) > MAX_COOKIE:
        return None
    body, _, signature = cookie.partition(".")
    try:
        payload, mac = _bytes(body), _bytes(signature)
    except ValueError:
        return None
    good = False
    for secret in secrets:
        good |= hmac.compare_digest(mac, _mac(secret, payload))
    if not good:
        return None
    try:
        session = msgspec.json.decode(payload, type=Session)
    except msgspec.DecodeError:
        return None
    return session if datetime.fromtimestamp(session.until, UTC) > now else None


def _mac(secret: str, payload: bytes) -> bytes:
    key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
    return hmac.digest(key, payload, "sha256")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
