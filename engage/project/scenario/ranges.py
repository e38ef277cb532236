"""`"u{1..100}"` stands for a hundred people, `"{{ n }}"` for the number."""

import re
from typing import Any

MAX_ITEMS = 100_000

_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_NUMBER = re.compile(r"\{\{\s*n\s*\}\}")


class RangeError(ValueError):
    """A range that cannot be expanded."""


def has_ranges(text: str) -> bool:
    """Return whether a file holds any range at all."""
    return _RANGE.search(text) is not None


def expand(value: Any) -> list[Any]:
    """Return the values that one item stands for; ranges inside its lists and keys are expanded within it.

    Raises:
        RangeError: it names different ranges at once, one that runs backwards, or too many values.
    """
    value = _within(value)
    bounds = _bounds(value)
    if bounds is None:
        return [value]
    return [_filled(value, number) for number in _numbers(bounds)]


def _numbers(bounds: tuple[int, int]) -> range:
    first, last = bounds
    if last < first:
        raise RangeError(f"the range {{{first}..{last}}} runs backwards")
    if last - first >= MAX_ITEMS:
        raise RangeError(f"the range {{{first}..{last}}} is longer than {MAX_ITEMS:,}")
    return range(first, last + 1)


def _within(value: Any) -> Any:
    """Expand the ranges of list items and of keys below `value`."""
    if isinstance(value, list):
        return [filled for item in value for filled in expand(item)]
    if isinstance(value, dict):
        result: dict[str, Any] = {}
        for key, item in value.items():
            found = _RANGE.search(key)
            if found is None:
                result[key] = _within(item)
                continue
            for number in _numbers((int(found[1]), int(found[2]))):
                result[_RANGE.sub(str(number), key)] = _within(_filled(item, number))
        return result
    return value


def _bounds(value: Any) -> tuple[int, int] | None:
    """Return the range that the single values of an item name."""
    if isinstance(value, str):
        found = {(int(first), int(last)) for first, last in _RANGE.findall(value)}
    elif isinstance(value, dict):
        found = {bounds for item in value.values() if (bounds := _bounds(item)) is not None}
    elif isinstance(value, list):
        found = {bounds for item in value if (bounds := _bounds(item)) is not None}
    else:
        return None
    if len(found) > 1:
        raise RangeError("an item can stand for one range only")
    return next(iter(found), None)


def _filled(value: Any, number: int) -> Any:
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return number
        return _NUMBER.sub(str(number), _RANGE.sub(str(number), value)) if "{" in value else value
    if isinstance(value, list):
        return [_filled(item, number) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, number) for key, item in value.items()}
    return value
