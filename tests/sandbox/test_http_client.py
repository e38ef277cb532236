"""The sandbox keeps connections to whom it calls often, and none for ever to whom it called once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from engage.sandbox.http_client import IDLE_CONNECTIONS, ORIGINS, HttpClient


@dataclass
class Receiver:
    """Answers 204, and counts who is connected and who ever was."""

    port: int = 0
    open: int = 0
    connected: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open, self.connected = self.open + 1, self.connected + 1
        self.writers.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


async def until_open(receivers: list[Receiver], most: int) -> None:
    async with asyncio.timeout(5):
        while sum(receiver.open for receiver in receivers) > most:
            await asyncio.sleep(0.01)


def test_a_receiver_that_is_called_again_is_called_over_the_same_connection() -> None:
    async def scene() -> int:
        client = HttpClient()
        async with receiving() as receiver:
            for _ in range(5):
                assert (await client.request("GET", receiver.url)).status == 204
            client.close()
            await until_open([receiver], 0)
        return receiver.connected

    assert asyncio.run(scene()) == 1


def test_of_many_receivers_called_once_only_the_last_ones_stay_connected() -> None:
    async def scene() -> list[int]:
        client = HttpClient()
        async with AsyncExitStack() as stack:
            receivers = [await stack.enter_async_context(receiving()) for _ in range(ORIGINS + 10)]
            for receiver in receivers:
                await client.request("GET", receiver.url)
                await client.request("GET", receivers[0].url)
            await until_open(receivers, ORIGINS)
            found = [receiver.open for receiver in receivers]
            client.close()
            await until_open(receivers, 0)
        return found

    assert asyncio.run(scene()) == [1] + [0] * 10 + [1] * (ORIGINS - 1)


def test_connections_that_a_receiver_closed_take_no_room_from_new_ones() -> None:
    async def scene() -> int:
        client = HttpClient()
        async with receiving() as receiver:
            for _ in range(2):
                await asyncio.gather(*(client.request("GET", receiver.url) for _ in range(IDLE_CONNECTIONS)))
                for writer in receiver.writers[1:]:
                    writer.close()
                await until_open([receiver], 1)
            before = receiver.connected
            for _ in range(2):
                await asyncio.gather(client.request("GET", receiver.url), client.request("GET", receiver.url))
            client.close()
            await until_open([receiver], 0)
        return receiver.connected - before

    assert asyncio.run(scene()) == 1
