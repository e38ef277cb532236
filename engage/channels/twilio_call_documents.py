"""What a call does next, carried in the URLs Twilio asks: sealed, so that no text of a call stands in a log.

A rendered call is one TwiML document. What depends on the pressed digit or on a machine answering stands in it as an
address `engage:gather?N.PAYLOAD` or `engage:answer?N.PAYLOAD`: the payload is URL-safe base64 of a zlib-compressed
JSON object that maps what may happen to the document to go on with:

    {"1": {"twiml": "<Response>…", "unsubscribe": true}, "otherwise": {"twiml": "<Response>…"}}

`engage:recording` is where Twilio tells of a recording. The channel replaces such an address by our webhook's and gives Twilio the payload encrypted. So a call needs nothing
from the database while it lasts.
"""

import base64
import hashlib
import re
import zlib
from binascii import Error as Base64Error
from collections.abc import Sequence

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from engage.channels.twilio_callbacks import callback_url
from engage.domain.ids import DeliveryId

MAX_TWIML = 4000
"""Characters of an inline document (Twilio, Calls resource); we ask no longer address of it either."""
MAX_DOCUMENT = 64 * 1024
"""Twilio's own limit for a fetched TwiML document; also bounds what a payload may unpack to."""

_ADDRESS = re.compile(r"engage:(gather|answer|recording)(?:\?(\d{1,4})\.([A-Za-z0-9_-]+))?")
_PATHS = {"gather": "twilio/gather", "answer": "twilio/voice", "recording": "twilio/recording"}
_ONLY_ANSWER = re.compile(
    r"(?:<\?xml[^>]*\?>)?\s*<Response><Redirect>(engage:answer\?\d{1,4}\.[A-Za-z0-9_-]+)</Redirect></Response>\s*\Z"
)


class Turn(msgspec.Struct, frozen=True):
    """One way a call may go on."""

    twiml: str
    unsubscribe: bool = False
    """Choosing it is a "no" to further calls."""


_turns = msgspec.json.Decoder(dict[str, Turn])


class CallDocuments:
    """Turns the addresses of a document into our webhooks' URLs, and the sealed payloads back into turns."""

    def __init__(self, tokens: Sequence[str], public_url: str) -> None:
        self._public_url = public_url
        # Keys follow the auth tokens, so that a call under way survives a rotation as long as both are accepted.
        keys = [
            hashlib.sha256(b"engage call documents\0" + token.encode()).digest() for token in tokens if token
        ]
        self._seal = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])

    def with_urls(self, twiml: str, delivery: DeliveryId, lane: int) -> str:
        """Return the document with real URLs in it, escaped for XML."""

        def url(match: re.Match[str]) -> str:
            return self._url(match, delivery, lane).replace("&", "&amp;")

        return _ADDRESS.sub(url, twiml)

    def answer_url(self, twiml: str, delivery: DeliveryId, lane: int) -> str | None:
        """Return the URL Twilio must fetch the document from, if it depends on who answers."""
        only = _ONLY_ANSWER.match(twiml)
        address = _ADDRESS.match(only[1]) if only else None
        return self._url(address, delivery, lane) if address else None

    def turns(self, sealed: str) -> dict[str, Turn]:
        """Return the turns in a URL's `then`; none if it is not ours. Never raises."""
        try:
            packed = self._seal.decrypt(sealed.encode("ascii"))
            unpacker = zlib.decompressobj()
            return _turns.decode(unpacker.decompress(packed, MAX_DOCUMENT))
        except (InvalidToken, UnicodeEncodeError, zlib.error, msgspec.DecodeError):
            return {}

    def _url(self, address: re.Match[str], delivery: DeliveryId, lane: int) -> str:
        kind, number, payload = address.groups()
        path = _PATHS[kind]
        more = "" if payload is None else f"&n={number}&then={self._sealed(payload)}"
        return callback_url(self._public_url, path, delivery, lane, more)

    def _sealed(self, payload: str) -> str:
        try:
            packed = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        except (Base64Error, ValueError):
            packed = b""
        return self._seal.encrypt(packed).decode("ascii")
