"""Lines: turns that wait for a provider, in threads of their own, so that no task and no other channel waits with them."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import structlog

from engage.domain.delivery.delivery import Channel, Priority
from workers.gather import Gather

log = structlog.get_logger(__name__)

AT_ONCE = 16
"""Turns of one channel and class at once: one call that hangs for as long as its time-out must not hold up those behind it."""
CALM, HASTE = 1.0, 0.05
"""Seconds after which a turn counts as waiting for its provider: longer than one takes on a busy machine, where several at
once would only be smaller. A code is not to wait for the one before it."""

Turn = Callable[[Channel, Priority], bool]


class Line:
    """One channel and class. Thread-safe."""

    def __init__(self, turn: Callable[[], bool], later: Callable[[], object], *, patience: float) -> None:
        """`turn` says whether there is more; `later` has others told of it."""
        self._turn, self._later = turn, later
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE + 1, thread_name_prefix="line")
        self._gather: Gather[str] = Gather(self._once, self._left, most=1, at_once=AT_ONCE, patience=patience)

    def hint(self) -> None:
        """Have turns taken as long as there is more, soon; returns at once."""
        if not self._closing.is_set():
            self._pool.submit(self._go)

    def close(self) -> None:
        """Let the turns that are under way end, with their calls, and begin no other."""
        self._closing.set()
        self._pool.shutdown(cancel_futures=True)

    def _go(self) -> None:
        try:
            self._gather.add(["hinted"])
        except Exception:
            log.exception("deliver.failed")

    def _once(self, _: Collection[str]) -> tuple[str, ...]:
        return ("more",) if not self._closing.is_set() and self._turn() else ()

    def _left(self, left: Collection[str]) -> None:
        if left:
            self._later()


class Lines:
    """All lines of a process, each made when first hinted at. Thread-safe."""

    def __init__(self, turn: Turn, later: Callable[[Channel, Priority], object]) -> None:
        """`turn` takes one turn of a channel and class and says whether there is more; `later` has others told of it."""
        self._turn, self._later = turn, later
        self._lock = threading.Lock()
        self._lines: dict[tuple[Channel, Priority], Line] = {}

    def hint(self, channel: Channel, priority: Priority) -> None:
        """See `Line.hint`."""
        with self._lock:
            line = self._lines.get((channel, priority))
            if line is None:
                line = self._lines[channel, priority] = Line(
                    lambda: self._turn(channel, priority),
                    lambda: self._later(channel, priority),
                    patience=HASTE if priority is Priority.URGENT else CALM,
                )
        line.hint()

    def close(self) -> None:
        """See `Line.close`."""
        with self._lock:
            lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            line.close()
