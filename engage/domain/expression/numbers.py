"""Exact arithmetic on ints and decimals; what cannot be exact within bounds is none, never an error and never slow."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from typing import TypeAlias, TypeGuard

Number: TypeAlias = int | Decimal

#: `/` and `avg` are rounded half up to this many places.
PLACES = 12
#: Digits before and after the point within which arithmetic is exact; a number beyond takes part in none.
MAX_DIGITS = 1_000
_MAX_BITS = 3_321  # of an int with MAX_DIGITS digits
_MAX_PRECISION = 30

_EXACT = Context(
    prec=2 * MAX_DIGITS,
    Emax=4 * MAX_DIGITS,
    Emin=-4 * MAX_DIGITS,
    rounding=ROUND_HALF_UP,
    traps=[Inexact, InvalidOperation, Overflow],
)
_ROUNDING = Context(prec=4 * MAX_DIGITS, rounding=ROUND_HALF_UP, traps=[InvalidOperation, Overflow])
_SCALE = 10**PLACES


def is_number(value: object) -> TypeGuard[Number]:
    """Return whether `value` is a number; booleans are none."""
    kind = type(value)
    return kind is int or kind is Decimal


def add(a: Number, b: Number) -> Number | None:
    """Return a + b, exact; None if that is out of bounds."""
    if type(a) is int and type(b) is int:
        return _bounded(a + b)
    try:
        return _EXACT.add(Decimal(a), b)
    except DecimalException:
        return None


def subtract(a: Number, b: Number) -> Number | None:
    """Return a - b, exact; None if that is out of bounds."""
    if type(a) is int and type(b) is int:
        return _bounded(a - b)
    try:
        return _EXACT.subtract(Decimal(a), b)
    except DecimalException:
        return None


def multiply(a: Number, b: Number) -> Number | None:
    """Return a * b, exact; None if that is out of bounds."""
    if type(a) is int and type(b) is int:
        if a.bit_length() + b.bit_length() > 2 * _MAX_BITS:
            return None
        return _bounded(a * b)
    if not (_is_bounded(a) and _is_bounded(b)):
        return None
    try:
        return _EXACT.multiply(Decimal(a), b)
    except DecimalException:
        return None


def divide(a: Number, b: Number) -> Number | None:
    """Return a / b rounded half up to 12 places; None for a division by zero or numbers out of bounds."""
    if not b or not (_is_bounded(a) and _is_bounded(b)):
        return None
    top, top_scale = _as_ratio(a)
    bottom, bottom_scale = _as_ratio(b)
    top, bottom = top * bottom_scale * _SCALE, bottom * top_scale
    whole, rest = divmod(abs(top), abs(bottom))
    if 2 * rest >= abs(bottom):
        whole += 1
    if (top < 0) != (bottom < 0):
        whole = -whole
    exact, places = divmod(whole, _SCALE)
    return exact if places == 0 else Decimal(whole).scaleb(-PLACES, context=_ROUNDING)


def negate(a: Number) -> Number:
    """Return -a."""
    return -a if type(a) is int else a.copy_negate() if isinstance(a, Decimal) and a else a


def absolute(a: Number) -> Number:
    """Return the size of a."""
    return a.copy_abs() if isinstance(a, Decimal) else abs(a)


def round_half_up(a: Number, places: Number) -> Number | None:
    """Return `a` rounded half away from zero to `places` (negative: tens, hundreds …); None if that is no place."""
    if not -_MAX_PRECISION <= places <= _MAX_PRECISION or places != int(places) or not _is_bounded(a):
        return None
    digits = int(places)
    if isinstance(a, int) and digits >= 0:
        return a
    rounded = Decimal(a).quantize(Decimal(1).scaleb(-digits), context=_ROUNDING)
    return int(rounded) if digits <= 0 else rounded


def total(numbers: Iterable[Number]) -> Number | None:
    """Return the exact sum; None if it is out of bounds."""
    result: Number | None = 0
    for number in numbers:
        if result is None:
            return None
        result = add(result, number)
    return result


def number_text(number: Number) -> str:
    """Return the shortest plain form (`50`, `12.5`); beyond 1,000 digits the scientific one."""
    if type(number) is int:
        # str() of an int refuses beyond 4,300 digits; Decimal does not.
        return str(number) if number.bit_length() < _MAX_BITS else str(Decimal(number))
    if not number:
        return "0"
    if not _is_bounded(number):
        return str(number)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _as_ratio(number: Number) -> tuple[int, int]:
    return (number, 1) if isinstance(number, int) else number.as_integer_ratio()


def _bounded(number: int) -> int | None:
    return number if -_SMALL < number < _SMALL or number.bit_length() <= _MAX_BITS else None


_SMALL = 1 << 64


def _is_bounded(number: Number) -> bool:
    if isinstance(number, int):
        return number.bit_length() <= _MAX_BITS
    if not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    return number.adjusted() < MAX_DIGITS and isinstance(exponent, int) and exponent >= -MAX_DIGITS
