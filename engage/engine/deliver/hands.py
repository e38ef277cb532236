"""Hands: threads for calls that wait for somebody else, as many as the waiting asks for and no more."""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LOOK_SECONDS = 0.005
"""How often it is judged whether more hands would help."""
BRISK = 4
"""Calls a hand makes between two looks while they are over so soon that another hand would only be in its way."""
ROOM_SECONDS = 0.25
"""How long a round waits for a share of the hands that is worth a reservation, before it goes on with fewer."""


class Room:
    """The hands that one round may use: nothing is reserved that none of them is free to call."""

    def __init__(self, hands: "Hands", count: int) -> None:
        """Hold `count` hands."""
        self._hands, self.count = hands, count

    def keep(self, count: int) -> None:
        """Let others have all but `count`."""
        self._hands.put_back(self.count - min(count, self.count))
        self.count = min(count, self.count)

    def do(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """See `Hands.do`; of these hands each is free for others as soon as there is nothing left for it."""
        self.keep(len(items))
        return self._hands.do(work, items, self._free_one)

    def _free_one(self) -> None:
        with self._hands.free:
            if self.count:
                self.count -= 1
                self._hands.put_back(1)


class Hands:
    """Does many things of one kind at once. Thread-safe: several rounds share the hands.

    Threads make calls overlap, but each hand-over between them costs as much as a quarter of a call: with a provider that
    answers within a millisecond one hand does best, with one that takes 200 ms all of them. So a round begins with half
    as many hands as the last one needed, and doubles them as long as it waits for answers.
    """

    def __init__(self, pool: ThreadPoolExecutor, most: int) -> None:
        """Work in `pool`, with at most `most` hands over all rounds."""
        self._pool, self._most = pool, most
        self._needed, self._free = 1, most
        self.free = threading.Condition(threading.RLock())

    @contextmanager
    def room(self) -> Iterator[Room]:
        """Hold the hands that are free, half of all at least or after a moment fewer; none, if all of them wait."""
        with self.free:
            self.free.wait_for(lambda: 2 * self._free >= self._most, ROOM_SECONDS)
            room, self._free = Room(self, self._free), 0
        try:
            yield room
        finally:
            room.keep(0)

    def put_back(self, count: int) -> None:
        """Let other rounds have so many hands again."""
        with self.free:
            self._free += count
            self.free.notify_all()

    def do(
        self, work: Callable[[T], R], items: Sequence[T], is_free: Callable[[], object] = lambda: None
    ) -> list[R]:
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
                try:
                    done.append(work(item))
                finally:
                    is_free()

        running = [self._pool.submit(hand) for _ in range(min(max(1, self._needed // 2), len(items)))]
        seen = 0
        while wait(running, LOOK_SECONDS if todo and len(running) < self._most else None).not_done:
            brisk, seen = len(done) - seen >= BRISK * len(running), len(done)
            more = 0 if brisk else min(len(running), self._most - len(running), len(todo))
            running += [self._pool.submit(hand) for _ in range(more)]
        self._needed = len(running)
        for future in running:
            future.result()
        return done


class Crews:
    """Hands by the kind of work: calls that wait for one provider leave the others their hands. Thread-safe."""

    def __init__(self, pool_of: Callable[[], ThreadPoolExecutor], most: int) -> None:
        """Make a pool for each kind, with at most `most` hands."""
        self._pool_of, self._most = pool_of, most
        self._lock = threading.Lock()
        self._hands: dict[tuple[Hashable, ...], Hands] = {}

    def of(self, *kind: Hashable) -> Hands:
        """Return the hands for one kind of work."""
        with self._lock:
            if kind not in self._hands:
                self._hands[kind] = Hands(self._pool_of(), self._most)
            return self._hands[kind]
