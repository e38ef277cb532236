"""Slots: however late calls start and however long they take, no second at the provider holds more than the rate."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from engage.domain.delivery.slots import give_slots

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_without_a_bound_slots_follow_each_other() -> None:
    assert give_slots(NOON, after(1), 0.5, [1, 1, 1, 1]) == (
        [NOON, after(0.5), after(1)],
        after(1.5),
    )


def test_a_call_that_is_open_keeps_others_from_starting() -> None:
    opened = [(after(60), 1), (after(0.7), 1)]

    assert give_slots(NOON, after(1), 0.5, [1, 1], opened, 2) == ([after(0.7)], after(1.2))
    assert give_slots(NOON, after(1), 0.5, [1], [(after(60), 2)], 2) == ([], NOON)


def test_what_costs_more_than_a_second_holds_goes_alone() -> None:
    assert give_slots(NOON, after(9), 0.5, [7], [], 2)[0] == [NOON]
    assert give_slots(NOON, after(9), 0.5, [7], [(after(0.3), 1)], 2)[0] == [after(0.3)]


Turns = st.lists(
    st.lists(st.tuples(st.integers(1, 2), st.integers(0, 900), st.integers(0, 1500)), min_size=1, max_size=5),
    max_size=12,
)
"""Of each turn the calls: cost, how late it starts, and how long it takes, in ms."""


@given(st.integers(1, 6), Turns, st.randoms(use_true_random=False))
def test_no_second_holds_more_than_the_rate(
    rate: int, turns: list[list[tuple[int, int, int]]], random: Random
) -> None:
    """Turns of several workers: each sees of a call that is under way only that it is."""
    now, following = NOON, NOON
    counted: list[tuple[datetime, datetime, int]] = []  # told at, counts until, cost
    arrivals: list[tuple[datetime, int]] = []
    for turn in turns:
        opened = [(until if told <= now else NOON + timedelta(days=1), cost) for told, until, cost in counted]
        costs = [min(cost, rate) for cost, _, _ in turn]
        slots, following = give_slots(
            max(following, now), now + SECOND, 1 / rate, costs, [o for o in opened if o[0] > now], rate
        )
        ends = []
        for slot, (_, late, takes), cost in zip(slots, turn, costs, strict=False):
            start = slot + timedelta(milliseconds=late)
            end = start + timedelta(milliseconds=takes)
            arrivals.append((start + random.random() * (end - start), cost))
            ends.append((end, cost))
        told = max((end for end, _ in ends), default=now)
        counted += [(told, end + SECOND, cost) for end, cost in ends]
        now += random.choice([timedelta(milliseconds=1), SECOND / 3, 2 * SECOND])

    for at, _ in arrivals:
        assert sum(cost for other, cost in arrivals if at <= other < at + SECOND) <= rate
