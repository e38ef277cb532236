"""Sink wire: HTTP/1.1 as cheaply as Python can, both ways over kept connections; no part of it is meant for the world."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

RETRY_SECONDS = 0.5
MAX_TRIES = 20
"""A refused callback comes back this often before it counts as lost; ten seconds are more than any start takes."""

Answerer = Callable[[bytes, bytes, bytes], bytes]
"""Takes method, target and body; returns the whole response."""


def response(status: bytes, body: bytes = b"", *headers: bytes) -> bytes:
    """Return a response with its length; `status` is code and reason."""
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


class ServerProtocol(asyncio.Protocol):
    """Reads requests whose bodies have a length, one after the other, and writes what `answer` returns."""

    def __init__(self, answer: Answerer, slowness: Callable[[bytes], float] = lambda _: 0.0) -> None:
        """`slowness` says by target how many seconds an answer takes."""
        self._answer, self._slowness = answer, slowness
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class only behaves like it

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        assert self._transport is not None
        buffer = self._buffer + data if self._buffer else data
        while True:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                break
            total = end + 4 + length_in(buffer[:end])
            if len(buffer) < total:
                break
            method, target, _ = buffer[: buffer.index(b"\r\n")].split(b" ", 2)
            answer, seconds = self._answer(method, target, buffer[end + 4 : total]), self._slowness(target)
            if seconds:
                # Callers wait for one answer before they ask again, so that none overtakes another.
                asyncio.get_running_loop().call_later(seconds, self._transport.write, answer)
            else:
                self._transport.write(answer)
            buffer = buffer[total:]
        self._buffer = buffer


def length_in(head: bytes) -> int:
    """Return the `Content-Length` of a message head, 0 without one."""
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    start = at + len(b"\r\ncontent-length:")
    end = lowered.find(b"\r", start)
    return int(lowered[start:] if end < 0 else lowered[start:end])


class Job:
    """One callback on its way; `then` is called when it has been taken."""

    __slots__ = ("request", "then", "tries")

    def __init__(self, request: bytes, then: Callable[[], None]) -> None:
        self.request = request
        self.then = then
        self.tries = 0


class Callbacks:
    """Posts requests to one host over a fixed number of kept connections, one request at a time on each."""

    def __init__(self, host: str, port: int, connections: int) -> None:
        self._host, self._port, self._most = host, port, connections
        self._waiting: deque[Job] = deque()
        self._idle: list[_Line] = []
        self._open = 0
        self._openers: set[asyncio.Task[None]] = set()
        self.taken = 0
        self.refused = 0
        """Answers other than 2xx, tries that were repeated included."""
        self.lost = 0

    @property
    def pending(self) -> int:
        """Callbacks that have not been taken yet, those under way included."""
        return len(self._waiting) + self._open - len(self._idle)

    def post(self, job: Job) -> None:
        """Send `job` as soon as a connection is free."""
        if self._idle:
            self._idle.pop().send(job)
            return
        self._waiting.append(job)
        if self._open < self._most:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._connect())
            self._openers.add(task)
            task.add_done_callback(self._openers.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, line = await loop.create_connection(lambda: _Line(self), self._host, self._port)
        except OSError:
            await asyncio.sleep(RETRY_SECONDS)
            self._open -= 1
            if self._waiting:
                self.post(self._waiting.popleft())
            return
        self.free(line)

    def free(self, line: "_Line") -> None:
        """Take a connection back that has nothing to do."""
        if self._waiting:
            line.send(self._waiting.popleft())
        else:
            self._idle.append(line)

    def answered(self, line: "_Line", job: Job, status: int) -> None:
        """Note how a callback was answered; what was refused is sent again after a while."""
        if 200 <= status < 300:
            self.taken += 1
            job.then()
        else:
            self._again(job)
        self.free(line)

    def broken(self, line: "_Line", job: Job | None) -> None:
        """A connection is gone, with or without a callback under way."""
        self._open -= 1
        if line in self._idle:
            self._idle.remove(line)
        if job is not None:
            self._again(job)

    def _again(self, job: Job) -> None:
        self.refused += 1
        job.tries += 1
        if job.tries >= MAX_TRIES:
            self.lost += 1
        else:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self.post, job)


class _Line(asyncio.Protocol):
    """One kept connection to the receiver of callbacks."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._transport: asyncio.Transport | None = None
        self._job: Job | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class only behaves like it

    def send(self, job: Job) -> None:
        assert self._transport is not None
        self._job = job
        self._transport.write(job.request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or len(buffer) < end + 4 + length_in(buffer[:end]):
            self._buffer = buffer
            return
        self._buffer = b""
        job, self._job = self._job, None
        if job is not None:
            self._callbacks.answered(self, job, int(buffer[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        job, self._job = self._job, None
        self._callbacks.broken(self, job)
