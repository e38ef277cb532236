"""Daily caps: what is refused today may leave when the cap renews, whatever the clocks do that night."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.delivery.daily_cap import DailyCap

CARRIERS = ZoneInfo("America/Los_Angeles")


@pytest.mark.parametrize(
    ("refused", "again"),
    [
        ("2026-03-01T12:00Z", "2026-03-02T08:00Z"),
        ("2026-03-01T07:59Z", "2026-03-01T08:00Z"),
        ("2026-03-01T08:00Z", "2026-03-02T08:00Z"),
        ("2026-03-08T09:00Z", "2026-03-09T07:00Z"),  # an hour shorter
        ("2026-11-01T07:00Z", "2026-11-02T08:00Z"),  # an hour longer
    ],
)
def test_the_carriers_day_begins_at_midnight_in_los_angeles(refused: str, again: str) -> None:
    assert DailyCap.CARRIERS_DAY.renews_at(datetime.fromisoformat(refused)) == datetime.fromisoformat(again)


def test_a_rolling_day_is_24_hours() -> None:
    at = datetime(2026, 3, 8, 9, tzinfo=UTC)

    assert DailyCap.ROLLING_DAY.renews_at(at) == at + timedelta(hours=24)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), st.sampled_from(DailyCap))  # noqa: DTZ001
def test_it_is_later_by_at_most_25_hours(naive: datetime, cap: DailyCap) -> None:
    at = naive.replace(tzinfo=UTC)
    again = cap.renews_at(at)

    assert timedelta(0) < again - at <= timedelta(hours=25)
    if cap is DailyCap.CARRIERS_DAY:
        assert again.astimezone(CARRIERS).time().isoformat() == "00:00:00"
