"""What the words after `is` ask of a value."""

from __future__ import annotations

from collections.abc import Callable

from engage.domain.expression.numbers import is_number
from engage.domain.expression.scope import Value
from engage.domain.expression.tree import TestName
from engage.domain.expression.values import contains, is_empty


def _starts(value: Value, part: Value) -> bool:
    return isinstance(value, str) and isinstance(part, str) and value.startswith(part)


def _ends(value: Value, part: Value) -> bool:
    return isinstance(value, str) and isinstance(part, str) and value.endswith(part)


TESTS_OF_ONE: dict[TestName, Callable[[Value], bool]] = {
    TestName.DEFINED: lambda value: value is not None,
    TestName.NONE: lambda value: value is None,
    TestName.EMPTY: is_empty,
    TestName.PRESENT: lambda value: not is_empty(value),
    TestName.STRING: lambda value: isinstance(value, str),
    TestName.NUMBER: is_number,
}
TESTS_OF_TWO: dict[TestName, Callable[[Value, Value], bool]] = {
    TestName.STARTING_WITH: _starts,
    TestName.ENDING_WITH: _ends,
    TestName.CONTAINING: contains,
}
