"""Calls in Segment's shapes over HTTP: to a signed webhook of the project's, or to whatever speaks Segment's API.

`https://crm.example/hooks/engage` is a webhook: the batch is posted there, signed as the calls of `webhook` steps are.
`https://WRITE_KEY@api.segment.io` names a write key: the batch is posted to `/v1/batch` below it, with that key.
"""

import base64
import http.client
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import time
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import msgspec

from engage.domain.delivery.delivery import FailReason
from engage.domain.fact import Json
from engage.domain.links.signing import SIGNATURE, signature
from engage.ports.channel import Accepted, Answer, Busy, Rejected

TIMEOUT_SECONDS = 15.0
MAX_ANSWER = 64 * 1024
LONGEST_WAIT = timedelta(hours=1)
"""Whoever asks for more is asked again all the same."""
_SECONDS = re.compile(r"[0-9]{1,9}")
_encode = msgspec.json.Encoder(decimal_format="number").encode


class UnusableAddressError(ValueError):
    """The address of a destination is none; the text says what to write."""


class SegmentHttp:
    """Implements `ports.destination.Destination`. Every request has a connection of its own: there are few of them."""

    provider: ClassVar[str] = "destination"

    def __init__(self, name: str, address: str, keys: tuple[str, ...]) -> None:
        """Tell `address`; the first of `keys` signs what goes to a webhook.

        Raises:
            UnusableAddressError: the address is no http(s) URL.
        """
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UnusableAddressError(
                f"the destination `{name}` needs an http(s) URL: `https://crm.example/hook`, "
                "or `https://WRITE_KEY@host` for what speaks Segment's API"
            )
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._write_key = unquote(parts.username) if parts.username else None
        path = parts.path.rstrip("/") + "/v1/batch" if self._write_key else parts.path or "/"
        self._path = f"{path}?{parts.query}" if parts.query else path
        self._key = keys[0].encode() if keys else b""

    def take(self, calls: Sequence[Json], key: str) -> Answer:
        """Post one batch."""
        body = _encode({"batch": calls})
        connection = self._connection()
        try:
            connection.request("POST", self._path, body, self._headers(body, key))
            answer = connection.getresponse()
            answer.read(MAX_ANSWER)
        except TimeoutError:
            return Busy(code="timeout", detail="no answer in time; every call carries its own id")
        except (OSError, http.client.HTTPException) as exc:
            return Busy(code="connection", detail=type(exc).__name__)
        finally:
            connection.close()
        return _meaning(answer.status, answer.getheader("Retry-After"))

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_SECONDS, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)

    def _headers(self, body: bytes, key: str) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "engage", "Idempotency-Key": key}
        if self._write_key is not None:
            token = base64.b64encode(f"{self._write_key}:".encode()).decode()
            return {**headers, "Authorization": f"Basic {token}"}
        return {**headers, SIGNATURE: signature(self._key, int(time()), body)}


def _meaning(status: int, retry_after: str | None) -> Answer:
    """2xx is taken; what asks for patience is asked again; everything else is final."""
    if 200 <= status < 300:
        return Accepted(provider_id="", answer={"status": status, "body": None})
    if status in (408, 425, 429) or status >= 500:
        asked = _SECONDS.fullmatch(retry_after or "")
        wait = min(timedelta(seconds=int(asked[0])), LONGEST_WAIT) if asked else None
        return Busy(code=str(status), retry_after=wait)
    return Rejected(reason=FailReason.PROVIDER_ERROR, code=str(status))
