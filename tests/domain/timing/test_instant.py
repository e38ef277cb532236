"""Instants as texts and numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.timing import (
    Weekday,
    format_instant,
    parse_date_text,
    parse_instant_text,
    parse_time,
    parse_weekday,
    unix_instant,
)
from tests.domain.timing.clocks import INSTANTS

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00-05:00", datetime(2026, 3, 1, 15, tzinfo=UTC)),
        ("2026-03-01 10:00+0530", datetime(2026, 3, 1, 4, 30, tzinfo=UTC)),
        ("2026-03-01T10:00:00.5Z", datetime(2026, 3, 1, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-03-01T10:00:00,123456789Z", datetime(2026, 3, 1, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-03-01T10:00:00+01", datetime(2026, 3, 1, 9, tzinfo=UTC)),
    ],
)
def test_iso_8601_with_an_offset_is_an_instant(text: str, expected: datetime) -> None:
    assert parse_instant_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:00",
        "2026-03-01",
        "2026-02-30T10:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T10:00:60Z",
        "2026-03-01T10:00:00+25:00",
        "2026-03-01T10:00:00+01:99",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-03-01T10:00:00Z",
        "2026-03-01T10:00:00Z ",
        "now",
        "",
    ],
)
def test_other_texts_are_none_without_a_zone(text: str) -> None:
    assert parse_instant_text(text) is None


def test_a_text_without_an_offset_needs_a_zone_beside_it() -> None:
    assert parse_instant_text("2026-11-27 09:00", BERLIN) == datetime(2026, 11, 27, 8, tzinfo=UTC)
    assert parse_instant_text("2026-07-01", BERLIN) == datetime(2026, 6, 30, 22, tzinfo=UTC)


@given(INSTANTS)
def test_what_is_written_is_read_back(instant: datetime) -> None:
    assert parse_instant_text(format_instant(instant)) == instant


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1_700_000_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (Decimal("1700000000.25"), datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)),
        (10**11 - 1, datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        (10**11, datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (10**17, None),
        (Decimal("1E+999999"), None),
    ],
)
def test_unix_numbers_are_seconds_and_from_10_to_the_11_milliseconds(
    number: int, expected: datetime | None
) -> None:
    assert unix_instant(number) == expected


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False))
def test_no_number_breaks_it(number: int | Decimal) -> None:
    instant = unix_instant(number)

    assert instant is None or instant.tzinfo is UTC


def test_days_times_and_weekdays_are_read() -> None:
    assert parse_date_text("2024-02-29") == date(2024, 2, 29)
    assert parse_date_text("2023-02-29") is None
    assert parse_date_text("2024-2-29") is None
    assert parse_time("9:00") == parse_time("09:00") == time(9)
    assert parse_time("21:30:15") == time(21, 30, 15)
    assert parse_time("24:00") is parse_time("9") is parse_time("9:5") is None
    assert parse_weekday("mon") is parse_weekday("Monday") is Weekday.MON
    assert parse_weekday("sun") is Weekday.SUN
    assert parse_weekday("someday") is None
