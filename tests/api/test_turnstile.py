"""However many requests come at once, they are read a few at a time, oldest first, and nobody waits in line for nothing."""

import asyncio
from types import SimpleNamespace

import pytest

from engage.api import turnstile as rules
from engage.api.microbatch import OverloadedError
from engage.api.turnstile import SLICE_SECONDS, Turnstile

READ_SECONDS = 0.004


CLOCK = SimpleNamespace(now=1_000.0)
"""Time passes by reading alone, however busy the machine is."""


@pytest.fixture(autouse=True)
def _the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "time", SimpleNamespace(monotonic=lambda: CLOCK.now))


async def read(turnstile: Turnstile, log: list[str], name: str, size: int = 1) -> None:
    entered = await turnstile.enter(size)
    try:
        CLOCK.now += READ_SECONDS  # what reading does to the loop
        log.append(name)
    finally:
        turnstile.leave(entered)


async def heartbeat(log: list[str]) -> None:
    while True:
        log.append("others")
        await asyncio.sleep(0)


def reads_in_a_row(log: list[str]) -> int:
    longest = row = 0
    for name in log:
        row = 0 if name == "others" else row + 1
        longest = max(longest, row)
    return longest


def test_others_are_heard_between_the_reads_of_a_crowd() -> None:
    log = list[str]()

    async def scene() -> None:
        turnstile = Turnstile()
        beating = asyncio.create_task(heartbeat(log))
        await asyncio.gather(*(read(turnstile, log, str(number)) for number in range(100)))
        beating.cancel()

    asyncio.run(scene())

    # Two slices: those that come while there is still time in a round, and the first of those in line.
    assert reads_in_a_row(log) <= 2 * (SLICE_SECONDS / READ_SECONDS + 1)
    assert [name for name in log if name != "others"] == [str(number) for number in range(100)]


def test_a_lone_request_is_read_at_once() -> None:
    log = list[str]()

    async def scene() -> None:
        turnstile = Turnstile()
        beating = asyncio.create_task(heartbeat(log))
        await read(turnstile, log, "alone")
        beating.cancel()

    asyncio.run(scene())

    assert log == ["alone"]


def test_a_line_that_moves_too_slowly_is_closed_and_those_in_it_are_told_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(rules, "TOO_LATE_SECONDS", 0.4)
    log = list[str]()

    async def scene() -> tuple[list[BaseException | None], BaseException | None, float]:
        turnstile = Turnstile()
        began = CLOCK.now
        line = [asyncio.create_task(read(turnstile, log, str(number))) for number in range(300)]
        while CLOCK.now < began + 0.3:
            await asyncio.sleep(0)
        (late,) = await asyncio.gather(read(turnstile, log, "late"), return_exceptions=True)
        answers = await asyncio.gather(*line, return_exceptions=True)
        return answers, late, CLOCK.now - began

    answers, late, seconds = asyncio.run(scene())

    assert isinstance(late, OverloadedError)
    refused = [answer for answer in answers if isinstance(answer, OverloadedError)]
    assert len(refused) + len(log) == 300
    assert answers[: len(log)] == [None] * len(log)
    assert 0.2 < len(log) * READ_SECONDS < 0.4 + 2 * SLICE_SECONDS
    assert seconds < 0.5


def test_what_waits_in_line_is_bounded_in_bytes() -> None:
    log = list[str]()

    async def scene() -> list[BaseException | None]:
        turnstile = Turnstile()
        sizes = [30 * 1024 * 1024] * 20
        return await asyncio.gather(
            *(read(turnstile, log, str(number), size) for number, size in enumerate(sizes)),
            return_exceptions=True,
        )

    answers = asyncio.run(scene())

    assert any(isinstance(answer, OverloadedError) for answer in answers)
    assert len(log) == sum(answer is None for answer in answers) >= 3


def test_who_hangs_up_in_line_gives_up_their_place() -> None:
    log = list[str]()

    async def scene() -> None:
        turnstile = Turnstile()
        line = [asyncio.create_task(read(turnstile, log, str(number))) for number in range(40)]
        await asyncio.sleep(0)
        line[-2].cancel()
        await asyncio.gather(*line, return_exceptions=True)
        await read(turnstile, log, "next")

    asyncio.run(scene())

    assert log == [*(str(number) for number in range(38)), "39", "next"]
