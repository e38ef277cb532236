"""ingest.md, 5: when something happened, although the client's clock is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.engine.canonical.times import EARLIEST, corrected, instant
from tests.accept.items import RECEIVED, call, reason, track

MOMENTS = st.integers(min_value=0, max_value=130 * 365 * 86_400_000).map(
    lambda millis: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
)


def at(**more: Any) -> datetime:
    return call(track(**more)).timestamp


def test_the_distance_between_event_and_sending_counts() -> None:
    found = at(timestamp="2031-01-01T00:00:00Z", sentAt="2031-01-01T00:05:00Z")

    assert found == RECEIVED - timedelta(minutes=5)


def test_the_future_is_clamped_to_the_receipt() -> None:
    assert at(timestamp="2026-03-01T13:00:00Z", sentAt="2026-03-01T12:00:00Z") == RECEIVED
    assert at(timestamp="2027-01-01T00:00:00Z") == RECEIVED


def test_without_sent_at_the_time_is_taken_as_given() -> None:
    assert at(timestamp="2026-02-01T00:00:00Z") == datetime(2026, 2, 1, tzinfo=UTC)
    assert at(timestamp="2026-02-01T00:00:00Z", sentAt=None) == datetime(2026, 2, 1, tzinfo=UTC)
    assert at(timestamp="2026-02-01T00:00:00Z", sentAt="nonsense") == datetime(2026, 2, 1, tzinfo=UTC)


def test_without_any_time_it_is_the_receipt() -> None:
    assert at() == RECEIVED
    assert at(sentAt="2020-01-01T00:00:00Z") == RECEIVED


def test_the_batchs_sent_at_holds_for_items_without_their_own() -> None:
    item = track(timestamp="2026-02-01T00:00:00Z")

    assert call(item, sent_at="2026-02-01T00:00:10Z").timestamp == RECEIVED - timedelta(seconds=10)
    own = call({**item, "sentAt": "2026-02-01T00:00:03Z"}, sent_at="2026-02-01T00:00:10Z")
    assert own.timestamp == RECEIVED - timedelta(seconds=3)


def test_original_timestamp_is_the_clients_time() -> None:
    assert at(originalTimestamp="2026-02-01T00:00:00Z") == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:00Z", 0),
        ("2026-01-01T00:00:00.250Z", 0.25),
        ("2026-01-01T01:00:00+01:00", 0),
        ("2026-01-01T00:00:00", 0),
        ("2026-01-01", 0),
        ("2026-01-01 00:00:01Z", 1),
        ("2026-01-01T00:00:00.123456789Z", 0.123456),
        (1767225600, 0),
        (1767225600500, 0.5),
    ],
)
def test_usual_ways_to_write_a_time_are_read(text: Any, seconds: float) -> None:
    assert instant(text) == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "soon", "2026-13-01", "x" * 10_000, True, None, {}, "9999-12-31T23:00:00-14:00"]
)
def test_what_is_no_time_is_none(text: Any) -> None:
    assert instant(text) is None


def test_times_before_1970_are_refused() -> None:
    assert reason(track(timestamp="1969-12-31T23:59:59Z")) == "invalid_timestamp"
    assert (
        reason(track(timestamp="0001-01-01T00:00:00Z", sentAt="9999-01-01T00:00:00Z")) == "invalid_timestamp"
    )


@given(original=MOMENTS, sent=st.none() | MOMENTS)
def test_a_corrected_time_is_never_in_the_future_nor_before_1970(
    original: datetime, sent: datetime | None
) -> None:
    found = corrected(original, sent, RECEIVED)

    assert found is None or EARLIEST <= found <= RECEIVED


@given(first=MOMENTS, second=MOMENTS, sent=MOMENTS)
def test_two_events_of_one_batch_keep_their_order(first: datetime, second: datetime, sent: datetime) -> None:
    early, late = sorted((first, second))

    before, after = corrected(early, sent, RECEIVED), corrected(late, sent, RECEIVED)

    assert before is None or (after is not None and before <= after)
