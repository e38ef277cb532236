"""Texts with `{{ }}`."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.expression import ExpressionError, Place, Text, Value, compile_text
from tests.domain.expression.asking import NOW, scope

AT = scope(
    profile={"name": "Ada", "age": 36, "tags": ["a"], "none": None, "price": Decimal("12.50")},
    entry={"total": 80},
    run={"code": "X1"},
    event={"total": 5},
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("Hello", "Hello"),
        ("Hi {{ profile.name }}!", "Hi Ada!"),
        ("{{ profile.age }}", 36),
        ("{{profile.tags}}", ["a"]),
        ("{{ profile.none }}", None),
        ("{{ now }}", NOW),
        ("{{ profile.age == 36 }}", True),
        ("{{ profile.age }} ", "36 "),
        ("{{ profile.name }}{{ profile.age }}", "Ada36"),
        ("[{{ profile.none }}]", "[]"),
        ("{{ profile.price }} EUR", "12.5 EUR"),
        ("{{ entry.total }}/{{ event.total }}/{{ run.code }}", "80/5/X1"),
        ("{{ '}}' }} and {{ '{{' }}", "}} and {{"),
        ("a {{- profile.name -}} b", "aAdab"),
        ("{{ -profile.age }}", -36),
        ("a\n{{ profile.name }}\nb\n", "a\nAda\nb\n"),
        ("100% {# not a comment #} }} {x}", "100% {# not a comment #} }} {x}"),
        ("{{ profile.name | upper }}, {{ count('A') }}", "ADA, 0"),
    ],
)
def test_values_are_filled_in(source: str, expected: Value) -> None:
    text = compile_text(source)

    assert text.value(AT) == expected
    assert type(text.value(AT)) is type(expected)


def test_only_a_text_that_is_one_expression_is_single() -> None:
    assert compile_text("{{ profile.age }}").is_single
    assert not compile_text("{{ profile.age }} ").is_single
    assert not compile_text("age").is_single


def test_a_text_without_expressions_is_constant() -> None:
    assert compile_text("Hello").constant == "Hello"
    assert compile_text("").constant == ""
    assert compile_text("{{ 'Hello' }}").constant is None


@pytest.mark.parametrize("source", ["profile.name", "entry.total", "event.a.b", "run.code", " profile.name "])
def test_a_bare_name_is_asked_whether_braces_were_meant(source: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_text(source)

    assert caught.value.hint == f"did you mean `{{{{ {source.strip()} }}}}`?"


@pytest.mark.parametrize(
    "source",
    ["profile", "profile.", "Profile.name", "my profile.name", "entry.total!", "profile name", "event.5"],
)
def test_other_texts_are_texts(source: str) -> None:
    assert compile_text(source).constant == source


@pytest.mark.parametrize(
    ("source", "at"),
    [
        ("Hi {{ profile.name", "{{"),
        ("Hi {{ 'a }}", "'a"),
        ("Hi {{ }}", " }}"),
        ("Hi {{ profile.name = 1 }}", "= 1"),
        ("Hi {{ nmae }}", "nmae"),
        ("Hi {% if profile.name %}", "{%"),
        ("{{ a {{ b }} }}", "{{"),
        ("Hi {{- profile.x AND 1 }}", "AND"),
        ("{{ profile.a }}\r\n{{ profile.b ** 2 }}", "**"),
    ],
)
def test_mistakes_are_pointed_at_in_the_text(source: str, at: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_text(source)

    assert caught.value.offset == source.index(at)


def test_a_text_reads_what_its_expressions_read() -> None:
    reads = compile_text("{{ profile.name }} {{ entry.total }} {{ in_audience('vip') }}").reads

    assert (reads.traits, reads.audiences, reads.entry, reads.run) == (
        frozenset({"name"}),
        frozenset({"vip"}),
        True,
        False,
    )


def test_audiences_of_texts_are_checked() -> None:
    with pytest.raises(ExpressionError):
        compile_text("{{ in_audience('vpi') }}", audiences=["vip"])


def test_equal_texts_are_one() -> None:
    text = compile_text("a {{ profile.b }}", Place.TEXT)

    assert text == Text("a {{ profile.b }}", Place.TEXT, ())
    assert len({text, compile_text("a {{ profile.b }}")}) == 1


@given(st.text(alphabet="{}%#'\" ab-.|profile", max_size=30))
def test_any_text_is_compiled_or_refused(source: str) -> None:
    with suppress(ExpressionError):
        text = compile_text(source)

        text.value(AT)
        assert text.text(AT) is not None
