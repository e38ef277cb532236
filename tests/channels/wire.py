"""A provider's wire for tests: a real HTTP server whose every answer, delay and breakage the test chooses."""

import contextlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qs


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True)

    @property
    def json(self) -> dict[str, object]:
        decoded = json.loads(self.body)
        assert isinstance(decoded, dict)
        return decoded


Behaviour = Callable[[socket.socket], bool]
"""Answers one request; returns whether to keep the connection."""


def reply(status: int, body: object = b"", *, headers: dict[str, str] | None = None) -> Behaviour:
    """Answer properly."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def act(sock: socket.socket) -> bool:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        return True

    return act


def raw(data: bytes) -> Behaviour:
    """Write exactly these bytes and close."""

    def act(sock: socket.socket) -> bool:
        sock.sendall(data)
        return False

    return act


def hang(seconds: float = 5.0) -> Behaviour:
    """Read the request and say nothing."""

    def act(sock: socket.socket) -> bool:
        sock.settimeout(seconds)
        with contextlib.suppress(OSError):
            sock.recv(1)
        return False

    return act


def drip(seconds: float = 5.0) -> Behaviour:
    """Answer one byte at a time, so that no single wait is long."""

    def act(sock: socket.socket) -> bool:
        sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                sock.sendall(b"x")
                time.sleep(0.02)
        except OSError:
            pass
        return False

    return act


def reset() -> Behaviour:
    """Take the request, then reset the connection."""

    def act(sock: socket.socket) -> bool:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return act


@dataclass
class Wire:
    """The server. Uses `answers` in order, then `usual`."""

    usual: Behaviour = field(
        default_factory=lambda: reply(404, {"code": 20404, "message": "?", "status": 404})
    )
    answers: deque[Behaviour] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> "Wire":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def drop_idle(self) -> None:
        """Close every open connection from our side, as a load balancer does."""
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock:
            try:
                while request := self._read(sock, number):
                    self.requests.append(request)
                    act = self.answers.popleft() if self.answers else self.usual
                    if not act(sock):
                        return
            except OSError:
                return

    @staticmethod
    def _read(sock: socket.socket, number: int) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = sock.recv(65536)
            if not chunk:
                return None
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += sock.recv(65536)
        method, target, _ = first.split(" ")
        return Request(method, target, headers, body, number)


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
