"""Events wait where they can be told to come back, not behind each other in the inbox: played on a clock of its own."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from engage.api.brake import LATE_SECONDS, LEAST, LOOK_SECONDS, SHARE, STILL_SECONDS, Brake
from engage.domain.ids import LANES
from engage.ports.storage import Backlog

STEP = 0.01


@dataclass
class Stack:
    """Processes that store and a digest that takes so many facts a second, the lanes evenly."""

    digested_per_s: float
    processes: int = 1
    others_per_s: float = 0.0
    """Facts that nobody holds back: webhooks, outcomes."""
    at: float = 1_000.0
    stuck: int | None = None
    """A lane whose oldest fact nobody can digest."""
    newest: int = 0
    digested: float = 0.0
    owed: float = 0.0
    brakes: list[Brake] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    refused: int = 0
    waited: list[float] = field(default_factory=list)
    """How many seconds' work the backlog was, at every step."""

    def __post_init__(self) -> None:
        self.brakes = [Brake() for _ in range(self.processes)]
        self.stored = [0] * self.processes

    @property
    def backlog(self) -> float:
        return self.newest - self.digested

    def look(self) -> Backlog:
        first = math.floor(self.digested)
        oldest = {seq % LANES: seq for seq in range(first + 1, min(self.newest, first + LANES) + 1)}
        if self.stuck is not None:
            oldest[self.stuck] = 1
        return Backlog(newest=self.newest, oldest=oldest)

    def play(self, seconds: float, offered_per_s: Callable[[float], float], batch: int = 1) -> None:
        """Offer so many events a second to every process; what is not let in is refused."""
        looked, offered = self.at, [0.0] * self.processes
        for _ in range(round(seconds / STEP)):
            self.at += STEP
            self.owed += self.others_per_s * STEP
            self.newest += math.floor(self.owed)
            self.owed %= 1
            for number, brake in enumerate(self.brakes):
                offered[number] += offered_per_s(self.at) * STEP
                while offered[number] >= batch:
                    offered[number] -= batch
                    self._offer(number, brake, batch)
            self.digested = min(float(self.newest), self.digested + self.digested_per_s * STEP)
            self.waited.append(self.backlog / max(self.digested_per_s, 1.0))
            if self.at - looked >= LOOK_SECONDS:
                looked = self.at
                for brake, stored in zip(self.brakes, self.stored, strict=True):
                    brake.saw(self.look(), self.at, stored)

    def _offer(self, number: int, brake: Brake, batch: int) -> None:
        if brake.lets(self.at):
            brake.spend(batch)
            self.stored[number] += batch
            self.newest += batch
        else:
            self.refused += batch


def flood(per_s: float) -> Callable[[float], float]:
    return lambda _: per_s


def last(waited: Iterable[float], seconds: float) -> list[float]:
    return list(waited)[-round(seconds / STEP) :]


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("times", [1.5, 3, 10])
@pytest.mark.parametrize("digested", [700, 5_000, 20_000])
@pytest.mark.parametrize("processes", [1, 3])
def test_in_a_flood_a_fact_waits_about_a_second_and_digest_has_always_work(
    digested: int, times: float, batch: int, processes: int
) -> None:
    stack = Stack(digested, processes=processes)
    stack.play(3, flood(0.3 * digested / processes), batch)
    # However many come, no process stores more than some three times what is digested.
    stack.play(20, flood(min(times, 3) * digested / processes), batch)

    assert max(stack.waited) < 3 * LATE_SECONDS
    settled = last(stack.waited, 10)
    assert max(settled) < 1.5 * LATE_SECONDS
    assert min(settled) > 0


def test_who_offers_less_than_is_digested_is_never_held_back() -> None:
    stack = Stack(2_000)
    stack.play(30, flood(1_800))

    assert stack.refused == 0


def test_a_burst_that_is_digested_at_once_is_taken_in_at_once() -> None:
    stack = Stack(5_000)
    stack.play(20, lambda at: 40_000 if at % 5 < 0.05 else 5)

    assert stack.refused == 0


def test_webhooks_use_up_what_events_might_have_had() -> None:
    stack = Stack(5_000, others_per_s=3_000)
    stack.play(30, flood(10_000))

    settled = last(stack.waited, 10)
    assert max(settled) < 1.5 * LATE_SECONDS
    assert stack.stored[0] == pytest.approx(30 * 2_000 + 5_000 * LATE_SECONDS, rel=0.2)


def test_while_nobody_digests_everything_is_stored() -> None:
    stack = Stack(2_000)
    stack.play(10, flood(500))
    stack.digested_per_s = 0
    stack.play(60, flood(500))

    assert stack.refused == 0
    assert stack.backlog == pytest.approx(30_000, rel=0.01)


def test_a_flood_whose_workers_die_is_stored_after_a_while() -> None:
    stack = Stack(2_000)
    stack.play(10, flood(6_000))
    stack.digested_per_s = 0
    stack.play(2 * STILL_SECONDS, flood(6_000))
    stack.refused = 0
    stack.play(10, flood(6_000))

    assert stack.refused == 0


def test_who_comes_back_from_an_outage_works_off_what_waits_while_the_usual_is_taken_in() -> None:
    stack = Stack(0)
    stack.play(60, flood(800))
    stack.digested_per_s = 2_000
    stack.refused = 0
    stack.play(80, flood(800))

    assert stack.refused < 800 * LOOK_SECONDS
    assert stack.backlog < 2_000


def test_after_an_outage_a_flood_leaves_digest_some_of_its_time_to_catch_up() -> None:
    stack = Stack(0)
    stack.play(30, flood(2_000))
    stack.digested_per_s = 2_000
    stack.play(20, flood(6_000))
    before = stack.backlog
    stack.play(20, flood(6_000))

    assert stack.backlog < before - 20 * (1 - SHARE) * 2_000 * 0.7


def test_a_lane_that_stands_still_holds_nobody_up() -> None:
    stack = Stack(2_000, stuck=7)
    stack.play(60, flood(1_500))

    assert stack.refused == 0


def test_a_trickle_is_taken_in_however_late_everything_is() -> None:
    stack = Stack(20)
    stack.play(3, flood(5_000))
    stack.refused = 0
    stack.play(20, flood(0.9 * LEAST))

    assert stack.refused == 0


def test_a_pause_of_the_looks_is_no_flood() -> None:
    stack = Stack(2_000)
    stack.play(10, flood(6_000))
    stack.at += 60
    stack.digested, stack.refused = float(stack.newest), 0
    stack.play(1, flood(1_500))

    assert stack.refused == 0
