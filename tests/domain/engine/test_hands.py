"""Calls that wait for a provider: as many hands as help, and no reservation that no hand is free to call."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from engage.engine.deliver.hands import Hands, Room

MOST = 8


@pytest.fixture
def hands() -> Iterator[Hands]:
    with ThreadPoolExecutor(MOST) as pool:
        yield Hands(pool, MOST)


def test_everything_is_done_once(hands: Hands) -> None:
    with hands.room() as room:
        assert sorted(room.do(lambda number: number * 2, list(range(100)))) == list(range(0, 200, 2))


def test_hands_that_wait_are_not_offered_to_the_next_round_and_those_that_are_done_are(hands: Hands) -> None:
    answer, waiting = threading.Event(), threading.Semaphore(0)

    def call(number: int) -> int:
        if number < 3:
            waiting.release()
            assert answer.wait(10)
        return number

    def round_of_calls() -> None:
        with hands.room() as room:
            room.do(call, list(range(5)))

    first = threading.Thread(target=round_of_calls)
    first.start()
    for _ in range(3):
        waiting.acquire(timeout=10)
    while hands._free < 5:
        time.sleep(0.001)

    with hands.room() as room:
        assert room.count == MOST - 3
        room.keep(0)
        with hands.room() as another:
            assert another.count == MOST - 3
    answer.set()
    first.join()
    with hands.room() as room:
        assert room.count == MOST


def test_a_round_finds_no_room_where_all_hands_wait(hands: Hands) -> None:
    with hands.room() as room:
        assert room.count == MOST
        with hands.room() as another:
            assert another.count == 0


def test_a_mistake_in_one_call_leaves_all_hands_free(hands: Hands) -> None:
    def call(number: int) -> int:
        return 1 // (number - 2)

    def round_of_calls(room: Room) -> None:
        room.do(call, list(range(5)))

    with hands.room() as room, pytest.raises(ZeroDivisionError):
        round_of_calls(room)

    with hands.room() as room:
        assert room.count == MOST
