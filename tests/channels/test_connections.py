"""The pool knows whether a request can have reached the provider."""

import os
import threading
from collections.abc import Iterator

import pytest

from engage.channels.connections import (
    MAX_ANSWER_BYTES,
    ConnectionPool,
    Endpoint,
    NotSentError,
    OutcomeUnknownError,
)
from tests.channels.wire import Wire, closed_port, drip, hang, raw, reply, reset


@pytest.fixture
def pool() -> Iterator[ConnectionPool]:
    """A pool with short time-outs."""
    pool = ConnectionPool(connect_timeout=0.5, read_timeout=0.3)
    yield pool
    pool.close()


def post(pool: ConnectionPool, wire: Wire, body: bytes = b"hello") -> int:
    return pool.call(Endpoint.parse(wire.url), "POST", "/x", {"A": "b"}, body).status


def test_calls_share_one_connection(pool: ConnectionPool, wire: Wire) -> None:
    wire.usual = reply(200, b"ok")

    assert [post(pool, wire) for _ in range(5)] == [200] * 5
    assert wire.connections == 1
    assert [request.body for request in wire.requests] == [b"hello"] * 5


def test_a_connection_that_the_peer_closed_while_idle_is_replaced_without_a_lost_or_double_request(
    pool: ConnectionPool, wire: Wire
) -> None:
    wire.usual = reply(200, b"ok")
    post(pool, wire)
    wire.drop_idle()

    assert post(pool, wire) == 200
    assert len(wire.requests) == 2
    assert wire.connections == 2


def test_a_reset_after_the_request_left_is_unknown_and_not_repeated(pool: ConnectionPool, wire: Wire) -> None:
    wire.usual = reply(200, b"ok")
    post(pool, wire)
    wire.answers.append(reset())

    with pytest.raises(OutcomeUnknownError):
        post(pool, wire)
    assert len(wire.requests) == 2


def test_silence_is_unknown_after_the_time_out(pool: ConnectionPool, wire: Wire) -> None:
    wire.answers.append(hang())

    with pytest.raises(OutcomeUnknownError, match="no answer in time"):
        post(pool, wire)


def test_a_dripping_answer_ends_at_the_time_out_of_the_whole_call(pool: ConnectionPool, wire: Wire) -> None:
    wire.answers.append(drip())

    with pytest.raises(OutcomeUnknownError, match="no answer in time"):
        post(pool, wire)


def test_a_refused_connection_is_certainly_not_sent(pool: ConnectionPool) -> None:
    with pytest.raises(NotSentError, match="ConnectionRefused"):
        pool.call(Endpoint.parse(f"http://127.0.0.1:{closed_port()}"), "POST", "/", {}, b"x")


def test_an_unknown_host_is_certainly_not_sent(pool: ConnectionPool) -> None:
    with pytest.raises(NotSentError):
        pool.call(Endpoint.parse("http://nobody.invalid"), "POST", "/", {}, b"x")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 201 Created\r\nContent-Le",
        b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"this is not HTTP\r\n\r\n",
    ],
)
def test_a_broken_answer_is_unknown(pool: ConnectionPool, wire: Wire, answer: bytes) -> None:
    wire.answers.append(raw(answer))

    with pytest.raises(OutcomeUnknownError):
        post(pool, wire)


def test_an_endless_answer_is_unknown_and_does_not_fill_memory(wire: Wire) -> None:
    pool = ConnectionPool(connect_timeout=1, read_timeout=10)
    size = MAX_ANSWER_BYTES + 1
    wire.answers.append(raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size))

    with pytest.raises(OutcomeUnknownError, match="not readable"):
        post(pool, wire)


def test_an_answer_without_a_length_ends_with_the_connection(pool: ConnectionPool, wire: Wire) -> None:
    wire.answers.append(raw(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nall of it"))

    answer = pool.call(Endpoint.parse(wire.url), "GET", "/", {})

    assert answer.body == b"all of it"


def test_an_interim_answer_is_not_the_answer(pool: ConnectionPool, wire: Wire) -> None:
    wire.answers.append(
        raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")
    )

    answer = pool.call(Endpoint.parse(wire.url), "POST", "/", {}, b"x")

    assert (answer.status, answer.body) == (201, b"ok")


def test_a_chunked_answer_is_put_together(pool: ConnectionPool, wire: Wire) -> None:
    wire.answers.append(
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    )

    assert pool.call(Endpoint.parse(wire.url), "GET", "/", {}).body == b"abc"


@pytest.mark.parametrize("value", ["a\r\nInjected: 1", "a\nb", "a\rb"])
def test_a_line_break_cannot_get_into_a_header(pool: ConnectionPool, wire: Wire, value: str) -> None:
    with pytest.raises(NotSentError, match="line break"):
        pool.call(Endpoint.parse(wire.url), "POST", "/", {"X": value})
    assert wire.requests == []


def test_threads_never_share_a_connection_at_once(wire: Wire) -> None:
    pool = ConnectionPool(connect_timeout=2, read_timeout=5)
    wire.usual = reply(200, b"ok")
    statuses: list[int] = []

    def work() -> None:
        statuses.extend(post(pool, wire) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.close()

    assert statuses == [200] * 160
    assert len(wire.requests) == 160
    assert wire.connections <= 8


def test_a_forked_process_does_not_use_its_parents_connections(pool: ConnectionPool, wire: Wire) -> None:
    wire.usual = reply(200, b"ok")
    post(pool, wire)
    connection = pool._idle[Endpoint.parse(wire.url)][0]

    connection.pid = os.getpid() + 1

    assert not connection.usable()


def test_an_endpoint_needs_a_scheme_and_host() -> None:
    with pytest.raises(ValueError, match="base URL"):
        Endpoint.parse("127.0.0.1:80")
