"""The services live exactly as long as the process that started them, whatever happens to it."""

import os
import signal
import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from engage.embedded import EmbeddedError, Postgres, embedded, start_postgres, start_valkey
from engage.embedded.service import answers
from tests.embedded.processes import Starter, ends, is_alive

pytestmark = pytest.mark.live

ATTACH_BRIEFLY = timedelta(milliseconds=50)


def test_a_killed_starter_leaves_no_orphan(used_dir: Path) -> None:
    starter = Starter(used_dir)

    starter.kill()

    assert ends(starter.postgres_pid)
    assert ends(starter.valkey_pid)
    with embedded(used_dir, fast=True) as services:
        assert (services.database_url, services.broker_url) == (starter.postgres_url, starter.valkey_url)


def test_a_second_process_gets_the_same_urls_and_cannot_stop_them(used_dir: Path) -> None:
    with Starter(used_dir) as first, Starter(used_dir) as second:
        assert (second.postgres_url, second.valkey_url) == (first.postgres_url, first.valkey_url)

        second.end()

        with psycopg.connect(first.postgres_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert is_alive(first.valkey_pid)


def test_of_many_starters_at_once_one_starts_and_the_others_attach(data_dir: Path) -> None:
    servers: list[Postgres] = []
    threads = [
        threading.Thread(target=lambda: servers.append(start_postgres(data_dir, fast=True))) for _ in range(5)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({server.url for server in servers}) == 1
    assert [server.is_owner for server in servers].count(True) == 1
    for server in servers:
        server.stop()
    assert not any(answers(server.socket) for server in servers)


def test_the_services_outlive_the_thread_that_started_them(used_dir: Path) -> None:
    started: list[Postgres] = []
    thread = threading.Thread(target=lambda: started.append(start_postgres(used_dir, fast=True)))
    thread.start()
    thread.join()

    with psycopg.connect(started[0].url) as connection:
        assert connection.execute("SELECT pg_sleep(0.2)::text").fetchone() == ("",)
    started[0].stop()


def test_a_forked_child_neither_stops_the_services_nor_keeps_the_folder(data_dir: Path) -> None:
    server = start_valkey(data_dir, fast=True)
    child = fork_and_try_to_stop(server.stop)

    assert is_alive(server.pid)
    server.stop()
    again = start_valkey(data_dir, fast=True)

    assert again.is_owner
    again.stop()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def fork_and_try_to_stop(stop: object) -> int:
    assert callable(stop)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        stop()
        os.write(write, b"tried")
        signal.pause()
    assert os.read(read, 5) == b"tried"
    os.close(read)
    os.close(write)
    return child


def test_a_killed_postmaster_is_recovered_by_the_next_start(used_dir: Path) -> None:
    first = start_postgres(used_dir)
    with psycopg.connect(first.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    os.kill(first.pid, signal.SIGKILL)
    first.stop()

    second = start_postgres(used_dir)
    with psycopg.connect(second.url) as connection:
        kept = connection.execute("SELECT count(*) FROM kept").fetchone()
    second.stop()

    assert kept == (1000,)


def test_a_pid_file_that_names_somebody_else_s_process_is_stale(used_dir: Path) -> None:
    run = used_dir / "postgres"
    stale = f"{os.getpid()}\n{run / 'data'}\n1\n5432\n{run / 'run'}\n\n  1  1\nready   \n"
    (run / "data" / "postmaster.pid").write_text(stale)

    server = start_postgres(used_dir, fast=True)
    answer = answers(server.socket)
    server.stop()

    assert answer
    assert server.pid != os.getpid()


def test_an_orphan_of_a_dead_starter_is_stopped_before_a_new_start(used_dir: Path) -> None:
    with Starter(used_dir) as starter:
        # As it looks where there is no parent-death signal: the lease is free and the servers still run.
        for lock in ("postgres.lock", "valkey.lock"):
            (used_dir / lock).unlink()

        with embedded(used_dir, fast=True):
            assert not is_alive(starter.postgres_pid)
            assert not is_alive(starter.valkey_pid)


def test_a_starter_that_holds_the_folder_but_never_answers_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engage.embedded.service.ATTACH_PATIENCE", ATTACH_BRIEFLY)
    server = start_valkey(data_dir, fast=True)
    os.kill(server.pid, signal.SIGKILL)
    assert ends(server.pid)

    with pytest.raises(EmbeddedError, match="another process holds"):
        start_valkey(data_dir, fast=True)

    server.stop()
