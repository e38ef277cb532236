"""Kept HTTP/1.1 connections to providers: one request, one answer, nothing ever repeated behind our back.

A connection per call costs 26–33 ms of CPU over TLS, a kept one 0.2 ms. What matters more here: the pool knows, and
says, whether a request can have reached the provider. Only then may the engine repeat it.
"""

import os
import select
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import httptools

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""No answer to a send is near this; a peer that streams for ever must not fill our memory."""
IDLE_SECONDS = 20.0
"""A connection unused for longer is not trusted: load balancers close idle ones after about a minute."""
_CHUNK = 65536


class NotSentError(Exception):
    """The provider cannot have got the request as a whole: repeating it is safe."""


class OutcomeUnknownError(Exception):
    """The request left and no complete answer came: the provider may or may not have acted on it."""


class Endpoint(NamedTuple):
    """Where a provider listens."""

    secure: bool
    host: str
    port: int
    prefix: str = ""
    """Put before every path."""

    @classmethod
    def parse(cls, base_url: str) -> "Endpoint":
        """Return the endpoint of `http(s)://host[:port][/prefix]`.

        Raises:
            ValueError: it is no such address.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("a provider's base URL is http(s)://host[:port]")
        secure = parts.scheme == "https"
        return cls(secure, parts.hostname, parts.port or (443 if secure else 80), parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """The value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A complete answer. Header names are in lower case; of a repeated header the last one is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Answer:
    """Collects what httptools reads; an interim (1xx) answer is not the answer."""

    __slots__ = ("body", "complete", "headers", "keep", "parser", "size")

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.size = 0
        self.complete = False
        self.keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.size += len(body)
        if self.size > MAX_ANSWER_BYTES:
            raise OverflowError
        self.body.append(body)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() < 200:
            self.headers, self.body = {}, []
            return
        self.complete = True
        # Only here does the parser still know.
        self.keep = self.parser.should_keep_alive()

    def reply(self) -> Reply:
        return Reply(status=self.parser.get_status_code(), headers=self.headers, body=b"".join(self.body))


class _Connection:
    """One socket to one endpoint, used by one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.pid = os.getpid()
        self.used_at = time.monotonic()
        self.fresh = True
        # A pool that is dropped takes its idle connections along; in a forked child this closes only the copy.
        weakref.finalize(self, sock.close).atexit = False

    def usable(self) -> bool:
        """Return whether the peer has, as far as we can know, not closed it: silence is what a live one offers."""
        if self.pid != os.getpid() or time.monotonic() - self.used_at > IDLE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def write(self, data: bytes, deadline: float) -> None:
        """Hand the whole request to the kernel.

        Raises:
            NotSentError: a part of it could not be handed over, so that the peer has no complete request.
        """
        view = memoryview(data)
        try:
            while view:
                self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
                view = view[self.sock.send(view) :]
        except OSError as exc:
            raise NotSentError(f"the request was cut off: {type(exc).__name__}") from exc

    def read(self, deadline: float) -> tuple[Reply, bool]:
        """Return the answer and whether the connection may be used again.

        Raises:
            OutcomeUnknownError: no complete answer by `deadline`.
        """
        answer = _Answer()
        try:
            while not answer.complete:
                self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
                data = self.sock.recv(_CHUNK)
                if not data:
                    return self._at_end(answer), False
                answer.parser.feed_data(data)
        except TimeoutError as exc:
            raise OutcomeUnknownError("no answer in time") from exc
        except OSError as exc:
            raise OutcomeUnknownError(f"the connection broke: {type(exc).__name__}") from exc
        except (httptools.HttpParserError, OverflowError) as exc:
            raise OutcomeUnknownError("the answer is not readable HTTP") from exc
        self.used_at = time.monotonic()
        return answer.reply(), answer.keep

    @staticmethod
    def _at_end(answer: _Answer) -> Reply:
        """The peer closed: that ends an answer without a length, and breaks every other."""
        framed = "content-length" in answer.headers or "transfer-encoding" in answer.headers
        if framed or not answer.headers:
            raise OutcomeUnknownError("the connection was closed before the answer was complete")
        return answer.reply()

    def close(self) -> None:
        self.sock.close()


class ConnectionPool:
    """Kept connections to any number of endpoints. Thread-safe; a fork starts with none of its parent's.

    Args:
        connect_timeout: seconds for name, TCP and TLS together.
        read_timeout: seconds for the whole of request and answer.
        max_idle: connections kept per endpoint while nobody uses them.
    """

    def __init__(self, *, connect_timeout: float, read_timeout: float, max_idle: int = 100) -> None:
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._max_idle = max_idle
        # The newest is taken first: few stay warm instead of many going stale. deque.append and pop are atomic.
        self._idle: dict[Endpoint, deque[_Connection]] = {}
        self._tls: ssl.SSLContext | None = None

    def call(
        self, endpoint: Endpoint, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Send one request and return its answer, whatever its status. Redirects are answers, not followed.

        Raises:
            NotSentError: it certainly did not reach the provider as a whole.
            OutcomeUnknownError: it may have.
        """
        head = [f"{method} {endpoint.prefix}{target} HTTP/1.1\r\nHost: {endpoint.authority}\r\n"]
        head += [f"{name}: {value}\r\n" for name, value in headers.items()]
        head.append(f"Content-Length: {len(body)}\r\n\r\n")
        text = "".join(head)
        if text.count("\n") != len(headers) + 4 or text.count("\r") != len(headers) + 4:
            raise NotSentError("a header or path holds a line break")
        data = text.encode("latin-1", "replace") + body

        connection = self._borrow(endpoint)
        deadline = time.monotonic() + self._read_timeout
        try:
            try:
                connection.write(data, deadline)
            except NotSentError:
                if connection.fresh:
                    raise
                # A kept connection that died before it took the request: the peer has nothing, a fresh one is safe.
                connection.close()
                connection = self._connect(endpoint)
                connection.write(data, deadline)
            reply, keep = connection.read(deadline)
        except BaseException:
            connection.close()
            raise
        self._give_back(endpoint, connection, keep=keep)
        return reply

    def close(self) -> None:
        """Close the idle connections; the pool stays usable."""
        for idle in list(self._idle.values()):
            while idle:
                idle.pop().close()

    def _borrow(self, endpoint: Endpoint) -> _Connection:
        idle = self._idle.get(endpoint)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:
                break
            if connection.usable():
                connection.fresh = False
                return connection
            connection.close()
        return self._connect(endpoint)

    def _give_back(self, endpoint: Endpoint, connection: _Connection, *, keep: bool) -> None:
        idle = self._idle.setdefault(endpoint, deque())
        if keep and len(idle) < self._max_idle:
            idle.append(connection)
        else:
            connection.close()

    def _connect(self, endpoint: Endpoint) -> _Connection:
        sock: socket.socket | None = None
        try:
            sock = socket.create_connection((endpoint.host, endpoint.port), self._connect_timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if endpoint.secure:
                if self._tls is None:
                    self._tls = ssl.create_default_context()
                sock = self._tls.wrap_socket(sock, server_hostname=endpoint.host)
        except OSError as exc:
            if sock is not None:
                sock.close()
            raise NotSentError(f"no connection: {type(exc).__name__}") from exc
        return _Connection(sock)
