"""The embedded Valkey speaks to Celery, keeps what it accepted, and starts again from anything."""

import contextlib
import shutil
import socket
from pathlib import Path

import pytest
import redis
from kombu.connection import Connection

from engage.embedded import start_valkey

pytestmark = pytest.mark.live


def connect(path: Path) -> "redis.Redis":
    return redis.Redis(unix_socket_path=str(path))


def test_a_task_s_envelope_goes_through_by_celery_s_own_transport(valkey_url: str) -> None:
    with (
        Connection(valkey_url) as connection,
        contextlib.closing(connection.SimpleQueue("envelopes")) as hints,
    ):
        hints.put({"work": "there is some"})
        received = hints.get(timeout=5)
        received.ack()

    assert received.payload == {"work": "there is some"}


def test_what_was_queued_is_there_after_a_restart(data_dir: Path) -> None:
    first = start_valkey(data_dir)
    with connect(first.socket) as client:
        client.rpush("engine", "hint")
    first.stop()

    second = start_valkey(data_dir)
    with connect(second.socket) as client:
        kept = client.lrange("engine", 0, -1)
    second.stop()

    assert kept == [b"hint"]
    assert second.url == first.url


def test_it_never_evicts_and_listens_on_no_port(data_dir: Path) -> None:
    server = start_valkey(data_dir)
    with connect(server.socket) as client:
        settings = client.config_get("maxmemory-policy", "port", "appendonly", "appendfsync")
    server.stop()

    assert settings == {
        "maxmemory-policy": "noeviction",
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
    }


@pytest.mark.parametrize("wipe", ["its data", "everything"])
def test_a_wiped_folder_starts_empty(data_dir: Path, wipe: str) -> None:
    first = start_valkey(data_dir)
    with connect(first.socket) as client:
        client.set("k", "v")
    first.stop()
    shutil.rmtree(data_dir if wipe == "everything" else data_dir / "valkey" / "data")

    second = start_valkey(data_dir)
    with connect(second.socket) as client:
        left = client.dbsize()
    second.stop()

    assert left == 0


def test_a_log_it_cannot_read_is_set_aside(data_dir: Path) -> None:
    first = start_valkey(data_dir)
    with connect(first.socket) as client:
        client.set("k", "v" * 1000)
    first.stop()
    logs = data_dir / "valkey" / "data" / "appendonlydir"
    next(logs.glob("*.incr.aof")).write_bytes(
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9\r\nnonsense\r\nand more of it\r\n" * 3
    )

    second = start_valkey(data_dir)
    with connect(second.socket) as client:
        left = client.dbsize()
    second.stop()

    assert left == 0
    assert (logs.parent / "appendonlydir.unread").is_dir()


def test_a_server_on_the_standard_port_is_no_obstacle(data_dir: Path) -> None:
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # taken already serves as well
            other.bind(("127.0.0.1", 6379))
            other.listen()

        server = start_valkey(data_dir, fast=True)
        with connect(server.socket) as client:
            answer = client.ping()
        server.stop()

    assert answer is True


def test_a_long_path_with_spaces_gets_a_url_celery_can_read(open_folder: Path) -> None:
    data_dir = open_folder / "a folder with spaces" / ("long " * 25).strip()

    server = start_valkey(data_dir, fast=True)
    with Connection(server.url) as connection:
        connection.ensure_connection(max_retries=1)
        transport = connection.transport_cls
    server.stop()

    assert transport == "redis"
    assert " " not in server.url
