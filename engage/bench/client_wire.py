"""Client wire: one kept HTTP/1.1 connection, one request at a time, as cheaply as Python can; no part of it is meant for the world."""

import asyncio
from dataclasses import dataclass
from typing import Self, cast

from engage.bench.sink_wire import length_in


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back: status, 0 if nothing did in time or the connection broke, and when to come back."""

    status: int
    retry_after: float | None = None


class Connection(asyncio.Protocol):
    """Hands every answer to whoever waits for it."""

    def __init__(self) -> None:
        """Nothing is connected yet."""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answered] | None = None
        self._buffer = b""

    @classmethod
    async def to(cls, host: str, port: int) -> Self:
        """Connect.

        Raises:
            OSError: nobody is there.
        """
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class only behaves like it

    async def call(self, data: bytes, patience: float | None = None) -> Answered:
        """Return the answer; after `patience` seconds without one the connection is given up."""
        assert self._transport is not None
        if self._transport.is_closing():
            return Answered(0)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        if patience is None:
            return await self._answer
        try:
            async with asyncio.timeout(patience):
                return await self._answer
        except TimeoutError:
            self._transport.abort()
            return Answered(0)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or len(buffer) < end + 4 + length_in(buffer[:end]):
            self._buffer = buffer
            return
        self._buffer = b""
        self._give(Answered(int(buffer[9:12]), _retry_after(buffer[:end])))

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._give(Answered(0))

    def _give(self, answer: Answered) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    @property
    def broken(self) -> bool:
        """Whether nothing can be sent over it any more."""
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def _retry_after(head: bytes) -> float | None:
    lowered = head.lower()
    at = lowered.find(b"\r\nretry-after:")
    return None if at < 0 else float(lowered[at:].split(b"\r\n", 2)[1].partition(b":")[2])
