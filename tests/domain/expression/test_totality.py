"""No data makes an expression raise, and every spelling of a meaning is one meaning."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings

from engage.domain.delivery.delivery import Channel
from engage.domain.expression import (
    ExpressionError,
    Place,
    Scope,
    compile_expression,
    equal,
    order_key,
    text_of,
)
from engage.domain.expression.evaluate import compute
from engage.domain.expression.parse import parse
from engage.domain.expression.render import render
from tests.domain.expression.asking import of_profile, scope
from tests.domain.expression.sources import FREE_SOURCES, JSON, TIMED_SOURCES, scopes

VALUE_TYPES = (type(None), bool, int, Decimal, str, datetime, list, dict)


@settings(max_examples=150, deadline=None)
@given(FREE_SOURCES, scopes())
def test_no_data_makes_an_expression_raise(source: str, at: Scope) -> None:
    with suppress(ExpressionError):
        expression = compile_expression(source, Place.WAIT)

        assert isinstance(expression.value(at), VALUE_TYPES)
        assert isinstance(expression.truth(at), bool)
        assert isinstance(expression.seen(at), dict)
        expression.next_change(at)


@pytest.mark.parametrize(
    "asked",
    [
        *(
            f"| {word}"
            for word in [
                "lower",
                "upper",
                "trim",
                "length",
                "date",
                "number",
                "abs",
                "round",
                "join",
                "head(2)",
                "tail(2)",
            ]
        ),
        *(f"is {word}" for word in ("defined", "none", "empty", "present", "string", "number")),
        *(f"is {word}_with('a')" for word in ("starting", "ending")),
        "is containing('a')",
        "is matching('a')",
        "| extract('a')",
    ],
)
def test_no_kind_of_value_makes_a_filter_or_a_test_raise(asked: str) -> None:
    kinds: list[Any] = [None, True, 0, Decimal("1.5"), "", "a", [], [1, "a", None], {}, {"a": 1}]

    for value in kinds:
        assert isinstance(of_profile(f"profile.x {asked}", x=value), VALUE_TYPES)


@settings(max_examples=100, deadline=None)
@given(TIMED_SOURCES, scopes())
def test_the_canonical_spelling_means_the_same(source: str, at: Scope) -> None:
    node = parse(source)

    again = parse(render(node))

    assert again == node
    assert repr(compute(again)(at, None)) == repr(compute(node)(at, None))


@given(JSON, JSON)
@example([1, [2]], [1, [2]])
def test_equality_is_symmetric_and_follows_itself(a: Any, b: Any) -> None:
    assert equal(a, a)
    assert equal(a, b) == equal(b, a)
    assert of_profile("profile.a != profile.b", a=a, b=b) is not of_profile(
        "profile.a == profile.b", a=a, b=b
    )


@pytest.mark.parametrize(
    "foreign",
    [0.5, float("nan"), Channel.SMS, (1, 2), {1}, b"x", object()],
    ids=["float", "nan", "word", "tuple", "set", "bytes", "object"],
)
def test_what_is_no_value_of_the_language_breaks_nothing_either(foreign: Any) -> None:
    for source in (
        "{} == 1",
        "{} == {}",
        "{} < 2",
        "{} + 1",
        "1 in {}",
        "{}.a",
        "{} | length",
        "[{}] == [{}]",
        "{} | date",
        "{} | join",
    ):
        of_profile(source.replace("{}", "profile.x"), x=foreign)
    assert isinstance(text_of(foreign), str)
    assert isinstance(order_key(foreign), tuple)


def test_a_word_of_a_closed_set_is_a_text() -> None:
    assert of_profile("profile.x == 'sms' and 'sms' == profile.x", x=Channel.SMS) is True


@given(JSON)
def test_every_value_has_a_text_and_a_place_in_the_order(value: Any) -> None:
    assert isinstance(text_of(value), str)
    sorted([value, 1, "a", None, True, [1]], key=order_key)


@pytest.mark.parametrize("shape", ["list", "object"])
def test_data_nested_without_end_breaks_nothing(shape: str) -> None:
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep] if shape == "list" else {"a": deep}
    sources = [
        "profile.x == profile.y",
        "profile.x in profile.y",
        "profile.x.a.a",
        "profile.x | length",
        "profile.x | join(',')",
        "[profile.x] == [profile.y]",
    ]

    for source in sources:
        compile_expression(source, Place.STEP).value(scope(profile={"x": deep, "y": deep}))
    order_key(deep)
    text_of(deep)

    while isinstance(deep, list | dict):  # taken apart by hand: freeing it in one go recurses
        deep = deep[0] if isinstance(deep, list) else deep["a"]
