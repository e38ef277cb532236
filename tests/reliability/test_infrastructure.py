"""PostgreSQL that is restarted, read-only or full, and a broker that is gone: nothing is lost and nobody hangs."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from celery import Celery
from psycopg import errors

from engage.domain.fact import Call, Identifier, Kind, NewFact, encode
from engage.domain.ids import lane_of
from engage.embedded import start_postgres
from engage.embedded.postgres import Postgres
from engage.engine.accept.intake import Intake, Piece, Taken
from engage.ports.clock import NoHints
from engage.ports.storage import StorageAwayError, StorageBusyError
from engage.storage.migrations.apply import migrate
from engage.storage.postgres.session import translated
from engage.storage.postgres.store import PostgresStore
from engage.storage.postgres.worker_lock import PostgresWorkerLock
from workers.hints import CeleryHints

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]


class Database:
    """A server of this file's own, durable, to be treated badly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: Postgres = start_postgres(folder)
        migrate(self.url)

    @property
    def url(self) -> str:
        return self.server.url

    def crash(self) -> None:
        """Kill it and start it again, at the same address."""
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.stop()
        self.server = start_postgres(self.folder)

    def tell(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def database(services_dir: Path) -> Iterator[Database]:
    folder = Path(tempfile.mkdtemp(prefix="mistreated-", dir=services_dir))
    folder.chmod(0o755)
    found = Database(folder)
    yield found
    found.server.stop()


@pytest.fixture
def store(database: Database) -> Iterator[PostgresStore]:
    opened = PostgresStore(database.url, min_size=1, max_size=2, patience=5)
    yield opened
    opened.close()


def fact() -> Piece:
    name = uuid4().hex
    call = Call(
        kind=Kind.TRACK,
        message_id=name,
        timestamp=datetime.now(UTC),
        identifiers=(Identifier("user_id", name),),
        event="Go",
    )
    new = NewFact(
        lane=lane_of(name), source="test", message_id=name, received_at=call.timestamp, payload=encode(call)
    )
    return Piece(fact=new)


def surely(intake: Intake, piece: Piece, seconds: float = 60) -> list[bool]:
    """Send as clients do: again, until it is taken."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return intake.store(Taken([piece]))
        except StorageAwayError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_a_worker_holds_its_name_again_after_the_database_was_restarted(
    database: Database, store: PostgresStore
) -> None:
    with store.hold_worker_lock("w") as name:
        database.crash()
        for _ in range(50):
            try:
                alive = store.worker_alive("w")
            except StorageAwayError:
                time.sleep(0.1)
            else:
                break
        assert not alive

        name.keep()

        assert store.worker_alive("w")
    assert not store.worker_alive("w")


def test_a_worker_takes_its_name_from_a_session_of_its_own_that_the_server_believes_alive(
    database: Database, store: PostgresStore
) -> None:
    with store.hold_worker_lock("w") as name:
        assert isinstance(name, PostgresWorkerLock)
        half_open, name._connection = name._connection, psycopg.connect(database.url)
        name._connection.close()

        with pytest.raises(StorageBusyError):
            name.keep()
        for _ in range(50):
            with suppress(StorageBusyError):
                name.keep()
                break
            time.sleep(0.1)

        assert store.worker_alive("w")
        assert half_open is not None
        with pytest.raises(psycopg.Error):
            half_open.execute("SELECT 1")


def test_a_name_that_somebody_else_holds_is_left_to_them(store: PostgresStore) -> None:
    with store.hold_worker_lock("w"):
        with pytest.raises(StorageBusyError), store.hold_worker_lock("w"):
            pass

        assert store.worker_alive("w")


def test_a_name_that_is_held_costs_no_round_trip_to_keep(store: PostgresStore) -> None:
    with store.hold_worker_lock("w") as name:
        began = time.perf_counter()
        for _ in range(1_000):
            name.keep()

        assert time.perf_counter() - began < 1


def test_facts_are_taken_again_after_a_crash_of_the_database_and_none_twice(
    database: Database, store: PostgresStore
) -> None:
    intake, before, after = Intake(store, NoHints()), fact(), fact()
    assert intake.store(Taken([before])) == [True]

    database.crash()

    assert surely(intake, before) == [False]
    assert surely(intake, after) == [True]


def test_a_read_only_database_is_away_and_nothing_is_quarantined(
    database: Database, store: PostgresStore
) -> None:
    intake = Intake(store, NoHints())
    database.tell("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    time.sleep(0.5)
    try:
        with pytest.raises(StorageAwayError):
            intake.store(Taken([fact(), fact()]))
    finally:
        database.tell(
            "SET default_transaction_read_only = off",
            "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
        )
        time.sleep(0.5)

    assert surely(intake, fact()) == [True]
    with store.session() as session:
        assert session.one("SELECT count(*) FROM quarantine") == 0


def test_a_database_without_a_free_connection_is_away_and_comes_back(database: Database) -> None:
    database.tell(
        "CREATE ROLE narrow LOGIN CONNECTION LIMIT 1", "GRANT ALL ON ALL TABLES IN SCHEMA public TO narrow"
    )
    url = psycopg.conninfo.make_conninfo(database.url, user="narrow")
    busy = psycopg.connect(url)
    store = PostgresStore(url, min_size=1, max_size=1, patience=1)
    try:
        began = time.monotonic()
        with pytest.raises(StorageAwayError), store.transaction():
            pass
        assert time.monotonic() - began < 10
        busy.close()

        assert surely(Intake(store, NoHints()), fact()) == [True]
    finally:
        busy.close()
        store.close()


@pytest.mark.parametrize(
    "error", [errors.DiskFull, errors.TooManyConnections, errors.CannotConnectNow, errors.AdminShutdown]
)
def test_a_full_disk_and_every_other_trouble_of_the_server_is_being_away(error: type[psycopg.Error]) -> None:
    assert isinstance(translated(error("no")), StorageAwayError)


def test_a_broker_that_is_gone_costs_nobody_a_moment() -> None:
    app = Celery(broker="redis://127.0.0.1:1/0")
    hints = CeleryHints(app)

    began = time.perf_counter()
    for lane in range(64):
        hints.digest([lane])

    assert time.perf_counter() - began < 0.5
