"""Behind a slow digest events wait at the door, by the clock: what the brake says is what the micro-batcher does."""

import asyncio
import time

from engage.api.microbatch import MicroBatcher
from engage.domain.ids import LANES
from engage.engine.accept.intake import Intake, Taken
from engage.ports.storage import Backlog
from tests.accept.store import Hinted, TestedStore, piece


class Digesting(Intake):
    """An intake whose facts are digested at so many a second, lane after lane."""

    DIGESTED_PER_S = 3_000

    def __init__(self, store: TestedStore) -> None:
        super().__init__(store, Hinted())
        self.began, self.stored = time.monotonic(), 0

    def store(self, taken: Taken, *, urgent: bool = False) -> list[bool]:
        stored = super().store(taken)
        self.stored += len(taken)
        return stored

    def waiting(self) -> int:
        return self.stored - round((time.monotonic() - self.began) * self.DIGESTED_PER_S)

    def backlog(self) -> Backlog:
        newest = self.stored
        first = newest - max(0, self.waiting()) + 1
        return Backlog(newest, {seq % LANES: seq for seq in range(first, min(newest, first + LANES - 1) + 1)})


def test_events_wait_for_a_slow_digest_at_the_door_and_what_providers_tell_does_not() -> None:
    intake = Digesting(TestedStore())
    told, seconds = list[float](), 4.0

    async def client(batcher: MicroBatcher, name: int) -> None:
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            await batcher.submit(Taken([piece(f"{name}-{number}-{n}") for n in range(10)]))
            number += 1
            await asyncio.sleep(0.02)  # so that all of them together have three times what is digested

    async def provider(batcher: MicroBatcher) -> None:
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            began = time.monotonic()
            await batcher.submit(Taken([piece(f"told-{number}")]), ahead=True)
            told.append(time.monotonic() - began)
            number += 1
            await asyncio.sleep(0.05)

    async def scene() -> int:
        batcher = MicroBatcher(intake)
        await asyncio.gather(provider(batcher), *(client(batcher, name) for name in range(20)))
        waiting = intake.waiting()
        last = [asyncio.create_task(batcher.submit(Taken([piece(f"last-{n}")]))) for n in range(50)]
        await asyncio.sleep(0)
        await batcher.close()
        assert await asyncio.gather(*last) == [[True]] * 50
        return waiting

    # Nobody was refused, or `client` would have raised: who waits for an answer before the next one makes no flood.
    assert 0 < asyncio.run(scene()) < 2 * intake.DIGESTED_PER_S
    assert sorted(told)[len(told) // 2] < 0.1
