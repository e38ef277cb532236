"""Large bodies that do not end: all together they hold little, and keep out nobody who sends an ordinary one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from engage.api.answers import ApiError, Message
from engage.api.bodies import MAX_LARGE, SMALL, read_raw

MAIL = 32 * 1024 * 1024
PIECE = bytes(64 * 1024)


class Sender:
    """Sends so many bytes, and then nothing until it is let go on."""

    def __init__(self, size: int) -> None:
        self._left, self.go_on = size, asyncio.Event()

    async def receive(self) -> Message:
        if self._left > 0:
            self._left -= len(PIECE)
            return {"type": "http.request", "body": PIECE, "more_body": True}
        await self.go_on.wait()
        return {"type": "http.request", "body": b"", "more_body": False}


@asynccontextmanager
async def stalling(count: int, size: int) -> AsyncIterator[list["asyncio.Task[bytes]"]]:
    """So many senders that stall in the middle; they end with the block."""
    senders = [Sender(size) for _ in range(count)]
    reading = [asyncio.create_task(read_raw(sender.receive, MAIL)) for sender in senders]
    await asyncio.sleep(0)
    yield reading
    for sender in senders:
        sender.go_on.set()
    await asyncio.wait(reading)


async def refused(size: int) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        await read_raw(Sender(size).receive, MAIL)
    return refusal.value


def test_large_bodies_that_stall_hold_no_more_than_all_together_may() -> None:
    async def attack() -> None:
        most = MAX_LARGE // (MAIL - 2 * SMALL)
        async with stalling(most + 20, MAIL - SMALL) as reading:
            told = [task.exception() for task in reading if task.done()]
            assert len(reading) - len(told) <= most + 1
            assert {error.status for error in told if isinstance(error, ApiError)} == {503}
            refusal = await refused(MAIL - SMALL)
            assert (refusal.status, refusal.code, refusal.headers["connection"]) == (503, "busy", "close")

            small = Sender(SMALL - len(PIECE))
            small.go_on.set()
            assert len(await read_raw(small.receive, SMALL)) == SMALL - len(PIECE)

        afterwards = Sender(MAIL - SMALL)
        afterwards.go_on.set()
        assert len(await read_raw(afterwards.receive, MAIL)) == MAIL - SMALL

    asyncio.run(attack())
