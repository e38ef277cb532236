"""Scheduler: several workers as threads of which one runs at a time, switched and killed by a seed.

Workers hand over where they could be interrupted in life: at the borders of transactions, around calls of providers,
and where they wait for a lock or for the clock. The same seed gives the same interleaving and the same deaths, so a
seed that finds a mistake finds it again.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from engage.domain.errors import EngageError

MAX_SWITCHES = 2_000_000
"""More means that the workers keep each other busy for ever."""


class KilledError(BaseException):
    """The process of a worker dies here. No handler for accidents may catch it."""


class StuckError(EngageError):
    """Nobody can go on: every worker waits for something that no other one will ever do."""


def _always() -> bool:
    return True


def _taken_lock() -> threading.Lock:
    """Return a lock to wait at. A semaphore says the same five times as slowly, and there are thousands of switches."""
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False)
class Worker:
    """One thread: it runs only while the scheduler waits for it."""

    name: str
    body: Callable[[], None]
    may_go_on: Callable[[], bool] = _always
    until: datetime | None = None
    """The instant it waits for, if it waits for the clock."""
    idle: bool = False
    """It has looked and found nothing to do at this instant."""
    done: bool = False
    doomed: bool = False
    error: BaseException | None = None
    _turn: threading.Lock = field(default_factory=_taken_lock)
    _thread: threading.Thread | None = None


class Scheduler:
    """Runs workers by a seed; `deaths` is the chance of dying at each place where that can happen."""

    def __init__(self, seed: int, *, deaths: float = 0.0, now: Callable[[], datetime]) -> None:
        self.random = Random(seed)  # noqa: S311  # choices of a test, no secrets
        self.switches = 0
        self.killed = 0
        self.stirs = 0
        self.trace: list[tuple[str, str]] = []
        """(worker, place) at each switch."""
        self._deaths, self._now = deaths, now
        self._back = _taken_lock()
        self._workers: list[Worker] = []
        self._running: Worker | None = None
        self.is_closing = False
        """Whether all threads are being ended; nobody is to be replaced any more."""

    def spawn(self, name: str, body: Callable[[], None]) -> None:
        """Add a worker; it starts when its turn comes."""
        self._workers.append(Worker(name, body))

    def stop_deaths(self) -> None:
        """Let everybody live from now on."""
        self._deaths = 0.0

    # --- called by workers

    @property
    def is_working(self) -> bool:
        """Whether a worker is running; else it is the test itself, which nothing interrupts."""
        return self._running is not None

    def pause(self, place: str) -> None:
        """Hand over; return when it is this worker's turn again.

        Raises:
            KilledError: this worker dies here.
        """
        worker = self._running
        if worker is None:
            return  # The test itself uses the store: it is no worker.
        worker.idle = False
        self.trace.append((worker.name, place))
        self._hand_over(worker)
        if worker.doomed or (self._deaths and self.random.random() < self._deaths):
            self.killed += not worker.doomed
            self.trace.append((worker.name, "dies"))
            raise KilledError(place)

    def wait(self, free: Callable[[], bool]) -> None:
        """Wait for a lock; the shape of `LockTable.wait`."""
        worker = self._running
        assert worker is not None  # only workers wait
        worker.may_go_on = free
        self._hand_over(worker)
        worker.may_go_on = _always
        if worker.doomed:
            raise KilledError("lock")

    def sleep_until(self, instant: datetime) -> None:
        """Wait for the clock."""
        worker = self._running
        if worker is None or instant <= self._now():
            return
        worker.until = instant
        self._hand_over(worker)
        worker.until = None
        if worker.doomed:
            raise KilledError("sleep")

    def rest(self, looked: int | None = None) -> None:
        """Say that there is nothing to do for this worker at this instant, and hand over.

        `looked` is `stirs` as it was before the worker looked: what has been done since then it has not seen.
        """
        worker = self._running
        assert worker is not None  # only workers rest
        worker.idle = looked is None or looked == self.stirs
        self._hand_over(worker)
        worker.idle = False
        if worker.doomed:
            raise KilledError("rest")

    def stir(self) -> None:
        """Say that something has been done: whoever found nothing to do looks again."""
        self.stirs += 1
        for worker in self._workers:
            worker.idle = False

    def _hand_over(self, worker: Worker) -> None:
        """Let whoever is chosen go on, and come back when that is this worker.

        The worker itself chooses: handing over to the driver first would be two switches of threads where there is often none.
        """
        following = None if self.is_closing else self._choose()
        if following is worker:
            return
        self._wake(following)
        worker._turn.acquire()

    # --- called by whoever drives

    def run(self) -> None:
        """Let workers run until all that live are idle, asleep, or done.

        Raises:
            StuckError: they wait for each other, or never come to rest.
        """
        for worker in self._workers:
            worker.idle = False
        while (chosen := self._choose()) is not None:
            self._wake(chosen)
            self._wait()
        living = [worker for worker in self._workers if not worker.done]
        blocked = [w.name for w in living if w.until is None and not w.idle]
        if self.switches > MAX_SWITCHES:
            raise StuckError(f"no rest after {MAX_SWITCHES} switches")
        if blocked and all(w.until is None for w in living):
            raise StuckError(f"waiting for ever: {', '.join(blocked)}")

    def _choose(self) -> Worker | None:
        """Return who goes on; none if nobody can, or it has gone on for too long."""
        ready = [worker for worker in self._workers if not worker.done and self._is_ready(worker)]
        if not ready or self.switches > MAX_SWITCHES:
            return None
        self.switches += 1
        return ready[self.random.randrange(len(ready))]

    def next_wake(self) -> datetime | None:
        """Return the earliest instant that a sleeping worker waits for."""
        return min((w.until for w in self._workers if not w.done and w.until is not None), default=None)

    def close(self) -> None:
        """End all threads."""
        self.is_closing = True
        for worker in self._workers:
            while not worker.done:
                worker.doomed = True
                if worker._thread is None:
                    worker.done = True
                else:
                    self._wake(worker)
                    self._wait()

    def _is_ready(self, worker: Worker) -> bool:
        if worker.until is not None:
            return worker.until <= self._now()
        return not worker.idle and worker.may_go_on()

    def _wake(self, worker: Worker | None) -> None:
        """Let one worker go on, or the driver."""
        self._running = worker
        if worker is None:
            self._back.release()
        elif worker._thread is None:
            worker._thread = threading.Thread(target=self._live, args=(worker,), daemon=True)
            worker._thread.start()
        else:
            worker._turn.release()

    def _wait(self) -> None:
        """Wait, as the driver, until nobody goes on; raise what a worker failed with."""
        self._back.acquire()
        for worker in self._workers:
            if worker.error is not None:
                error, worker.error = worker.error, None
                raise error

    def _live(self, worker: Worker) -> None:
        try:
            worker.body()
        except KilledError:
            pass
        except BaseException as exc:
            worker.error = exc
        finally:
            worker.done = True
            self._wake(None if self.is_closing or worker.error is not None else self._choose())
