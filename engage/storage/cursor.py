"""Cursor: where a page of a list ended, as a text that only storage reads, and that stands in a URL as it is."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from engage.ports.reading import CursorError, Page

Item = TypeVar("Item")
Row = TypeVar("Row")
Key = TypeVar("Key")

_BETWEEN = "~"
_LARGEST = 2**63 - 1
"""Of the database's `bigint`."""


def page(
    rows: Sequence[Row], limit: int, item: Callable[[Row], Item], cursor: Callable[[Row], tuple[object, ...]]
) -> Page[Item]:
    """Return the first `limit` of the rows as a page; one row more than `limit` says that there is a next page."""
    shown = rows[:limit]
    more = len(rows) > limit and bool(shown)
    return Page([item(row) for row in shown], _text(cursor(shown[-1])) if more else None)


def _text(keys: tuple[object, ...]) -> str:
    told = _BETWEEN.join(key.isoformat() if isinstance(key, datetime) else str(key) for key in keys)
    # An instant's `+` would be a blank in a URL, and a message's id may hold anything.
    return urlsafe_b64encode(told.encode()).decode().rstrip("=")


def parts(cursor: str | None, *kinds: Callable[[str], object]) -> tuple[object, ...] | None:
    """Return the keys a cursor is made of, or None for no cursor.

    Raises:
        CursorError: no page named this cursor.
    """
    if cursor is None:
        return None
    try:
        told = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError) as exc:  # the latter: a character that no such text has, or no UTF-8
        raise CursorError("no page named this cursor") from exc
    texts = told.split(_BETWEEN, len(kinds) - 1)
    if len(texts) != len(kinds):
        raise CursorError("no page named this cursor")
    try:
        return tuple(kind(text) for kind, text in zip(kinds, texts, strict=True))
    except ValueError as exc:
        raise CursorError("no page named this cursor") from exc


def instant(text: str) -> datetime:
    """Return an instant of a cursor.

    Raises:
        ValueError: it is none, or has no zone.
    """
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("an instant without a zone")
    return found


def uuid(text: str) -> str:
    """Return an id of a cursor.

    Raises:
        ValueError: it is none.
    """
    return str(UUID(text))


def number(text: str) -> int:
    """Return a number of a cursor.

    Raises:
        ValueError: it is none, or larger than any that counts rows.
    """
    found = int(text)
    if abs(found) > _LARGEST:
        raise ValueError("a number that counts no rows")
    return found


def event_id(text: str) -> str:
    """Return the id of an event of a cursor.

    Raises:
        ValueError: no row can hold it.
    """
    if "\x00" in text:
        raise ValueError("a text that no row holds")
    return text
