"""Durations: every form of the language, and what is refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.timing import DurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90 seconds", timedelta(seconds=90)),
        ("1 second", timedelta(seconds=1)),
        ("15 minutes", timedelta(minutes=15)),
        ("2 hours", timedelta(hours=2)),
        ("3 days", timedelta(days=3)),
        ("1 week", timedelta(weeks=1)),
        ("1 day 12 hours", timedelta(days=1, hours=12)),
        ("100ms", timedelta(milliseconds=100)),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
        ("1w", timedelta(weeks=1)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("1.5 hours", timedelta(minutes=90)),
        ("0.1s", timedelta(milliseconds=100)),
        ("0 seconds", timedelta(0)),
        ("  3   Days ", timedelta(days=3)),
    ],
)
def test_a_duration_is_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


def test_a_day_is_24_hours() -> None:
    assert parse_duration("1 day") == parse_duration("24 hours")


@pytest.mark.parametrize(
    "text", ["1 month", "2 months", "1 year", "tomorrow", "next monday", "1 quarter", "2M", "3 business days"]
)
def test_what_has_no_fixed_length_is_refused_with_a_hint_to_wait_until(text: str) -> None:
    with pytest.raises(DurationError) as caught:
        parse_duration(text)

    assert "wait_until" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "3",
        "days",
        "3 bananas",
        "-1 day",
        "1 day,",
        "1 day x",
        "١ day",
        "1e3 s",
        "1..5 h",
        "inf days",
        "9" * 300 + "s",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration(text)


def test_a_number_without_a_unit_is_told_to_take_one() -> None:
    with pytest.raises(DurationError) as caught:
        parse_duration("3")

    assert "3 days" in caught.value.hint


def test_more_than_a_thousand_years_is_refused() -> None:
    with pytest.raises(DurationError):
        parse_duration("99999999999999999999 weeks")


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=300_000)))
def test_what_is_written_is_read_back(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    with suppress(DurationError):
        assert parse_duration(text) >= timedelta(0)


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "0 seconds"),
        (timedelta(days=1, hours=12), "1 day 12 hours"),
        (timedelta(milliseconds=1500), "1.5 seconds"),
        (timedelta(seconds=-5), "-5 seconds"),
    ],
)
def test_a_duration_is_told_in_words(duration: timedelta, words: str) -> None:
    assert format_duration(duration) == words
