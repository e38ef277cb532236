"""Asking: one HTTP request, written as text, put to an application as a server would put it."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from starlette.types import ASGIApp, Message

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
_NEVER = bytes([*range(9), *range(10, 32), 127])
"""No server lets these into a header."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: `METHOD /path?query`, a line a header, an empty line, the body."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def of(cls, data: bytes) -> "Asked":
        """Read a request; what no server lets through becomes something that one does."""
        head, _, body = data.partition(b"\n\n")
        first, *lines = head.split(b"\n")
        method, _, target = first.partition(b" ")
        path, _, query = target.partition(b"?")
        word = method.decode("ascii", "replace")
        pairs = [line.translate(None, _NEVER).partition(b":") for line in lines]
        headers = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
        return cls(
            word if word in METHODS else "GET", b"/" + _plain(path).lstrip(b"/"), _plain(query), headers, body
        )


def _plain(target: bytes) -> bytes:
    """Write out what no server lets into the address of a request."""
    return quote(target, safe=bytes(range(33, 127))).encode()


@dataclass(slots=True)
class Answered:
    """What came back."""

    status: int = 0
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


async def ask(app: ASGIApp, asked: Asked, extensions: dict[str, Any] | None = None) -> Answered:
    """Return what the application answers; whoever asked has left after the body. `extensions` are the server's.

    Raises:
        Exception: an accident, as the application raised it.
    """
    answered = Answered()
    heard = False

    async def receive() -> Message:
        nonlocal heard
        if heard:
            return {"type": "http.disconnect"}
        heard = True
        return {"type": "http.request", "body": asked.body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered.status, answered.headers = message["status"], list(message.get("headers", ()))
        else:
            answered.body += message.get("body", b"")

    await app({**_scope(asked), "extensions": extensions or {}}, receive, send)
    return answered


def _scope(asked: Asked) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "https",
        "method": asked.method,
        "path": unquote(asked.path.decode("latin-1")),
        "raw_path": asked.path,
        "query_string": asked.query,
        "root_path": "",
        "headers": asked.headers,
        "client": ("127.0.0.1", 1),
        "server": ("shop.example", 443),
    }
