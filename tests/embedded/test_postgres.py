"""The embedded PostgreSQL is durable, private, and finds its way from any folder."""

import contextlib
import os
import socket
from pathlib import Path

import psycopg
import pytest

from engage.embedded import EmbeddedError, start_postgres
from engage.embedded.place import SOCKET_BYTES

pytestmark = pytest.mark.live


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return None if row is None else row[0]


def tell(url: str, *statements: str) -> None:
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "0"),
        ("log_error_verbosity", "terse"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
    ],
)
def test_a_durable_server_is_set_up_as_promised(durable_url: str, setting: str, value: str) -> None:
    assert ask(durable_url, f"SELECT current_setting('{setting}')") == value


def test_the_collation_does_not_depend_on_the_machine(durable_url: str) -> None:
    collation = ask(
        durable_url, "SELECT datcollate || ' ' || datctype FROM pg_database WHERE datname = 'engage'"
    )

    assert collation == "C.UTF-8 C.UTF-8"


@pytest.fixture(scope="module")
def durable_url(services_dir: Path) -> object:
    server = start_postgres(services_dir / "durable")
    yield server.url
    server.stop()


def test_what_was_committed_is_there_after_a_restart(data_dir: Path) -> None:
    first = start_postgres(data_dir)
    tell(first.url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    first.stop()

    second = start_postgres(data_dir)
    kept = ask(second.url, "SELECT n FROM kept")
    second.stop()

    assert kept == 7
    assert second.url == first.url


def test_a_stop_leaves_no_process_no_pid_file_and_may_be_repeated(used_dir: Path) -> None:
    server = start_postgres(used_dir, fast=True)

    server.stop()
    server.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    assert not list(used_dir.rglob("postmaster.pid"))
    assert not server.socket.exists()


def test_a_long_path_with_spaces_gets_a_socket_that_fits(open_folder: Path) -> None:
    data_dir = open_folder / "a folder with spaces" / ("long " * 25).strip() / ".engage"

    server = start_postgres(data_dir, fast=True)
    answer = ask(server.url, "SELECT 1")
    server.stop()

    assert len(str(data_dir)) > 100
    assert answer == 1
    assert len(os.fsencode(server.socket)) <= SOCKET_BYTES
    assert not server.socket.parent.exists()


def test_a_server_on_the_standard_port_is_no_obstacle(used_dir: Path) -> None:
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # taken already serves as well
            other.bind(("127.0.0.1", 5432))
            other.listen()

        server = start_postgres(used_dir, fast=True)
        answer = ask(server.url, "SELECT 1")
        server.stop()

    assert answer == 1


def test_an_error_logs_neither_the_row_nor_the_statement(used_dir: Path) -> None:
    server = start_postgres(used_dir, fast=True)
    tell(server.url, "CREATE TABLE person (address text PRIMARY KEY)")

    with psycopg.connect(server.url) as connection:
        connection.execute("INSERT INTO person VALUES (%s)", ["ada@shop.example"])
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO person VALUES (%s)", ["ada@shop.example"])
    server.stop()

    log = next(used_dir.glob("postgres.log")).read_text()
    assert "duplicate key value" in log
    assert "ada@shop.example" not in log


def test_data_of_another_version_is_refused_with_advice(used_dir: Path) -> None:
    version = used_dir / "postgres" / "data" / "PG_VERSION"
    version.write_text("9\n")

    with pytest.raises(EmbeddedError, match="made by PostgreSQL 9"):
        start_postgres(used_dir, fast=True)


def test_a_half_made_cluster_is_made_again(used_dir: Path) -> None:
    folder = used_dir / "postgres"
    (folder / "data").rename(folder / "data.new")
    (folder / "data.new" / "PG_VERSION").unlink()

    server = start_postgres(used_dir, fast=True)
    answer = ask(server.url, "SELECT 1")
    server.stop()

    assert answer == 1
    assert not (folder / "data.new").exists()


def test_a_failed_start_shows_the_server_s_own_words_and_frees_the_folder(used_dir: Path) -> None:
    settings = used_dir / "postgres" / "data" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text("no_such_setting = 1\n")

    with pytest.raises(EmbeddedError, match="no_such_setting"):
        start_postgres(used_dir, fast=True)

    settings.write_text(good)
    start_postgres(used_dir, fast=True).stop()
