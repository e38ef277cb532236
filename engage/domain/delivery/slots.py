"""Slots: when the calls of a sender with a rate may start."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil


def give_slots(
    slot: datetime,
    last: datetime,
    spacing: float,
    costs: Sequence[int],
    opened: Iterable[tuple[datetime, int]] = (),
    most: int | None = None,
) -> tuple[list[datetime], datetime]:
    """Return a slot for each cost in order, the first at `slot` and none after `last`, and where the next would be.

    A slot lasts `spacing` seconds times its cost, rounded up: never more than the rate, by no microsecond. With `most`, the costs of open calls never exceed it: `opened` are calls that
    count until an instant, and so do those that get a slot here. A call that costs more than `most` is let through alone.
    """
    step = timedelta(microseconds=ceil(spacing * 1_000_000))
    waiting = sorted(opened)
    running = sum(cost for _, cost in waiting)
    given: list[datetime] = []
    following = slot
    for cost in costs:
        weight = cost if most is None else min(cost, most)
        while most is not None and waiting and running + weight > most:
            over, freed = waiting.pop(0)
            running -= freed
            following = max(following, over)
        if following > last or (most is not None and running + weight > most):
            break
        given.append(following)
        running += weight
        slot = following = following + step * cost
    return given, slot
