"""Requests that never begin or never end, at the real server: they are cut off early, and nobody else waits for them."""

import socket
import time
from collections.abc import Iterator

import pytest

from engage.cli import bounded_http
from engage.cli.bounded_http import MAX_HEAD
from tests.api.test_server import TRACK, serving
from tests.api.world import SERVER, World, basic

START = b"POST /v1/track HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
KEY = f"Authorization: {basic(SERVER)['authorization']}\r\n".encode()
PIECE = b"a" * 16_384
NEVER = {
    "path": (b"GET /healthz?", PIECE),
    "name of a header": (START, PIECE),
    "value of a header": (START + b"X: ", PIECE),
    "headers": (START, b"".join(b"X%d: a\r\n" % n for n in range(2_000))),
    "words of a chunk": (START + CHUNKED + b"1;", PIECE),
    "trailer": (START + CHUNKED + b"2\r\n{}\r\n0\r\nX: ", PIECE),
    "trailers": (START + CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: a\r\n" * 3_000),
    "blank lines": (b"", b"\r\n" * 8_192),
}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def port(world: World) -> Iterator[int]:
    with serving(world) as port:
        yield port


def answer(port: int, sent: bytes) -> bytes:
    """Send, and return everything that is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(sent)
        return b"".join(iter(lambda: peer.recv(65_536), b""))


def swallowed(port: int, start: bytes, piece: bytes, most: int) -> int:
    """Return how many bytes are taken before the connection is closed, or `most`."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        sent = 0
        try:
            peer.sendall(start)
            while sent < most:
                peer.sendall(piece)
                sent += len(piece)
                time.sleep(0.001)
        except OSError:
            pass
        return sent


@pytest.mark.parametrize("what", NEVER)
def test_what_never_ends_is_not_kept(port: int, what: str) -> None:
    most = 200 * MAX_HEAD
    started = time.process_time()

    assert swallowed(port, *NEVER[what], most) < most
    assert time.process_time() - started < 2
    assert b" 200 " in answer(port, HEALTH)


def test_who_says_too_much_at_once_is_told(port: int) -> None:
    assert b" 431 " in answer(port, START + b"X: " + b"a" * (MAX_HEAD + 1))


def test_a_head_of_many_cookies_and_a_body_in_many_pieces_are_taken(port: int, world: World) -> None:
    pieces = b"".join(b"1;x=%s\r\n%c\r\n" % (b"y" * 100, byte) for byte in TRACK)
    cookie = b"Cookie: " + b"a=b; " * 6_000 + b"\r\n"

    assert b" 200 " in answer(port, START + KEY + cookie + CHUNKED + pieces + b"0\r\n\r\n")
    assert len(world.calls()) == 1


def test_a_key_behind_the_body_is_none(port: int, world: World) -> None:
    """A proxy that looks at headers does not look there."""
    sent = START + CHUNKED + b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(TRACK), TRACK, KEY)

    assert b" 401 " in answer(port, sent)
    assert world.calls() == []


@pytest.mark.parametrize(
    "path", [b"/v1/track", b"/webhooks/acme/inbound", b"/u/x", b"/v1/deliveries", b"/healthz"]
)
@pytest.mark.parametrize(
    "body", [b"Content-Length: 9\r\n\r\n{", b"Content-Length: 9\r\n\r\n", CHUNKED + b"9\r\n{"]
)
def test_who_falls_silent_within_a_body_is_left(
    monkeypatch: pytest.MonkeyPatch, port: int, path: bytes, body: bytes
) -> None:
    monkeypatch.setattr(bounded_http, "BODY_SECONDS", 0.2)
    head = b"POST %s HTTP/1.1\r\nHost: shop.example\r\n" % path

    assert b" 200 " not in answer(port, head + body)
    assert b" 200 " in answer(port, HEALTH)


@pytest.mark.parametrize("said", [b"", b"GET /healthz HT", START + b"X: ", b"\r\n"])
def test_who_falls_silent_before_a_request_has_begun_is_left(
    monkeypatch: pytest.MonkeyPatch, port: int, said: bytes
) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(said)

        assert peer.recv(1) == b""


def test_who_sends_its_next_request_in_parts_is_waited_for(port: int) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: shop.example\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        for _ in range(3):
            for part in (request[:10], request[10:]):
                peer.sendall(part)
                time.sleep(0.05)
            assert b" 200 " in peer.recv(65_536)


def test_an_upgrade_is_not_offered_and_not_complained_about(
    port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AA==\r\nSec-WebSocket-Version: 13\r\n"

    assert b" 200 " in answer(port, b"GET /healthz HTTP/1.1\r\nHost: shop.example\r\n" + asked + b"\r\n")
    assert capfd.readouterr().err == ""
