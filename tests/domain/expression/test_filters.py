"""Filters, and names that read data: every one of the language, as a table."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engage.domain.expression import Value, equal
from tests.domain.expression.asking import ask, of_event, of_profile

D = Decimal


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'ÄbC' | lower", "äbc"),
        ("'straße' | upper", "STRAßE"),
        ("'ΑΣ' | lower", "ας".replace("ς", "σ")),
        ("'İ' | lower", "i"),
        ("'ᾳ' | upper", "ᾼ"),
        ("' a b\n' | trim", "a b"),
        ("5 | lower", None),
        ("none | upper", None),
        ("true | trim", None),
        ("'äöü' | length", 3),
        ("'👍🏽' | length", 2),
        ("[1, none] | length", 2),
        ("profile.object | length", 1),
        ("none | length", None),
        ("5 | length", None),
        ("'12.50' | number", D("12.5")),
        ("'-3' | number", -3),
        ("'007' | number", 7),
        ("12 | number", 12),
        ("'1e5' | number", None),
        ("' 12' | number", None),
        ("'12,5' | number", None),
        ("'NaN' | number", None),
        ("'١٢' | number", None),
        ("'' | number", None),
        ("true | number", None),
        ("none | default('x')", "x"),
        ("'' | default('x')", ""),
        ("false | default('x')", False),
        ("none | default(none)", None),
        ("2.5 | round", 3),
        ("-2.5 | round", -3),
        ("0.125 | round(2)", D("0.13")),
        ("1.005 | round(2)", D("1.01")),
        ("1250 | round(-2)", 1300),
        ("2 | round(2)", 2),
        ("'2.5' | round", None),
        ("2.5 | round('1')", None),
        ("2.5 | round(1.5)", None),
        ("2.5 | round(none)", None),
        ("-3 | abs", 3),
        ("-3.5 | abs", D("3.5")),
        ("'-3' | abs", None),
        ("['a', 'b'] | join(', ')", "a, b"),
        ("[1, 2.50, none, true] | join('-')", "1-2.5-true"),
        ("['a', 'b'] | join", "ab"),
        ("'ab' | join(',')", None),
        ("[1, 2, 3] | head(2)", [1, 2]),
        ("[1, 2, 3] | tail(2)", [2, 3]),
        ("'hello' | head(2)", "he"),
        ("'hello' | tail(2)", "lo"),
        ("'hello' | tail(0)", ""),
        ("'hello' | head(99)", "hello"),
        ("'hello' | tail(99)", "hello"),
        ("'hello' | head(-1)", ""),
        ("'hello' | head(1.5)", None),
        ("5 | head(1)", None),
        ("'order 12 and 34' | extract('[0-9]+')", "12"),
        ("'order' | extract('[0-9]+')", None),
        ("12 | extract('1')", None),
        ("'ab' | extract('a(b)')", "ab"),
        ("'a' | upper | lower", "a"),
    ],
)
def test_filters(source: str, expected: Value) -> None:
    value = of_profile(source, object={"a": 1})

    assert equal(value, expected), value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("event.items", [1]),
        ("event.get", None),
        ("event.a.b.c", 5),
        ("event['a']['b'].c", 5),
        ("event['odd name']", 1),
        ("event.a.b.c.d", None),
        ("event.missing.b", None),
        ("event.text.x", None),
        ("event.in", 2),
        ("event.products.sku", ["s1", "s2"]),
        ("'s2' in event.products.sku", True),
        ("event.products.price", [10]),
        ("event.orders.products.sku", ["a", "b", "c"]),
        ("event.products.missing", []),
        ("event.products['sku'] | length", 2),
        ("(event.products | head(1)).sku", ["s1"]),
    ],
)
def test_names_read_data_only(source: str, expected: Value) -> None:
    event = {
        "items": [1],
        "a": {"b": {"c": 5}},
        "odd name": 1,
        "text": "hello",
        "in": 2,
        "products": [{"sku": "s1", "price": 10}, {"sku": "s2", "price": None}, "no object"],
        "orders": [{"products": [{"sku": "a"}, {"sku": "b"}]}, {"products": [{"sku": "c"}]}, {}],
    }
    assert of_event(source, event) == expected


def test_ids_are_read_from_the_profile_and_not_from_its_traits() -> None:
    ids = {"id": "p-1", "user_id": "ada", "anonymous_id": None}

    assert ask(
        "[profile.id, profile.user_id, profile.anonymous_id]", profile={"id": "x"}, profile_ids=ids
    ) == ["p-1", "ada", None]


def test_entry_run_and_the_name_of_the_event() -> None:
    parts = {"entry": {"total": 5}, "entry_event": "Go", "run": {"code": "X", "key": "k"}}

    assert ask("[entry.total, entry_event, run.code, run.key, run.missing]", **parts) == [
        5,
        "Go",
        "X",
        "k",
        None,
    ]
    assert ask("[entry.total, entry_event, run.code]") == [None, None, None]


def test_inline_if_without_else_is_none() -> None:
    assert ask("'a' if false") is None
