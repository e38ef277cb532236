"""Slowing: half as fast after each complaint, and the full rate again by and by."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engage.domain.delivery.slowing import BURST, HALVED_EVERY, MOST, Slowness, slowed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_complaint_halves_the_rate_and_time_gives_it_back() -> None:
    slow = slowed(None, NOON, "20429")

    assert slow.factor_at(NOON) == 2
    assert slow.factor_at(NOON + HALVED_EVERY / 2) < 2
    assert slow.factor_at(NOON + 2 * HALVED_EVERY) == 1


def test_complaints_that_come_together_are_one() -> None:
    slow = slowed(None, NOON, "20429")

    assert slowed(slow, NOON + BURST / 2, "30022") == slow
    assert slowed(slow, NOON + BURST, "30022").factor > 3


@given(st.lists(st.floats(0, 600), max_size=30))
def test_it_is_never_slower_than_the_slowest_nor_faster_than_its_rate(waits: list[float]) -> None:
    known: Slowness | None = None
    now = NOON
    for wait in waits:
        now += timedelta(seconds=wait)
        known = slowed(known, now, "20429")
        assert 1 <= known.factor_at(now) <= MOST
        assert known.factor_at(now + timedelta(days=1)) == 1
