"""Values: what is equal, what is less, what is true, what a value looks like as text or as an instant."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from engage.domain.expression.numbers import Number, is_number, number_text
from engage.domain.expression.scope import Value
from engage.domain.timing import civil, format_instant, parse_date_text, parse_instant_text, unix_instant

_encode = msgspec.json.Encoder(decimal_format="number").encode
_encode_sorted = msgspec.json.Encoder(decimal_format="number", order="sorted").encode

_BOOLEAN, _NUMBER, _TEXT, _INSTANT, _OTHER, _NONE = range(6)


def equal(a: Value, b: Value) -> bool:
    """Return whether two values are of one type and equal: `1` is `1.0` but neither `true` nor `'1'`."""
    if isinstance(a, str):
        return isinstance(b, str) and a == b
    if a is None or isinstance(a, bool):
        return a is b
    if is_number(a):
        return is_number(b) and a == b
    if isinstance(a, list | dict):
        return _deep_equal(a, b)
    return isinstance(a, datetime) and isinstance(b, datetime) and a == b


def _deep_equal(a: Any, b: Any) -> bool:
    # With a stack of its own: JSON may be nested deeper than Python likes to recurse.
    pending = [(a, b)]
    while pending:
        left, right = pending.pop()
        if isinstance(left, list):
            if not isinstance(right, list) or len(left) != len(right):
                return False
            pending.extend(zip(left, right, strict=True))
        elif isinstance(left, dict):
            if not isinstance(right, dict):
                return False
            pending.extend((left.get(key), right.get(key)) for key in {**left, **right})
        elif isinstance(right, list | dict) or not equal(left, right):
            return False
    return True


def less(a: Value, b: Value) -> bool:
    """Return whether a < b; false for none, different types, lists and objects. Text is ordered by code point."""
    if is_number(a):
        return is_number(b) and a < b
    if isinstance(a, str):
        return isinstance(b, str) and a < b
    if isinstance(a, datetime):
        return isinstance(b, datetime) and a < b
    return a is False and b is True


def less_or_equal(a: Value, b: Value) -> bool:
    """Return whether a <= b; false wherever `less` cannot compare."""
    if is_number(a):
        return is_number(b) and a <= b
    if isinstance(a, str):
        return isinstance(b, str) and a <= b
    if isinstance(a, datetime):
        return isinstance(b, datetime) and a <= b
    return isinstance(a, bool) and isinstance(b, bool) and a <= b


def contains(container: Value, item: Value) -> bool:
    """Return whether a list has the element or a text the substring; false for anything else."""
    if isinstance(container, str):
        return isinstance(item, str) and item in container
    if isinstance(container, list):
        return any(equal(element, item) for element in container)
    return False


def is_empty(value: Value) -> bool:
    """Return whether `value` is none, '', [] or {}."""
    return value is None or (isinstance(value, str | list | dict) and not value)


def dig(value: Any, keys: tuple[str, ...]) -> Value:
    """Return what lies at the path `keys`; a list gives the list of that name of its elements.

    Elements without it are left out, and lists within the list are opened, so that the result is flat.
    """
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list):
            value = _project(value, key)
        else:
            return None
    result: Value = value
    return result


def _project(items: list[Any], key: str) -> list[Any]:
    found: list[Any] = []
    for item in opened(items):
        value = item.get(key) if isinstance(item, dict) else None
        if isinstance(value, list):
            found.extend(opened(value))
        elif value is not None:
            found.append(value)
    return found


def opened(items: list[Any]) -> list[Any]:
    """Return the elements of a list with the lists among them opened, in order, without none."""
    if not any(isinstance(item, list) for item in items):
        return [item for item in items if item is not None]
    found: list[Any] = []
    pending = list(reversed(items))
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(reversed(item))
        elif item is not None:
            found.append(item)
    return found


def order_key(value: Value) -> tuple[int, Any]:
    """Return a key that orders all values: false, true, numbers, texts, instants, the rest as JSON, none last.

    Equal texts, numbers, booleans and instants have equal keys.
    """
    if value is None:
        return (_NONE, 0)
    if isinstance(value, bool):
        return (_BOOLEAN, value)
    if is_number(value):
        return (_NUMBER, value)
    if isinstance(value, str):
        return (_TEXT, value)
    if isinstance(value, datetime):
        return (_INSTANT, value)
    return (_OTHER, _json(_encode_sorted, value))


def text_of(value: Value) -> str:
    """Return `value` as text: numbers in their shortest form, instants as ISO 8601 in UTC, lists and objects as JSON.

    none is the empty text.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return number_text(value)
    if isinstance(value, datetime):
        return format_instant(value)
    return _json(_encode, value)


def _json(encode: Any, value: Any) -> str:
    try:
        return str(encode(value), "utf-8")
    except RecursionError:
        return ""
    except (OverflowError, TypeError, ValueError):
        # Integers beyond 64 bits, or values that are not JSON: slower, and without exact decimals.
        return _plain_json(value)


def _plain_json(value: Any) -> str:
    try:
        return json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, TypeError, ValueError):
        return ""


def parse_instant(value: Value, zone: ZoneInfo) -> datetime | None:
    """Return the instant (UTC) that `value` names, else None: what `| date` does.

    Instants are themselves; numbers are Unix seconds, from 10^11 on milliseconds; texts are ISO 8601 with an offset,
    or a bare date, which is midnight in `zone`.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if is_number(value):
        return _unix(value)
    if not isinstance(value, str) or len(value) > _LONGEST_INSTANT:
        return None
    day = parse_date_text(value)
    if day is None:
        return parse_instant_text(value)
    try:
        return civil(day, time(), zone)
    except OverflowError:
        return None


_LONGEST_INSTANT = 50


def _unix(number: Number) -> datetime | None:
    if isinstance(number, Decimal) and not number.is_finite():
        return None
    return unix_instant(number)
