"""Calls of `webhook` steps: signed, bounded in time and size, never followed elsewhere, never into the own network.

A journey's address may come from data, so every address a name resolves to is judged before the connection is made,
and the connection is made to the very address that was judged.
"""

import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from threading import Timer
from time import monotonic, time
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from engage.channels.retry_after import retry_after
from engage.domain.delivery.delivery import FailReason
from engage.domain.journey.walk import SECRET_MARKS
from engage.domain.links.signing import SIGNATURE, signature
from engage.domain.profile.sensitive import MASK
from engage.ports.channel import (
    Accepted,
    Answer,
    Busy,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    WebhookContent,
)

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read; the rest is left."""
LEAST_SECRET = 6
"""Characters; a shorter one stands in many a text by chance."""
DEFAULT_TIMEOUT = 10.0
"""Seconds for a whole call."""
_MARKED = re.compile(f"{SECRET_MARKS[0]}([^{SECRET_MARKS[1]}]*){SECRET_MARKS[1]}")
_BREAKS = re.compile(r"[\r\n\0]+")
_OWN_HEADERS = frozenset({"host", "content-length", "connection", "transfer-encoding", SIGNATURE.lower()})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class ForbiddenAddressError(Exception):
    """A URL that may not be called."""


class WebhookCalls:
    """Implements `ports.channel.Sender` for calls of `webhook` steps. Thread-safe; every call is a connection."""

    provider = "webhook"

    def __init__(self, keys: tuple[str, ...], secrets: Mapping[str, str]) -> None:
        """The first key signs; `secrets` are what `secret('NAME')` gives."""
        self._key = keys[0].encode() if keys else b""
        self._secrets = secrets

    def send(self, outbound: Outbound) -> Answer:
        """Make one call. Nothing that the other side does raises."""
        content = outbound.content
        assert isinstance(content, WebhookContent)  # what the engine makes for this channel
        body, kind = self._body(content)
        try:
            address = _judged(content)
            status, headers, answer = _request(
                content, address, body, self._headers(outbound, content, body, kind)
            )
        except ForbiddenAddressError as exc:
            return Rejected(reason=FailReason.CONFIG, code="forbidden_address", detail=str(exc))
        except TimeoutError:
            return Busy(code="timeout", detail="no answer in time; repeating is safe by contract")
        except (OSError, http.client.HTTPException, ValueError) as exc:
            return Busy(code="connection", detail=type(exc).__name__)
        told = _without(self._used(content), _read(answer, headers.get("content-type", "")))
        return answer_of(status, told, retry_after(headers))

    def ask(self, question: Question) -> NotTaken:
        """Say that it may be called again: the same key tells the other side that it is the same call."""
        del question
        return NotTaken()

    def _body(self, content: WebhookContent) -> tuple[bytes, str]:
        body = self._with_secrets(content.body, content.secrets)
        match body:
            case None:
                return b"", ""
            case str():
                return body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
            case _:
                return _encoder.encode(body), "application/json"

    def _headers(self, outbound: Outbound, content: WebhookContent, body: bytes, kind: str) -> dict[str, str]:
        said = self._with_secrets(dict(content.headers), content.secrets)
        headers = {
            _BREAKS.sub(" ", name): _BREAKS.sub(" ", str(value))
            for name, value in said.items()
            if name.lower() not in _OWN_HEADERS
        }
        named = {name.lower() for name in headers}
        if kind and "content-type" not in named:
            headers["Content-Type"] = kind
        if "user-agent" not in named:
            headers["User-Agent"] = "engage"
        headers["Idempotency-Key"] = str(outbound.delivery)
        headers[SIGNATURE] = signature(self._key, int(time()), body)
        return headers

    def _used(self, content: WebhookContent) -> list[str]:
        """Return the secrets that the other side was told, the longest first, apart from what may stand in any text."""
        told = {self._secrets[name] for name in content.secrets if name in self._secrets}
        return sorted((secret for secret in told if len(secret) >= LEAST_SECRET), key=len, reverse=True)

    def _with_secrets(self, data: Any, allowed: frozenset[str]) -> Any:
        """Put secrets where their names stand; a name that the step itself does not write stays a name."""
        match data:
            case str():
                return _MARKED.sub(
                    lambda found: self._secrets.get(found[1], "") if found[1] in allowed else "", data
                )
            case dict():
                return {key: self._with_secrets(value, allowed) for key, value in data.items()}
            case list():
                return [self._with_secrets(value, allowed) for value in data]
            case _:
                return data


def answer_of(status: int, body: Any, wait: Any = None) -> Answer:
    """Return what an answer means: 2xx is taken, 429 and 5xx are asked again, everything else is final."""
    told = {"status": status, "body": body}
    if 200 <= status < 300:
        return Accepted(provider_id="", answer=told)
    if status in (408, 425, 429) or status >= 500:
        return Busy(retry_after=wait, code=str(status), answer=told)
    return Rejected(reason=FailReason.PROVIDER_ERROR, code=str(status), answer=told)


def _judged(content: WebhookContent) -> tuple[SplitResult, str, int]:
    """Return a URL with the one address to connect to.

    Raises:
        ForbiddenAddressError: it is none that may be called.
        OSError: its name does not resolve.
    """
    try:
        url = urlsplit(content.url)
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError as exc:
        raise ForbiddenAddressError("not a URL") from exc
    host = url.hostname
    if url.scheme not in ("http", "https") or not host or "@" in url.netloc or _BREAKS.search(content.url):
        raise ForbiddenAddressError("not a plain http(s) URL")
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if host not in content.allow and not all(is_public(address) for address in found):
        raise ForbiddenAddressError(f"{host} is an address of a private network")
    return url, found[0], port


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public Internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
        if (
            ip.is_reserved or ip.is_site_local
        ):  # addresses of yore, and translators' own: some routers still lead them home
            return False
    return ip.is_global and not ip.is_multicast


class _Connection(http.client.HTTPConnection):
    """A connection to the address that was judged, whatever the name resolves to meanwhile."""

    def __init__(self, url: SplitResult, address: str, port: int, timeout: float) -> None:
        super().__init__(url.hostname or "", port, timeout=timeout)
        self._address, self._secure = address, url.scheme == "https"
        self._kept: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the address; a certificate must be the name's."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        else:
            self.sock = plain
        self._kept = self.sock

    def cut(self) -> None:
        """Break the connection off, from another thread."""
        if self._kept is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._kept, socket.SHUT_RDWR)


def _request(
    content: WebhookContent, judged: tuple[SplitResult, str, int], body: bytes, headers: Mapping[str, str]
) -> tuple[int, dict[str, str], bytes]:
    url, address, port = judged
    timeout = DEFAULT_TIMEOUT if content.timeout is None else content.timeout.total_seconds()
    until = monotonic() + timeout
    connection = _Connection(url, address, port, timeout)
    # A slow answer, byte by byte, keeps every single read in time: the whole call has an end too.
    watchdog = Timer(timeout, connection.cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request(content.method, target, body=body or None, headers=dict(headers))
        response = connection.getresponse()
        read = response.read(MAX_ANSWER)
        if monotonic() >= until:
            raise TimeoutError
        return response.status, {name.lower(): value for name, value in response.getheaders()}, read
    except (OSError, http.client.HTTPException, ValueError) as exc:
        if monotonic() >= until:
            raise TimeoutError from exc
        raise
    finally:
        watchdog.cancel()
        connection.close()


def _read(answer: bytes, kind: str) -> Any:
    """Return the body of an answer as JSON where it is, else as text; nothing in it can hurt who keeps it."""
    if "json" in kind.lower():
        try:
            return _tame(_decoder.decode(answer))
        except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError):
            pass
    return _tame(answer.decode("utf-8", "replace")) if answer else None


def _without(secrets: list[str], value: Any) -> Any:
    """Cover secrets in what is kept: "the key … is not valid" is a usual answer."""
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, MASK)
            return value
        case dict():
            return {_without(secrets, key): _without(secrets, item) for key, item in value.items()}
        case list():
            return [_without(secrets, item) for item in value]
        case _:
            return value


def _tame(value: Any) -> Any:
    """Take out what a database refuses: NUL, and numbers beyond reason."""
    match value:
        case str():
            return value.replace("\0", "")
        case Decimal():
            return value if -300 < value.adjusted() < 300 else str(value)
        case bool():
            return value
        case int():
            return value if abs(value) < 10**300 else str(value)[:400]
        case dict():
            return {_tame(key): _tame(item) for key, item in value.items()}
        case list():
            return [_tame(item) for item in value]
        case _:
            return value
