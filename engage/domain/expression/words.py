"""What filters do to texts and lists."""

from __future__ import annotations

import re
from decimal import Decimal
from zoneinfo import ZoneInfo

from engage.domain.expression.numbers import Number, absolute, is_number, round_half_up
from engage.domain.expression.scope import Value
from engage.domain.expression.values import parse_instant, text_of

#: Unicode's White_Space property: what `trim` takes off.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_LONGEST_NUMBER = 1_000


def _greek_capitals() -> dict[str, str]:
    # UnicodeData.txt has a one-letter capital for these letters with iota subscript; str.upper() spells them out.
    shifts = {
        chr(code): chr(code + 8) for first in (0x1F80, 0x1F90, 0x1FA0) for code in range(first, first + 8)
    }
    return shifts | {chr(code): chr(code + 9) for code in (0x1FB3, 0x1FC3, 0x1FF3)}


_CAPITALS = _greek_capitals()
_SMALL = {"\u0130": "i"}


def upper(value: Value, _zone: ZoneInfo) -> Value:
    """Return the text in capitals, letter by letter (simple case mapping: ß stays ß)."""
    if not isinstance(value, str):
        return None
    return value.upper() if value.isascii() else "".join(map(_capital, value))


def _capital(letter: str) -> str:
    mapped = letter.upper()
    return mapped if len(mapped) == 1 else _CAPITALS.get(letter, letter)


def lower(value: Value, _zone: ZoneInfo) -> Value:
    """Return the text in small letters, letter by letter (simple case mapping)."""
    if not isinstance(value, str):
        return None
    return value.lower() if value.isascii() else "".join(map(_small, value))


def _small(letter: str) -> str:
    mapped = letter.lower()
    return mapped if len(mapped) == 1 else _SMALL.get(letter, letter)


def trim(value: Value, _zone: ZoneInfo) -> Value:
    """Return the text without white space at both ends."""
    return value.strip(WHITE_SPACE) if isinstance(value, str) else None


def length(value: Value, _zone: ZoneInfo) -> Value:
    """Return the number of characters, elements or properties; none for anything else."""
    return len(value) if isinstance(value, str | list | dict) else None


def date(value: Value, zone: ZoneInfo) -> Value:
    """Return the instant that the value names; see `parse_instant`."""
    return parse_instant(value, zone)


def number(value: Value, _zone: ZoneInfo) -> Value:
    """Return the number that a decimal text (`-12.50`) names; numbers are themselves, all else none."""
    if is_number(value):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER or not _DECIMAL.fullmatch(value):
        return None
    return Decimal(value) if "." in value else int(value)


def size(value: Value, _zone: ZoneInfo) -> Value:
    """Return the number without its sign."""
    return absolute(value) if is_number(value) else None


def rounded(value: Value, places: Value) -> Value:
    """Return the number rounded half up."""
    return round_half_up(value, places) if is_number(value) and is_number(places) else None


def joined(value: Value, separator: Value) -> Value:
    """Return the elements of a list as one text; none among them are left out."""
    if not isinstance(value, list) or not isinstance(separator, str):
        return None
    return separator.join(text_of(item) for item in value if item is not None)


def head(value: Value, count: Value) -> Value:
    """Return the first elements or characters."""
    size = _count(count)
    return value[:size] if size is not None and isinstance(value, str | list) else None


def tail(value: Value, count: Value) -> Value:
    """Return the last elements or characters."""
    size = _count(count)
    if size is None or not isinstance(value, str | list):
        return None
    return value[max(0, len(value) - size) :]


_MANY = 1 << 40


def _count(count: Value) -> int | None:
    if not is_number(count):
        return None
    if count <= 0:
        return 0
    if count >= _MANY:
        return _MANY
    return _whole(count)


def _whole(count: Number) -> int | None:
    return int(count) if count == int(count) else None
