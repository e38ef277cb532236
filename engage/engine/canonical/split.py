"""Taking a request's body apart into items, so that one that cannot be read never takes its neighbours with it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from engage.domain.errors import EngageError
from engage.domain.json_text import mended

MAX_BODY = 500 * 1024
"""Bytes of a body, unzipped (ingest.md, 4). Segment's clients stop at 475,000 and 480 KiB, so KB is read as KiB."""
MAX_EVENTS = 2_500

# The closing quote may be missing: a text that never ends is one token, and not looked for again from each of its quotes.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{},:]', re.DOTALL)


class MalformedBodyError(EngageError):
    """The body is not JSON, or not a batch at all: nothing in it can be kept."""


class TooManyEventsError(EngageError):
    """The batch holds more than `MAX_EVENTS` items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A batch taken apart. Parts around the items that cannot be read are as if absent."""

    items: tuple[bytes, ...]
    write_key: str | None = None
    sent_at: object = None
    context: bytes = b"null"
    integrations: bytes = b"null"
    """JSON, not looked at yet."""


class _Batch(msgspec.Struct):
    batch: list[msgspec.Raw]
    writeKey: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815  # as it stands on the wire
    sentAt: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815
    context: msgspec.Raw = msgspec.Raw(b"null")
    integrations: msgspec.Raw = msgspec.Raw(b"null")


_batch = msgspec.json.Decoder(_Batch)
_any = msgspec.json.Decoder()


def open_batch(body: bytes) -> Envelope:
    """Take a batch apart.

    Raises:
        MalformedBodyError: it is not JSON, or has no list `batch`.
        TooManyEventsError: there are more than `MAX_EVENTS` items.
    """
    body = mended(body)
    try:
        parts = _batch.decode(body)
    except RecursionError:
        return _open_slowly(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise MalformedBodyError(str(exc)) from exc
    if len(parts.batch) > MAX_EVENTS:
        raise TooManyEventsError(f"a batch holds at most {MAX_EVENTS} events, this one {len(parts.batch)}")
    return Envelope(
        items=tuple(bytes(item) for item in parts.batch),
        write_key=_text(_value(parts.writeKey)),
        sent_at=_value(parts.sentAt),
        context=bytes(parts.context),
        integrations=bytes(parts.integrations),
    )


def write_key_of(body: bytes) -> str | None:
    """Return the `writeKey` of a single call that could not be read as a whole (bad text, nested too deeply)."""
    key = None
    for name, value in _members(body):
        if name == b'"writeKey"':
            key = _text(_value(value))
    return key


def _open_slowly(body: bytes) -> Envelope:
    """Take apart a batch in which some item is nested so deeply that no parser goes down; the others are fine."""
    parts = dict(_members(body))
    batch = parts.get(b'"batch"', b"").strip()
    if not batch.startswith(b"["):
        raise MalformedBodyError("the body has no list `batch`")
    items = tuple(item for _, item in _members(batch))
    if len(items) > MAX_EVENTS:
        raise TooManyEventsError(f"a batch holds at most {MAX_EVENTS} events, this one {len(items)}")
    return Envelope(
        items=items,
        write_key=_text(_value(parts.get(b'"writeKey"', b"null"))),
        sent_at=_value(parts.get(b'"sentAt"', b"null")),
        context=parts.get(b'"context"', b"null"),
        integrations=parts.get(b'"integrations"', b"null"),
    )


def _members(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, value) of an object, or (nothing, value) of a list, by brackets alone and without recursion."""
    depth, name, start = 0, b"", 0
    for token in _TOKEN.finditer(body):
        match token[0]:
            case b"{" | b"[":
                depth += 1
                start = token.end() if depth == 1 else start
            case b":" if depth == 1:
                name, start = body[start : token.start()].strip(), token.end()
            case b"," | b"}" | b"]" if depth == 1:
                value = body[start : token.start()].strip()
                if value:
                    yield name, value
                name, start = b"", token.end()
                depth -= token[0] != b","
            case b"}" | b"]":
                depth -= 1


def _value(raw: msgspec.Raw | bytes) -> Any:
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
