"""The bare ASGI handling of the hot routes: read a body, parse a form, answer, hang or reset."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote_plus

from starlette.types import Receive, Scope, Send

from engage.sandbox.errors import Reply

#: Scope extension under which the sandbox's own server lets an application cut the connection.
RESET_EXTENSION = "sandbox.reset"

DROPS = 8
"""In how many pieces a slow answer comes."""

Form = dict[str, list[str]]


async def read_body(receive: Receive) -> bytes:
    """Return the whole request body."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts = [body]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


def header(scope: Scope, name: bytes) -> str:
    """Return the value of a request header (lower-case `name`), or an empty text."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""


def parse_form(body: bytes) -> Form:
    """Return the fields of an URL-encoded form, blank values kept."""
    form: Form = {}
    if not body:
        return form
    for pair in body.decode("utf-8", "replace").split("&"):
        name, _, value = pair.partition("=")
        form.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return form


def one(form: Form, name: str) -> str:
    """Return the last value of a field, or an empty text."""
    values = form.get(name)
    return values[-1] if values else ""


def is_count(text: str) -> bool:
    """Return whether a field is a plain whole number of a size that means something."""
    return text.isascii() and text.isdigit() and len(text) < 10


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Return user and password of a Basic header, or None."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


async def answer(send: Send, reply: Reply) -> None:
    """Send a finished answer."""
    await _start(send, reply)
    await send({"type": "http.response.body", "body": reply.body})


async def _start(send: Send, reply: Reply) -> None:
    headers = [(b"content-length", str(len(reply.body)).encode())]
    if reply.body:
        headers.append((b"content-type", reply.content_type.encode()))
    headers += [(name.encode(), value.encode()) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})


def _long(reply: Reply) -> Reply:
    """Return an answer with a body to cut or to drip: JSON does not mind blanks."""
    return reply if reply.body else replace(reply, body=b" " * 16)


async def drip(send: Send, reply: Reply, seconds: float) -> None:
    """Send an answer in drops, so that no single wait is long."""
    reply = _long(reply)
    await _start(send, reply)
    size = max(1, len(reply.body) // DROPS)
    parts = [reply.body[at : at + size] for at in range(0, len(reply.body), size)]
    for number, part in enumerate(parts, 1):
        await asyncio.sleep(seconds / len(parts))
        await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})


async def cut_short(scope: Scope, receive: Receive, send: Send, reply: Reply) -> None:
    """Send the first half of an answer, then cut the connection."""
    reply = _long(reply)
    await _start(send, reply)
    half = reply.body[: len(reply.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await asyncio.sleep(0.02)  # else the cut overtakes what was sent
    await reset(scope, receive)


async def hang(scope: Scope, receive: Receive, seconds: float) -> None:
    """Say nothing until the client leaves or `seconds` have passed, then drop the connection."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        await reset(scope, receive)


async def reset(scope: Scope, receive: Receive) -> None:
    """Cut the connection without an answer.

    Raises:
        RuntimeError: the server is not the sandbox's own and offers no way to do so.
    """
    cut: Callable[[], None] | None = (scope.get("extensions") or {}).get(RESET_EXTENSION)
    if cut is None:
        raise RuntimeError(
            "faults that cut connections need the sandbox's own server; use `serve` or `running`"
        )
    cut()
    while (await receive())["type"] != "http.disconnect":
        pass
