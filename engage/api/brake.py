"""The brake: once what was taken in waits for digest, events are taken in no faster than they are digested."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from engage.domain.ids import LANES
from engage.ports.storage import Backlog, StorageAwayError

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.25
LATE_SECONDS = 1.0
"""How long a fact should wait for digest at most, where it is for us to say."""
STILL_SECONDS = 5.0
"""A lane in which nothing moved for so long is not late: nobody digests it. Whatever happens to workers, what comes is stored."""
LEAST = 200.0
"""Events a second that every process takes in however late they all are: a trickle makes no flood."""
SHARE = 0.5
"""Of what is digested may be taken in however late all of it is: who comes back from an outage is not turned away until its
backlog is gone."""
NEWS = 0.3
"""How much the last look counts in what is lately seen."""
IDLE_LOOKS = 8
"""Without an event, after which nobody looks any more."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    backlog: Backlog
    stored: int
    """Events by this process, since it began."""

    @property
    def waiting(self) -> float:
        """Facts not digested, as the numbers of the oldest in each lane tell: people fall into lanes evenly."""
        newest = self.backlog.newest
        return sum(newest - oldest + 1 for oldest in self.backlog.oldest.values()) / LANES


@dataclass(slots=True)
class _Paces:
    """Facts a second."""

    stored: float
    """By all processes, of whatever kind."""
    ours: float
    """Events stored by this process."""
    digested: float

    def learn(self, seen: "_Paces") -> None:
        self.stored += NEWS * (seen.stored - self.stored)
        self.ours += NEWS * (seen.ours - self.ours)
        self.digested += NEWS * (seen.digested - self.digested)


def _paces(last: _Look, look: _Look) -> _Paces:
    seconds = look.at - last.at
    stored = (look.backlog.newest - last.backlog.newest) / seconds
    return _Paces(
        stored=stored,
        ours=(look.stored - last.stored) / seconds,
        digested=max(0.0, stored - (look.waiting - last.waiting) / seconds),
    )


@dataclass(slots=True)
class Brake:
    """Says how many events a second may be stored by this process. Instants are of the monotonic clock.

    Judged is not by facts' times, which are of several machines' clocks, but by their numbers: when a number was the newest
    was seen, and so how long the oldest has waited.
    """

    rate: float = math.inf
    """Events a second."""
    _last: _Look | None = None
    _newest: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=round(60 / LOOK_SECONDS)))
    """When which number was the newest."""
    _moved: dict[int, float] = field(default_factory=dict)
    """When it was last seen that the oldest of a lane is digested."""
    _paces: "_Paces | None" = None
    """As seen while facts were late: where they are not, nobody knows how many could be digested."""
    _allowance: float = 0.0
    _since: float = 0.0

    def saw(self, backlog: Backlog, at: float, stored: int) -> None:
        """Learn from a look; `stored` events were stored by this process since it began."""
        last, look = self._last, _Look(at, backlog, stored)
        self._last = look
        self._newest.append((at, backlog.newest))
        if last is None or at - last.at > IDLE_LOOKS * LOOK_SECONDS:
            self._release()
            return
        moved = [lane for lane, oldest in last.backlog.oldest.items() if backlog.oldest.get(lane) != oldest]
        self._moved.update(dict.fromkeys(moved, at))
        if self._late(look) < LATE_SECONDS / 2:
            self._release()
        elif moved:
            self._hold(last, look)

    def _late(self, look: _Look) -> float:
        """Return how long the oldest fact of the lanes that move has waited."""
        moving = [
            oldest
            for lane, oldest in look.backlog.oldest.items()
            if look.at - self._moved.get(lane, -math.inf) < STILL_SECONDS
        ]
        if not moving:
            return 0.0
        first = min(moving)
        return look.at - next(at for at, newest in self._newest if newest >= first)

    def _hold(self, last: _Look, look: _Look) -> None:
        """Take in what keeps the wait at `LATE_SECONDS`: of what all processes stored, this one keeps its share."""
        if self._paces is None:
            self._paces, self._allowance, self._since = _paces(last, look), 0.0, look.at
        else:
            self._paces.learn(_paces(last, look))
        paces = self._paces
        wanted = max(SHARE * paces.digested, (1 + LATE_SECONDS) * paces.digested - look.waiting)
        self.rate = max(LEAST, wanted * min(1.0, paces.ours / max(paces.stored, 1.0)))

    def _release(self) -> None:
        self.rate, self._paces = math.inf, None

    def lets(self, at: float) -> bool:
        """Return whether an event may be stored now."""
        if math.isinf(self.rate):
            return True
        saved = self._allowance + (at - self._since) * self.rate
        self._allowance, self._since = min(saved, self.rate * LOOK_SECONDS), at
        return self._allowance > 0

    def spend(self, events: int) -> None:
        """Count events that are being stored; a batch is let in whole, and those behind it wait the longer."""
        self._allowance -= events


class Lookout:
    """Looks at the backlog from a thread of its own, while events come."""

    def __init__(self, look: Callable[[], Backlog], brake: Brake) -> None:
        """Tell `brake` what `look` returns."""
        self._look, self._brake = look, brake
        self._stored = 0
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lookout")

    def stored(self, events: int) -> None:
        """Count events that were stored, and look out as long as there are more."""
        self._stored += events
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()

    async def _watch(self) -> None:
        loop, idle, before = asyncio.get_running_loop(), 0, -1
        while idle < IDLE_LOOKS or not math.isinf(self._brake.rate):
            idle, before = (idle + 1 if self._stored == before else 0), self._stored
            try:
                backlog = await loop.run_in_executor(self._thread, self._look)
            except StorageAwayError:
                pass
            except Exception:
                log.exception("brake.blind")
            else:
                self._brake.saw(backlog, loop.time(), self._stored)
            await asyncio.sleep(LOOK_SECONDS)
