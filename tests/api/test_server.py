"""The face behind the real server: sockets, chunks, kept connections."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from engage.cli.serve import server_config
from tests.api.world import SERVER, World, basic

TRACK = json.dumps({"userId": "ada", "event": "Go"}).encode()


@contextmanager
def serving(world: World) -> Iterator[int]:
    """The port of a running server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(server_config(world.app, "127.0.0.1", 0))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def connection(world: World) -> Iterator[http.client.HTTPConnection]:
    with serving(world) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        yield connection
        connection.close()


def post(
    connection: http.client.HTTPConnection, path: str, body: bytes | Iterator[bytes], **headers: str
) -> tuple[int, bytes]:
    connection.request(
        "POST", path, body, {**basic(SERVER), **headers}, encode_chunked=not isinstance(body, bytes)
    )
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_calls_are_taken_one_after_the_other_on_one_connection(
    connection: http.client.HTTPConnection, world: World
) -> None:
    for _ in range(3):
        assert post(connection, "/v1/track", TRACK) == (200, b'{"success":true}')
    assert len(world.calls()) == 3


def test_a_body_in_chunks_is_read_to_its_end(connection: http.client.HTTPConnection, world: World) -> None:
    chunks = (TRACK[n : n + 7] for n in range(0, len(TRACK), 7))

    assert post(connection, "/v1/track", chunks, **{"Transfer-Encoding": "chunked"})[0] == 200
    assert len(world.calls()) == 1


def test_a_body_far_too_large_is_answered_and_the_connection_lives_on(
    connection: http.client.HTTPConnection, world: World
) -> None:
    assert post(connection, "/v1/batch", b"x" * 5_000_000)[0] == 413
    assert post(connection, "/v1/track", TRACK)[0] == 200


def test_the_signed_url_is_the_public_one_with_the_raw_path(
    connection: http.client.HTTPConnection, world: World
) -> None:
    assert post(connection, "/webhooks/acme/status?ref=a%2Fb&x=", b"a=1", **{"X-Signature": "good"})[0] == 204

    assert world.status.seen[0].url == "https://shop.example/webhooks/acme/status?ref=a%2Fb&x="


def test_what_was_accepted_while_the_server_stops_is_stored(world: World) -> None:
    with serving(world) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        assert post(connection, "/v1/track", TRACK)[0] == 200
        connection.close()

    assert len(world.calls()) == 1
