"""Hands: threads for calls that wait for somebody else, as many as the waiting asks for and no more."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LOOK_SECONDS = 0.005
"""How often it is judged whether more hands would help."""
BRISK = 4
"""Calls a hand makes between two looks while they are over so soon that another hand would only be in its way."""


class Hands:
    """Does many things of one kind at once. Thread-safe.

    Threads make calls overlap, but each hand-over between them costs as much as a quarter of a call: with a provider that
    answers within a millisecond one hand does best, with one that takes 200 ms all of them. So a round begins with half
    as many hands as the last one needed, and doubles them as long as it waits for answers.
    """

    def __init__(self, pool: ThreadPoolExecutor, most: int) -> None:
        """Work in `pool`, with at most `most` hands a round."""
        self._pool, self._most = pool, most
        self._needed = 1

    def do(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Return `work` of every item, begun in their order, in no particular order.

        Raises:
            Exception: what `work` raised; everything that was begun has ended by then.
        """
        todo, done = deque(items), list[R]()

        def hand() -> None:
            while True:
                try:
                    item = todo.popleft()
                except IndexError:
                    return
                done.append(work(item))

        running = [self._pool.submit(hand) for _ in range(min(max(1, self._needed // 2), len(items)))]
        seen = 0
        while wait(running, LOOK_SECONDS).not_done:
            brisk, seen = len(done) - seen >= BRISK * len(running), len(done)
            more = 0 if brisk else min(len(running), self._most - len(running), len(todo))
            running += [self._pool.submit(hand) for _ in range(more)]
        self._needed = len(running)
        for future in running:
            future.result()
        return done
