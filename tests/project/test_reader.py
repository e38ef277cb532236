"""The reader: YAML 1.2 core without its traps, every position kept, and no text that makes it fall over."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engage.project.yaml import reader
from engage.project.yaml.nodes import Position, Scalar
from engage.project.yaml.reader import MAX_BYTES, read


def _value(text: str) -> Any:
    documents, problems = read(text, "x.yaml")
    assert problems == []
    assert len(documents) == 1
    return documents[0].value()


@pytest.mark.parametrize(
    "text",
    [
        "on", "yes", "no", "off", "y", "n", "Yes", "10:00", "09:00", "1:30:15", "010", "0o7", "0x1F", "0b1", "1e3",
        "1.5e3", "+14155550101", "+1", "1_000", ".5", "1.", ".inf", "-.inf", ".nan", "2026-03-01",
        "2026-03-01T10:00:00Z", "2026-03-01 10:00:00", "=", "nil", "None", "--1", "- 1", "-", "1,000", "٣",
        "1 000", "0.0.1", "00", "-01",
    ],
)  # fmt: skip
def test_what_is_no_plain_number_boolean_or_null_is_text(text: str) -> None:
    assert _value(f"a: '{text}'") == {"a": text}
    if text != "- 1" and text != "-":
        assert _value(f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("42", 42),
        ("-7", -7),
        ("1.50", Decimal("1.50")),
        ("-0.1", Decimal("-0.1")),
        ("99999999999999999999", 99999999999999999999),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("Null", None),
    ],
)
def test_plain_values_of_the_core_schema(text: str, value: object) -> None:
    found = _value(f"a: {text}")["a"]

    assert found == value
    assert type(found) is type(value)


def test_decimals_keep_every_digit() -> None:
    assert str(_value("a: 0.10")["a"]) == "0.10"


def test_quoted_numbers_and_words_are_text() -> None:
    assert _value("""{a: "1", b: 'true', c: "~", d: ''}""") == {"a": "1", "b": "true", "c": "~", "d": ""}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert list(_value("1: a\ntrue: b\nnull: c\non: d\n1.0: e\n2026-01-01: f\n")) == [
        "1",
        "true",
        "null",
        "on",
        "1.0",
        "2026-01-01",
    ]


def test_equal_looking_keys_of_other_types_are_duplicates_only_as_text() -> None:
    assert _value("1: a\n1.0: b\n") == {"1": "a", "1.0": "b"}


def test_line_breaks_of_yaml_1_1_are_ordinary_characters() -> None:
    assert _value("a: x\u2028y\u2029z\x85w\nb: 1") == {"a": "x\u2028y\u2029z\x85w", "b": 1}


def test_several_documents_each_keep_their_lines() -> None:
    documents, problems = read("---\na: 1\n---\nb: 2\n---\n", "x")

    assert problems == []
    assert [document.value() for document in documents] == [{"a": 1}, {"b": 2}]
    assert documents[1].at(["b"]) == Position(4, 4)


def test_documents_before_a_syntax_error_are_still_read() -> None:
    documents, problems = read("a: 1\n---\nb: [\n", "x")

    assert [document.value() for document in documents] == [{"a": 1}]
    assert len(problems) == 1


def test_an_empty_file_has_no_document() -> None:
    assert read("", "x") == ([], [])
    assert read("# only a comment\n", "x") == ([], [])


def test_positions_count_characters_not_bytes() -> None:
    documents, _ = read("é😀: {ключ: 'x', b: [1, 22]}\n", "x")

    assert documents[0].at(["é😀", "b", 1]) == Position(1, 24)


def test_a_location_that_leads_past_the_tree_is_its_deepest_value() -> None:
    documents, _ = read("a:\n  b: text\n", "x")

    assert documents[0].at(["a", "union-tag", "b", "more", 3]) == Position(2, 6)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert _value("\ufeffa: 1") == {"a": 1}


def test_a_file_over_the_limit_is_not_parsed() -> None:
    documents, problems = read("a: " + "x" * MAX_BYTES, "x")

    assert documents == []
    assert "larger than 1 MB" in problems[0].message


def test_nesting_has_a_limit_and_just_below_it_is_fine() -> None:
    deep, deeper = "[" * 100 + "]" * 100, "[" * 101 + "]" * 101

    assert read(deep, "x")[1] == []
    assert "deeper than 100" in read(deeper, "x")[1][0].message


def test_a_megabyte_of_opening_brackets_is_refused_quickly() -> None:
    assert len(read("[" * (MAX_BYTES - 1), "x")[1]) == 1


def test_the_slow_parser_gives_the_same_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: {b: [1, on, 'x']}\nc: >-\n  folded\n  text\n"
    fast = _value(text)

    monkeypatch.setattr(reader, "_Parser", yaml.Loader)

    assert _value(text) == fast == {"a": {"b": [1, "on", "x"]}, "c": "folded text"}


_DENSE = st.text(alphabet="ab:-#'\"{}[],&*!|>%@`?\\ \n\t1.", max_size=60)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=80), _DENSE))
def test_no_text_makes_the_reader_fall_over(text: str) -> None:
    documents, problems = read(text, "x")

    for problem in problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert "\n" not in str(problem)
    assert all(document.path == "x" for document in documents)


@settings(max_examples=150, deadline=None)
@given(_DENSE)
def test_no_text_makes_the_slow_parser_fall_over(text: str) -> None:
    parser: Callable[[str], Any] = reader._Parser
    try:
        reader._Parser = yaml.Loader
        read(text, "x")
    finally:
        reader._Parser = parser


_PRINTABLE = st.text(
    alphabet=st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe\uffff"),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(_PRINTABLE)
def test_a_single_quoted_text_comes_back_as_it_was_written(text: str) -> None:
    if any(ord(character) & 0xFFFF >= 0xFFFE for character in text):
        return

    assert _value("a: '" + text.replace("'", "''") + "'") == {"a": text}


@settings(deadline=None)
@given(st.integers(-(10**90), 10**90), st.decimals(-(10**9), 10**9, places=4))
def test_numbers_come_back_exactly(whole: int, fraction: Decimal) -> None:
    assert _value(f"[{whole}, {fraction:f}]") == [whole, fraction]


def test_a_scalar_knows_how_it_was_written() -> None:
    documents, _ = read("a: |\n  x\nb: 'y'\nc: z\n", "x")
    styles = [child.style for key in "abc" if isinstance(child := documents[0].root.child(key), Scalar)]

    assert styles == ["|", "'", ""]
