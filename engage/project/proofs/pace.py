"""How many messages somebody can get within 24 hours on any way through a journey."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from engage.domain.forms import read_duration
from engage.project.proofs.outline import StepAt, text_at
from engage.project.proofs.subject import duration_at
from engage.project.yaml.nodes import Position, Scalar

MOST_A_DAY = 3
"""Marketing messages a day that nobody complains of; more is a warning."""
_DAY = timedelta(hours=24)
_SHORTEST_DAY = timedelta(hours=23)
"""From a time on the wall to the same one the next day, when the clocks go forward."""
_MAX_WAYS = 256
"""Ways looked at in parallel; beyond, the busiest are kept."""
_MAX_TURNS = 30


@dataclass(frozen=True, slots=True)
class Busy:
    """So many messages within a day, the last of them at this place."""

    count: int
    position: Position


@dataclass(frozen=True, slots=True)
class _Way:
    """The sends of the last 24 hours on one way, as ages; the clock stands at the newest step."""

    ages: tuple[timedelta, ...] = ()
    ended: bool = False
    wall: tuple[str, timedelta] | None = None
    """The time of day that was last waited for, and how long ago that was."""

    def later(self, by: timedelta) -> "_Way":
        wall = None if self.wall is None else (self.wall[0], self.wall[1] + by)
        return _Way(tuple(age + by for age in self.ages if age + by < _DAY), self.ended, wall)

    def sent(self) -> "_Way":
        return replace(self, ages=(timedelta(0), *self.ages))

    def until(self, at: str) -> "_Way":
        """Wait for a time of day: it may be any moment now, but for the same time again it takes a day."""
        same = self.wall is not None and self.wall[0] == at and self.wall[1] < _SHORTEST_DAY
        rest = _SHORTEST_DAY - self.wall[1] if same and self.wall is not None else timedelta(0)
        return replace(self.later(rest), wall=(at, timedelta(0)))


class _Walk:
    def __init__(self, counts: Callable[[Scalar | None], bool]) -> None:
        self.counts = counts
        self.worst: Busy | None = None

    def through(self, steps: list[StepAt], ways: set[_Way]) -> set[_Way]:
        for step in steps:
            going = {way for way in ways if not way.ended}
            ways = self._few({way for way in ways if way.ended} | self._step(step, going))
        return ways

    def _few(self, ways: set[_Way]) -> set[_Way]:
        if len(ways) <= _MAX_WAYS:
            return ways
        return set(sorted(ways, key=lambda way: (-len(way.ages), way.ages))[:_MAX_WAYS])

    def _step(self, step: StepAt, ways: set[_Way]) -> set[_Way]:
        blocks = dict(step.blocks)
        match step.verb:
            case "exit":
                return {replace(way, ended=True) for way in ways}
            case "wait":
                pause = read_duration(step.value.value()) or timedelta(0)
                return {way.later(pause) for way in ways}
            case "wait_until":
                at = None if step.value.child("at") is not None else text_at(step.value, "time")
                return ways if at is None else {way.until(str(at.data)) for way in ways}
            case "wait_for":
                timeout = duration_at(step.value, "timeout") or timedelta(0)
                found = {way.later(timeout) for way in ways}
                found = self.through(blocks["on_timeout"], found) if "on_timeout" in blocks else found
                return found | self._any(step, ways, without="on_timeout")
            case "branch":
                return self._any(step, ways) | (set() if "else" in blocks else ways)
            case "split":
                return self._any(step, ways) or ways
            case "repeat":
                return self._turns(step, ways)
            case _:
                return self._send(step, ways)

    def _any(self, step: StepAt, ways: set[_Way], without: str = "") -> set[_Way]:
        found: set[_Way] = set()
        for suffix, block in step.blocks:
            if suffix != without:
                found |= self.through(block, ways)
        return found if step.blocks and any(suffix != without for suffix, _ in step.blocks) else set(ways)

    def _turns(self, step: StepAt, ways: set[_Way]) -> set[_Way]:
        times = step.value.child("times")
        count = times.data if isinstance(times, Scalar) and isinstance(times.data, int) else 1
        every = set(ways)
        for _ in range(min(count, _MAX_TURNS)):
            ways = self.through([inner for _, block in step.blocks for inner in block], ways)
            every |= ways
        return every

    def _send(self, step: StepAt, ways: set[_Way]) -> set[_Way]:
        sends = [send for send in step.sends() if self.counts(send.topic)]
        if not sends:
            return ways
        found = {way.sent() for way in ways}  # `reach` asks several channels, for one message
        for way in found:
            if len(way.ages) > MOST_A_DAY and (self.worst is None or len(way.ages) > self.worst.count):
                self.worst = Busy(len(way.ages), step.position)
        return found


def busiest_day(steps: list[StepAt], counts: Callable[[Scalar | None], bool]) -> Busy | None:
    """Return where more than `MOST_A_DAY` messages meet within 24 hours, and how many; None if nowhere.

    `counts` says by topic whether a message counts. Waits for an instant of the calendar are taken as no time at all,
    waits for something to happen as either no time or all of it.
    """
    walk = _Walk(counts)
    walk.through(steps, {_Way()})
    return walk.worst
