"""A small HTTP/1.1 client with kept connections: a callback costs some 50 µs, a general client about ten times that."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import httptools

# An answer beyond this is cut off; TwiML is at most 64 kB.
LARGEST_ANSWER = 1_000_000
IDLE_CONNECTIONS = 64
"""Kept for an origin."""
ORIGINS = 16
"""For so many connections are kept; who was called longest ago is the first whose are closed."""


class ConnectError(Exception):
    """No connection came about in time; the request never left."""


class ReadError(Exception):
    """The connection broke or stayed silent after the request left."""


class _StaleError(ReadError):
    """A kept connection turned out to be closed by the peer before it took the request."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str
    location: str = ""


class _Connection(asyncio.Protocol):
    """One connection; carries one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.waiter: asyncio.Future[Answer] | None = None
        self._exchanges = 0
        self._heard = False
        self._parser: Any = None
        self._body: list[bytes] = []
        self._size = 0
        self._content_type = ""
        self._location = ""
        self.reusable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream connection hands over a Transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        stale = self._exchanges > 1 and not self._heard
        self.fail(_StaleError() if stale else ReadError("the connection was closed"))

    def send(self, data: bytes) -> asyncio.Future[Answer]:
        assert self.transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._size, self._content_type, self._location = [], 0, "", ""
        self._exchanges, self._heard = self._exchanges + 1, False
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self.waiter

    def data_received(self, data: bytes) -> None:
        if self.waiter is None:
            self.close()
            return
        self._heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self.fail(ReadError(f"not HTTP: {exc}"))
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered == b"content-type":
            self._content_type = value.decode("latin-1")
        elif lowered == b"location":
            self._location = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        if self._size < LARGEST_ANSWER:
            self._body.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        self.reusable = self.reusable and self._parser.should_keep_alive()
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(Answer(status, b"".join(self._body), self._content_type, self._location))

    def fail(self, error: Exception) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def close(self) -> None:
        self.reusable = False
        if self.transport is not None:
            self.transport.close()


class HttpClient:
    """Sends requests over kept connections, one pool per origin; never follows a redirect, never repeats by itself."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}
        """Those last called last."""
        self._tls: ssl.SSLContext | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: str = "",
        body: bytes = b"",
        connect_seconds: float = 5.0,
        read_seconds: float = 15.0,
    ) -> Answer:
        """Send one request; `headers` are ready lines, each ending in CRLF.

        Raises:
            ConnectError: nothing was sent.
            ReadError: the request left, an answer did not come.
        """
        parts = urlsplit(url)
        origin = _origin(parts)
        data = _head(method, parts, headers, len(body)) + body
        kept = self._take(origin)
        if kept is not None:
            try:
                return await self._exchange(origin, kept, data, read_seconds)
            except _StaleError:
                pass
        fresh = await self._open(origin, connect_seconds)
        return await self._exchange(origin, fresh, data, read_seconds)

    async def _exchange(
        self, origin: tuple[str, str, int], connection: _Connection, data: bytes, read_seconds: float
    ) -> Answer:
        loop = asyncio.get_running_loop()
        answer = connection.send(data)
        timer = loop.call_later(read_seconds, _expire, connection)
        try:
            result = await answer
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            timer.cancel()
        self._keep(origin, connection)
        return result

    def _keep(self, origin: tuple[str, str, int], connection: _Connection) -> None:
        idle = [kept for kept in self._idle.pop(origin, ()) if kept.reusable]
        if connection.reusable and len(idle) < IDLE_CONNECTIONS:
            idle.append(connection)
        else:
            connection.close()
        self._idle[origin] = idle
        if len(self._idle) > ORIGINS:
            for kept in self._idle.pop(next(iter(self._idle))):
                kept.close()

    def _take(self, origin: tuple[str, str, int]) -> _Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.reusable and connection.transport and not connection.transport.is_closing():
                return connection
        return None

    async def _open(self, origin: tuple[str, str, int], seconds: float) -> _Connection:
        scheme, host, port = origin
        if scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                _, connection = await loop.create_connection(
                    _Connection, host, port, ssl=self._tls if scheme == "https" else None
                )
        except (OSError, TimeoutError, ValueError) as exc:  # the last: no name of a host is like that
            raise ConnectError(str(exc) or "timed out") from exc
        return connection

    def close(self) -> None:
        """Close all idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()


def _expire(connection: _Connection) -> None:
    connection.fail(ReadError("no answer in time"))
    connection.close()


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    try:
        port = parts.port
    except ValueError as exc:
        raise ConnectError(f"bad port: {exc}") from exc
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ConnectError(f"not an http(s) URL: scheme {parts.scheme!r}")
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _head(method: str, parts: SplitResult, headers: str, length: int) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    lines = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n{headers}"
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines += f"Authorization: Basic {base64.b64encode(user.encode()).decode()}\r\n"
    if method != "GET":
        lines += f"Content-Length: {length}\r\n"
    return (lines + "\r\n").encode("latin-1", "replace")
