"""What a call does next, carried in the URLs Twilio asks: sealed, so that no text of a call stands in a log.

A rendered call carries what may happen in it in addresses of ours (`engage.ports.call_turns`). The channel replaces such
an address by our webhook's and gives Twilio the payload encrypted; `engage:recording` is where Twilio tells of a
recording. So a call needs nothing from the database while it lasts.
"""

import base64
import hashlib
import re
from binascii import Error as Base64Error
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from engage.channels.twilio_callbacks import callback_url
from engage.domain.ids import DeliveryId
from engage.ports.call_turns import (
    ADDRESS,
    HUMAN,
    MACHINE,
    Turn,
    answer_address,
    answer_document,
    unpack_bytes,
)

MAX_TWIML = 4000
"""Characters of an inline document (Twilio, Calls resource); we ask no longer address of it either."""

_PATHS = {"gather": "twilio/gather", "answer": "twilio/voice", "recording": "twilio/recording"}


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

        return ADDRESS.sub(url, twiml)

    def answer_url(self, twiml: str, delivery: DeliveryId, lane: int) -> str | None:
        """Return the URL Twilio must fetch the document from, if it depends on who answers."""
        only = answer_address(twiml)
        address = ADDRESS.match(only) if only else None
        return self._url(address, delivery, lane) if address else None

    def fetched(self, twiml: str, delivery: DeliveryId, lane: int) -> str:
        """Return the URL Twilio can fetch this document from, whoever answers."""
        turn = Turn(twiml)
        url = self.answer_url(answer_document({HUMAN: turn, MACHINE: turn}), delivery, lane)
        assert url is not None
        return url

    def turns(self, sealed: str) -> dict[str, Turn]:
        """Return the turns in a URL's `then`; none if it is not ours. Never raises."""
        try:
            return unpack_bytes(self._seal.decrypt(sealed.encode("ascii")))
        except (InvalidToken, UnicodeEncodeError):
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
