"""Hints that come while a turn is under way make one batch; none is forgotten."""

import threading
import time
from collections.abc import Callable, Collection, Iterable

import pytest

from workers.gather import ROUNDS, Gather


def _nobody(left: Collection[int]) -> None:
    assert not left


def _gather(work: Callable[[Collection[int]], Iterable[int]]) -> Gather[int]:
    return Gather(work, _nobody, most=100)


def test_what_is_added_meanwhile_is_worked_on_together() -> None:
    turns: list[set[int]] = []
    gather: Gather[int]

    def work(items: Collection[int]) -> list[int]:
        turns.append(set(items))
        if len(turns) == 1:
            for number in (2, 3, 4):
                gather.add([number])
        return []

    gather = _gather(work)
    gather.add([1])

    assert turns == [{1}, {2, 3, 4}]


def test_what_is_left_is_taken_up_again() -> None:
    turns: list[set[int]] = []

    def work(items: Collection[int]) -> list[int]:
        turns.append(set(items))
        return [7] if len(turns) < 3 else []

    _gather(work).add([7])

    assert turns == [{7}, {7}, {7}]


def test_an_accident_does_not_stop_the_next_one() -> None:
    turns: list[set[int]] = []

    def work(items: Collection[int]) -> list[int]:
        turns.append(set(items))
        if len(turns) == 1:
            raise RuntimeError("poison")
        return []

    gather = _gather(work)
    with pytest.raises(RuntimeError):
        gather.add([1])
    gather.add([2])

    assert turns == [{1}, {2}]


def test_many_threads_lose_nothing() -> None:
    done: list[int] = []

    def work(items: Collection[int]) -> list[int]:
        done.extend(items)
        return []

    gather = _gather(work)
    threads = [threading.Thread(target=gather.add, args=([number],)) for number in range(200)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == list(range(200))


def test_a_turn_takes_no_more_than_its_share_and_the_oldest_first() -> None:
    turns: list[set[int]] = []

    def work(items: Collection[int]) -> list[int]:
        turns.append(set(items))
        return []

    Gather(work, _nobody, most=2).add([5, 4, 3, 2, 1])

    assert turns == [{5, 4}, {3, 2}, {1}]


def test_what_has_no_end_is_left_to_others_after_some_rounds() -> None:
    turns = 0
    left: list[int] = []

    def work(items: Collection[int]) -> Collection[int]:
        nonlocal turns
        turns += 1
        return items

    gather = Gather(work, left.extend, most=100)
    gather.add([7])

    assert (turns, left) == (ROUNDS, [7])
    gather.add([8])
    assert turns == 2 * ROUNDS


def test_a_turn_that_waits_for_somebody_holds_up_nobody_who_comes_after_it() -> None:
    answered, second = threading.Event(), threading.Event()

    def work(items: Collection[int]) -> list[int]:
        if 1 in items:
            assert answered.wait(10)
        else:
            second.set()
        return []

    gather = Gather(work, _nobody, most=100, at_once=2, patience=0.01)
    first = threading.Thread(target=gather.add, args=([1],))
    first.start()
    while gather._waiting or not gather._running:
        time.sleep(0.001)
    gather.add([2])

    assert second.is_set()
    answered.set()
    first.join()


def test_a_turn_that_ends_in_time_takes_along_what_came_meanwhile() -> None:
    began, turns = threading.Event(), list[set[int]]()
    asking = threading.Event()

    def work(items: Collection[int]) -> list[int]:
        turns.append(set(items))
        began.set()
        assert asking.wait(10)
        return []

    gather = Gather(work, _nobody, most=100, at_once=2, patience=30)
    first = threading.Thread(target=gather.add, args=([1],))
    first.start()
    assert began.wait(10)
    others = [threading.Thread(target=gather.add, args=([number],)) for number in (2, 3)]
    for thread in others:
        thread.start()
    while len(gather._waiting) < 2:
        time.sleep(0.001)
    asking.set()
    for thread in (first, *others):
        thread.join()

    assert turns == [{1}, {2, 3}]


def test_no_more_turns_go_on_at_once_than_may() -> None:
    lock, running, most = threading.Lock(), 0, 0
    over = threading.Event()

    def work(items: Collection[int]) -> list[int]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        over.wait(0.02)
        with lock:
            running -= 1
        done.extend(items)
        return []

    done: list[int] = []
    gather = Gather(work, _nobody, most=1, at_once=3, patience=0.001)
    threads = [threading.Thread(target=gather.add, args=([number],)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == list(range(30))
    assert 1 < most <= 3
