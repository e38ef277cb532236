"""Values, comparison, truth and numbers: every sentence of the language, as a table."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.expression import Place, Value, bucket, equal, order_key, split_fraction, text_of
from tests.domain.expression.asking import ask, of_profile

D = Decimal


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 == 1.0", True),
        ("'10' == 10", False),
        ("true == 1", False),
        ("false == 0", False),
        ("false == none", False),
        ("0 == none", False),
        ("'' == none", False),
        ("[] == none", False),
        ("none == none", True),
        ("'a' == 'A'", False),
        ("[1, 'a'] == [1.0, 'a']", True),
        ("[1] == [true]", False),
        ("[true] == [1]", False),
        ("[1, 2] == [2, 1]", False),
        ("'a' != 'a'", False),
        ("1 != '1'", True),
        ("none != 1", True),
    ],
)
def test_equality_is_by_type_and_value(source: str, expected: bool) -> None:
    assert ask(source) is expected


def test_not_equal_is_not_of_equal() -> None:
    assert of_profile("profile.env != 'prod'") is True
    assert of_profile("profile.env != none") is False
    assert of_profile("profile.age != 5") is True


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 < 2", True),
        ("2 <= 2.0", True),
        ("'a' < 'b'", True),
        ("'Z' < 'a'", True),
        ("'é' > 'z'", True),
        ("'10' < 9", False),
        ("'10' >= 9", False),
        ("1 < none", False),
        ("1 >= none", False),
        ("none < 1", False),
        ("none <= none", False),
        ("true > 0", False),
        ("[1] < [2]", False),
        ("[1] <= [1]", False),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
    ],
)
def test_order_is_within_one_type_and_false_otherwise(source: str, expected: bool) -> None:
    assert ask(source) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'a' in profile.tags", True),
        ("'c' in profile.tags", False),
        ("'c' not in profile.tags", True),
        ("1 in profile.tags", True),
        ("true in profile.tags", False),
        ("'ell' in profile.word", True),
        ("'' in profile.word", True),
        ("1 in profile.word", False),
        ("none in profile.word", False),
        ("'a' in profile.missing", False),
        ("'a' not in profile.missing", True),
        ("'a' in profile.object", False),
        ("'a' in 5", False),
        ("profile.plan in ['pro', 'team']", True),
    ],
)
def test_in_looks_for_an_element_or_a_substring(source: str, expected: bool) -> None:
    traits = {"tags": ["a", "b", 1], "word": "hello", "object": {"a": 1}, "plan": "pro"}
    assert ask(source, profile=traits) is expected


@pytest.mark.parametrize("value", [None, False, 0, D("0.00"), "", [], {}])
def test_what_is_false(value: Value) -> None:
    assert of_profile("not profile.x", x=value) is True
    assert of_profile("profile.x or false", x=value) is False
    assert of_profile("1 if profile.x else 2", x=value) == 2


@pytest.mark.parametrize("value", [True, 1, -1, D("0.1"), "0", " ", "false", [0], [None], {"a": None}])
def test_what_is_true(value: Value) -> None:
    assert of_profile("not profile.x", x=value) is False
    assert of_profile("profile.x and true", x=value) is True


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'a' and 'b'", True),
        ("'a' or 'b'", True),
        ("0 or ''", False),
        ("1 and 2 and 3", True),
        ("1 and 0 and 3", False),
        ("not 'a'", False),
        ("true or false and false", True),
        ("not false and false", False),
    ],
)
def test_and_or_not_give_booleans(source: str, expected: bool) -> None:
    assert ask(source) is expected


@pytest.mark.parametrize(
    ("test", "holds_for"),
    [
        ("defined", ["", False, 0, [], {}, "a", 1, [1], {"a": 1}]),
        ("none", [None]),
        ("empty", [None, "", [], {}]),
        ("present", [False, 0, "a", 1, [1], {"a": 1}]),
        ("string", ["", "a"]),
        ("number", [0, 1]),
    ],
)
def test_tests_of_presence_and_type(test: str, holds_for: list[Any]) -> None:
    values: list[Any] = [None, "", False, 0, [], {}, "a", 1, [1], {"a": 1}]

    found = [value for value in values if of_profile(f"profile.x is {test}", x=value) is True]

    assert [repr(value) for value in found] == [
        repr(value) for value in values if repr(value) in map(repr, holds_for)
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'hello' is starting_with('he')", True),
        ("'hello' is starting_with 'lo'", False),
        ("'hello' is ending_with 'lo'", True),
        ("'hello' is containing 'ell'", True),
        ("['a', 'b'] is containing 'b'", True),
        ("5 is starting_with '5'", False),
        ("none is ending_with ''", False),
        ("'hello' is not containing 'x'", True),
        ("'hello' is not starting_with('he')", False),
        ("'ORDER-12' is matching '[0-9]+$'", True),
        ("'12 x' is matching '^[0-9]+$'", False),
        ("'a\n' is matching 'a$'", False),
        ("'YES please' is matching '(?i)^yes'", True),
        (r"'abc 12' is matching '\d\d'", True),
        ("12 is matching '1'", False),
    ],
)
def test_tests_with_an_argument(source: str, expected: bool) -> None:
    assert ask(source) is expected


def test_a_test_without_argument_leaves_the_operator_after_it_alone() -> None:
    assert of_profile("1 if profile.x is present else 2", x="a") == 1
    assert of_profile("'y' if profile.x is none else 'n'") == "y"
    assert of_profile("profile.x is present if profile.y", x="a", y=1) is True
    assert of_profile("profile.x is not none == true", x="a") is True


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("0.1 + 0.2 == 0.3", True),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 2 - 3", 5),
        ("10 / 4", D("2.5")),
        ("1 / 3", D("0.333333333333")),
        ("2 / 3", D("0.666666666667")),
        ("-2 / 3", D("-0.666666666667")),
        ("1 / 2000000000000", D("0.000000000001")),
        ("-1 / 2000000000000", D("-0.000000000001")),
        ("1 / 2000000000001", 0),
        ("1 / 0", None),
        ("1 / 0.0", None),
        ("0 / 5", 0),
        ("1 + none", None),
        ("none - 1", None),
        ("1 + '1'", None),
        ("'a' * 2", None),
        ("true + 1", None),
        ("[1] + [2]", None),
        ("-none", None),
        ("-'a'", None),
        ("-true", None),
        ("-profile.n", -3),
        ("'a' + 'b'", "ab"),
        ("'a' + 'b' + 'c'", "abc"),
        ("'a' + none", None),
        ("1 - -1", 2),
        (
            "123456789012345678901234567890 + 0.000000000000000000000000000001",
            D("123456789012345678901234567890.000000000000000000000000000001"),
        ),
    ],
)
def test_arithmetic_is_exact_and_none_where_it_makes_no_sense(source: str, expected: Value) -> None:
    value = of_profile(source, n=3)

    assert equal(value, expected), value


@given(st.decimals(-1000, 1000, places=3), st.decimals(-1000, 1000, places=3))
def test_division_is_the_exact_quotient_rounded_half_up(a: Decimal, b: Decimal) -> None:
    from fractions import Fraction

    value = of_profile("profile.a / profile.b", a=a, b=b)

    if b == 0:
        assert value is None
        return
    exact = abs(Fraction(a) / Fraction(b)) * 10**12
    rounded = int(exact + Fraction(1, 2))
    assert isinstance(value, int | Decimal)
    assert abs(Fraction(value)) * 10**12 == rounded


@pytest.mark.parametrize(
    "huge",
    [D("1e999999999"), D("-1e-999999999"), D("9" * 5000), 10**5000, D("0e-999999")],
    ids=["big", "small", "long", "long int", "zero"],
)
def test_numbers_without_measure_cost_nothing_and_break_nothing(huge: Value) -> None:
    for source in (
        "profile.x * profile.x",
        "profile.x + 1",
        "profile.x / 3",
        "1 / profile.x",
        "profile.x | round(2)",
        "profile.x | abs",
        "profile.x > 1",
        "-profile.x",
        "profile.x | date",
        "'a' | head(profile.x)",
    ):
        of_profile(source, x=huge)
    assert len(text_of(huge)) < 6000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (50, "50"),
        (D("50.00"), "50"),
        (D("12.50"), "12.5"),
        (D("1E+3"), "1000"),
        (D("-0.0"), "0"),
        (D("1E-7"), "0.0000001"),
        ("a", "a"),
        ([1, D("2.5"), "x", None], '[1,2.5,"x",null]'),
        ({"a": True}, '{"a":true}'),
        ([10**30], "[1000000000000000000000000000000]"),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00Z"),
        (datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC), "2026-03-01T12:00:00.000005Z"),
    ],
)
def test_values_as_text(value: Value, text: str) -> None:
    assert text_of(value) == text


def test_all_values_have_one_order_with_none_last() -> None:
    values: list[Value] = [None, "b", [1], 2, "a", True, D("1.5"), False, datetime(2026, 1, 1, tzinfo=UTC)]

    assert sorted(values, key=order_key) == [
        False,
        True,
        D("1.5"),
        2,
        "a",
        "b",
        datetime(2026, 1, 1, tzinfo=UTC),
        [1],
        None,
    ]


def test_the_bucket_is_the_hash_of_salt_and_key() -> None:
    from hashlib import sha256

    number = int.from_bytes(sha256(b"spring:key-1").digest()[:8], "big")

    assert ask("bucket('spring')", bucket_key="key-1") == bucket("spring", "key-1") == number % 100
    assert split_fraction("spring", "key-1") * 2**64 == number


@given(st.text(), st.text())
def test_shares_lie_between_nothing_and_all(salt: str, key: str) -> None:
    assert 0 <= bucket(salt, key) <= 99
    assert 0 <= split_fraction(salt, key) < 1


def test_places_share_the_values() -> None:
    assert ask("profile.x == 'a'", Place.AUDIENCE, profile={"x": "a"}) is True
