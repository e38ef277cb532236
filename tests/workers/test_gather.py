"""Hints that come while a turn is under way make one batch; none is forgotten."""

import threading
from collections.abc import Collection

import pytest

from workers.gather import Gather


def test_what_is_added_meanwhile_is_worked_on_together() -> None:
    turns: list[set[int]] = []
    gather: Gather[int]

    def work(items: Collection[int]) -> list[int]:
        turns.append(set(items))
        if len(turns) == 1:
            for number in (2, 3, 4):
                gather.add([number])
        return []

    gather = Gather(work)
    gather.add([1])

    assert turns == [{1}, {2, 3, 4}]


def test_what_is_left_is_taken_up_again() -> None:
    turns: list[set[int]] = []

    def work(items: Collection[int]) -> list[int]:
        turns.append(set(items))
        return [7] if len(turns) < 3 else []

    Gather(work).add([7])

    assert turns == [{7}, {7}, {7}]


def test_an_accident_does_not_stop_the_next_one() -> None:
    turns: list[set[int]] = []

    def work(items: Collection[int]) -> list[int]:
        turns.append(set(items))
        if len(turns) == 1:
            raise RuntimeError("poison")
        return []

    gather = Gather(work)
    with pytest.raises(RuntimeError):
        gather.add([1])
    gather.add([2])

    assert turns == [{1}, {2}]


def test_many_threads_lose_nothing() -> None:
    done: list[int] = []

    def work(items: Collection[int]) -> list[int]:
        done.extend(items)
        return []

    gather = Gather(work)
    threads = [threading.Thread(target=gather.add, args=([number],)) for number in range(200)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == list(range(200))
