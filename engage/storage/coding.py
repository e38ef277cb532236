"""Coding: how structures become JSON for a column and come back with exact numbers, in both stores alike."""

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from engage.domain.fact import Send, decode
from engage.ports.reading import Asked
from engage.ports.storage import StorageRefusedError

T = TypeVar("T")

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
# PostgreSQL's jsonb holds no U+0000. An even number of backslashes before it makes it harmless text.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def encode(value: Any) -> bytes:
    """Return `value` as JSON whose numbers are exact.

    Raises:
        StorageRefusedError: a text in it holds U+0000, which PostgreSQL cannot store.
    """
    data = _encoder.encode(value)
    if rb"\u0000" in data and _NUL.search(data):
        raise StorageRefusedError("a text holds the character U+0000, which cannot be stored")
    return data


def refuse_nul(*texts: str) -> None:
    """Let texts pass that PostgreSQL can store.

    Raises:
        StorageRefusedError: one holds U+0000.
    """
    if any("\0" in text for text in texts):
        raise StorageRefusedError("a text holds the character U+0000, which cannot be stored")


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """Return the decoder of `kind`: integers stay integers, other numbers become exact decimals."""
    found = _decoders.get(kind)
    if found is None:
        found = _decoders[kind] = msgspec.json.Decoder(kind, float_hook=Decimal)
    return found


def wish(message_id: str, rows: Iterable[tuple[bytes, datetime]]) -> Asked | None:
    """Return the wish for a delivery among stored facts, each with when it came."""
    for payload, at in rows:
        if message_id.encode() not in payload:
            continue  # somebody else's, of the same instant
        fact = decode(payload)
        if isinstance(fact, Send) and fact.message_id == message_id:
            return Asked(send=fact, at=at)
    return None
