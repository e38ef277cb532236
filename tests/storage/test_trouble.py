"""What goes wrong at the database arrives as an error that says what to do, and says nothing of anybody's data."""

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from threading import Barrier, Thread
from time import monotonic, sleep

import psycopg
import pytest

from engage.domain.turn.changes import Changes
from engage.ports.storage import StorageAwayError, StorageBusyError, StorageRefusedError
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.session import liveness
from engage.storage.postgres.worker_lock import PostgresWorkerLock
from tests.storage.contract.given import delivery, people, profile, profile_id, run_id, save, write

pytestmark = pytest.mark.live


@pytest.fixture
def store(postgres_store: PostgresStore) -> PostgresStore:
    """An empty store."""
    return postgres_store


@pytest.fixture
def nowhere() -> Iterator[PostgresStore]:
    """A store whose database does not exist."""
    store = PostgresStore("host=/nonexistent port=1 dbname=none", patience=0.2)
    yield store
    store.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_database_that_is_not_there_is_away(nowhere: PostgresStore) -> None:
    with pytest.raises(StorageAwayError), nowhere.transaction():
        pass
    with pytest.raises(StorageAwayError), nowhere.hold_worker_lock("w"):
        pass


def test_a_broken_connection_is_away_and_the_next_one_works(store: PostgresStore) -> None:
    with pytest.raises(StorageAwayError):
        lose_the_connection(store)

    with store.transaction() as tx:
        assert tx.definitions.epoch() == 0


def lose_the_connection(store: PostgresStore) -> None:
    """Have the server close a connection in the middle of its transaction."""
    with store.transaction() as tx:
        backend = tx._session.one("SELECT pg_backend_pid()")
        with store.session() as other:
            other.rows("SELECT pg_terminate_backend(%s, 5000)", backend)
        tx.definitions.epoch()


def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(store: PostgresStore) -> None:
    write(store, people("ada", "bob"))
    both_locked = Barrier(2, timeout=10)
    told: list[str] = []

    def lock(first: str, second: str) -> None:
        try:
            with store.transaction() as tx:
                tx.people.lock([profile_id(first)])
                both_locked.wait()
                tx.people.lock([profile_id(second)])
        except StorageBusyError:
            told.append(first)

    threads = [Thread(target=lock, args=pair) for pair in (("ada", "bob"), ("bob", "ada"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(told) == 1


def test_an_error_quotes_no_value_of_a_row(store: PostgresStore) -> None:
    save(store, delivery("ada", "one", run=run_id("r"), step="hello"))

    with pytest.raises(StorageRefusedError) as refused:
        save(store, delivery("ada", "two", run=run_id("r"), step="hello"))

    assert isinstance(refused.value.__cause__, psycopg.Error)
    assert run_id("r") not in f"{refused.value} {refused.value.__cause__}"


@pytest.mark.parametrize("number", ["1e200000", "-1e200000"])
def test_a_number_beyond_everything_is_refused(store: PostgresStore, number: str) -> None:
    huge = profile("ada", traits={"n": Decimal(number)})

    with pytest.raises(StorageRefusedError):
        write(store, Changes(profiles={huge.id: huge}))


def test_every_lasting_connection_notices_a_machine_that_is_gone(store: PostgresStore) -> None:
    with store.hold_worker_lock("alone") as lock, store.session() as session:
        assert isinstance(lock, PostgresWorkerLock)
        assert lock._connection is not None
        for connection in (lock._connection, session._cursor.connection):
            given = connection.info.get_parameters()
            assert int(given["connect_timeout"]) <= 10
            assert int(given["keepalives_idle"]) + 3 * int(given["keepalives_interval"]) <= 30
            assert int(given["tcp_user_timeout"]) <= 10_000


def test_what_a_url_says_of_waiting_itself_is_left_alone() -> None:
    assert "connect_timeout" not in liveness("postgresql://a/b?connect_timeout=60")
    assert "connect_timeout" in liveness("postgresql://a,b/c?target_session_attrs=read-write")


def test_a_killed_worker_is_not_alive(store: PostgresStore, storage_url: str) -> None:
    program = (
        "import sys\n"
        "from engage.storage.postgres import PostgresStore\n"
        "store = PostgresStore(sys.argv[1], min_size=0)\n"
        "with store.hold_worker_lock('victim'):\n"
        "    print('holding', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program, storage_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert worker.stdout is not None
    assert worker.stdin is not None
    try:
        assert worker.stdout.readline() == b"holding\n"
        assert store.worker_alive("victim")

        worker.kill()
        worker.wait(10)

        until = monotonic() + 10
        while store.worker_alive("victim") and monotonic() < until:
            sleep(0.01)
        assert not store.worker_alive("victim")
    finally:
        worker.kill()
        worker.wait(10)
        worker.stdin.close()
        worker.stdout.close()
