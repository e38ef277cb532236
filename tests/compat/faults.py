"""A wire that goes wrong on purpose, between a client and the API: it answers in the API's place, or lets connections break."""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from tests.serving import serving

PATIENCE = 30.0


class Fault(StrEnum):
    """What happens to one request."""

    NONE = "none"
    TOO_MANY = "429"
    ERROR = "500"
    AWAY = "503"
    DROPPED = "dropped before the API saw it"
    UNANSWERED = "taken, and the answer is lost"
    CUT = "taken, and half of the answer is lost"
    KILLED = "the API dies while it has the request"


_ANSWERS = {
    Fault.TOO_MANY: b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n",
    Fault.ERROR: b"HTTP/1.1 500 Internal Server Error\r\n",
    Fault.AWAY: b"HTTP/1.1 503 Service Unavailable\r\n",
}
_BODY = b'{"code":"injected","message":"a fault of the wire","details":{}}'
_REST = (
    b"Content-Type: application/json\r\nAccess-Control-Allow-Origin: *\r\n"
    b"Access-Control-Expose-Headers: retry-after\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
    % (len(_BODY), _BODY)
)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections break here all the time."""


class FaultyWire:
    """The address that clients know; the n-th POST meets the n-th fault, later ones none; other methods pass."""

    def __init__(
        self, url: str, upstream: tuple[str, int], faults: Sequence[Fault], kill: Callable[[], object]
    ) -> None:
        """Listen at `url` and pass on to `upstream`; `kill` kills whoever answers there."""
        self._upstream, self._kill = upstream, kill
        self._faults = iter(faults)
        self._lock = threading.Lock()
        self.met: list[Fault] = []
        self.paths: list[tuple[str, str]] = []
        self.types: set[str] = set()
        wire = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire._handle(self.request)

        self.url = url
        self._server = _Server(("127.0.0.1", urlsplit(url).port or 80), Handler)

    @contextmanager
    def open(self) -> Iterator["FaultyWire"]:
        """Listen for as long as the block runs."""
        with serving(self._server):
            yield self

    def _handle(self, client: socket.socket) -> None:
        client.settimeout(PATIENCE)
        request = _read_request(client)
        if request is None:
            return
        head, body = request
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        with self._lock:
            fault = next(self._faults, Fault.NONE) if method == "POST" else Fault.NONE
            self.paths.append((method, path))
            if method == "POST":
                self.met.append(fault)
                self.types.add(_header(head, b"content-type"))
        if fault in _ANSWERS:
            client.sendall(_ANSWERS[fault] + _REST)
        elif fault is Fault.DROPPED:
            _reset(client)
        else:
            self._pass_on(client, _closing(head) + body, fault)

    def _pass_on(self, client: socket.socket, request: bytes, fault: Fault) -> None:
        answer = b""
        with suppress(OSError), socket.create_connection(self._upstream, PATIENCE) as upstream:
            upstream.sendall(request)
            if fault is Fault.KILLED:
                self._kill()
            while chunk := upstream.recv(65536):
                answer += chunk
        if fault in (Fault.UNANSWERED, Fault.KILLED) or not answer:
            _reset(client)
        elif fault is Fault.CUT:
            client.sendall(answer[:-8])
            _reset(client)
        else:
            client.sendall(answer)


def _read_request(client: socket.socket) -> tuple[bytes, bytes] | None:
    """Return the head and the body of one request; every client here says how long its body is."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = client.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    missing = int(_header(head, b"content-length") or 0) - len(body)
    while missing > 0:
        chunk = client.recv(min(65536, missing))
        if not chunk:
            return None
        body += chunk
        missing -= len(chunk)
    return head, body


def _header(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().decode("latin-1")
    return ""


def _closing(head: bytes) -> bytes:
    """Ask for an answer that ends with its connection: what ends is complete."""
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


def _reset(client: socket.socket) -> None:
    """Break the connection as a dying machine does: with a reset, not a farewell."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
