"""A sender's rate: no second above it, segments counted, every journey its share, nobody behind a stranger's backlog."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.engine.house import START, House

SECOND = timedelta(seconds=1)


def house(rate: str = "10 per second") -> House:
    return House(settings={"senders": {"sms": {"number": "+15005550006", "rate": rate}}})


def journey(name: str, text: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"journey": name, "trigger": {"event": name}, "steps": [{"sms": {"text": text}, **more}]}


def crowd(house: House, event: str, count: int) -> None:
    for number in range(count):
        house.identify(f"{event}-{number}", phone=f"+1415{len(event):03d}{number:04d}")
        house.track(f"{event}-{number}", event)


def taken(house: House) -> list[tuple[float, str]]:
    """When each message left, in seconds from the start, and of which journey."""
    found = house.store.look().deliveries.table.rows
    journeys = {key: row.doc for key, row in found.items()}
    return [
        (
            (message.at - START).total_seconds(),
            "slow" if b'"journey":"slow"' in bytes(journeys[message.delivery]) else "quick",
        )
        for message in house.providers.messages()
    ]


def test_a_backlog_of_one_journey_does_not_stand_before_another_ones_first_message() -> None:
    shop = house()
    shop.publish(journey("slow"), journey("quick"))
    crowd(shop, "slow", 120)
    shop.world.run_until(START + SECOND)
    crowd(shop, "quick", 60)
    shop.world.run_until(START + 6 * SECOND)

    shares = Counter(name for at, name in taken(shop) if 1 <= at < 6)

    assert sum(shares.values()) >= 48
    assert shares["quick"] >= 0.4 * sum(shares.values())
    assert shares["slow"] >= 0.4 * sum(shares.values())


@settings(max_examples=6, deadline=None)
@given(
    slow=st.integers(0, 16),
    quick=st.integers(0, 16),
    later=st.integers(0, 3000),
    rate=st.integers(2, 6),
)
def test_no_second_holds_more_than_the_rate_and_everything_leaves(
    slow: int, quick: int, later: int, rate: int
) -> None:
    shop = house(f"{rate} per second")
    shop.publish(journey("slow"), journey("quick"))
    crowd(shop, "slow", slow)
    shop.world.run_until(START + later * timedelta(milliseconds=1))
    crowd(shop, "quick", quick)
    shop.world.run_until(START + 60 * SECOND)

    times = sorted(at for at, _ in taken(shop))

    assert len(times) == slow + quick
    assert all(late - early >= 1 - 1e-5 for early, late in zip(times, times[rate:], strict=False))


def test_a_long_text_takes_as_many_slots_as_it_has_segments() -> None:
    shop = house("3 per second")
    shop.publish(journey("slow", text="x" * 400))
    crowd(shop, "slow", 4)
    shop.world.run_until(START + 60 * SECOND)

    assert [at for at, _ in taken(shop)] == pytest.approx([0, 1, 2, 3], abs=0.11)


def test_what_expires_before_its_place_comes_is_skipped_when_it_expires() -> None:
    shop = house("1 per second")
    shop.publish(journey("slow", expires="5 seconds"))
    crowd(shop, "slow", 10)
    shop.world.run_until(START + 60 * SECOND)

    assert len(taken(shop)) == 5
