"""The store in PostgreSQL: a pool of connections, transactions, and the session locks of workers."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from engage.domain.turn.changes import Changes
from engage.ports.locking import WorkerLock
from engage.ports.storage import AGGREGATES, StorageAwayError
from engage.storage.postgres.access import PostgresAccess
from engage.storage.postgres.consents import PostgresConsents
from engage.storage.postgres.definitions import PostgresDefinitions
from engage.storage.postgres.deliveries import PostgresDeliveries
from engage.storage.postgres.events import PostgresEvents
from engage.storage.postgres.folding import PostgresFolds
from engage.storage.postgres.inbox import PostgresInbox
from engage.storage.postgres.jobs import PostgresJobs
from engage.storage.postgres.listings import PostgresListings
from engage.storage.postgres.people import PostgresPeople
from engage.storage.postgres.runs import PostgresRuns
from engage.storage.postgres.selecting import PostgresSelection
from engage.storage.postgres.senders import PostgresSenders
from engage.storage.postgres.session import Connection, Session, configure, liveness, translated
from engage.storage.postgres.short_links import PostgresShortLinks
from engage.storage.postgres.trail import PostgresTrail
from engage.storage.postgres.worker_lock import PostgresWorkerLock, key_of
from engage.storage.postgres.write import write

CONNECT_SECONDS = 10.0  # how long a transaction waits for a connection before the database counts as away

_WORKER_ALIVE = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = %s::bigint::oid AND objid = %s::bigint::oid
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""


class PostgresTransaction:
    """One atomic piece of work."""

    __slots__ = ("_session", *AGGREGATES)

    def __init__(self, connection: Connection, pepper: bytes = b"") -> None:
        """Open the aggregates on one connection."""
        session = Session(connection)
        self._session = session
        self.inbox = PostgresInbox(session)
        self.people = PostgresPeople(session, pepper)
        self.events = PostgresEvents(session)
        self.folds = PostgresFolds(session)
        self.runs = PostgresRuns(session)
        self.deliveries = PostgresDeliveries(session)
        self.consents = PostgresConsents(session, pepper)
        self.definitions = PostgresDefinitions(session)
        self.selection = PostgresSelection(session)
        self.senders = PostgresSenders(session)
        self.links = PostgresShortLinks(session)
        self.listings = PostgresListings(session)
        self.jobs = PostgresJobs(session)
        self.trail = PostgresTrail(session)
        self.access = PostgresAccess(session)

    def write(self, changes: Changes) -> None:
        """Write everything a turn decided.

        Raises:
            IdentityRaceError: an identifier or the place of a run is taken.
        """
        write(self._session, changes)


class PostgresStore:
    """A `Store` on PostgreSQL 15 or newer whose schema is migrated. Make it after forking: it starts a thread.

    Every error of the driver arrives as one of the port's: StorageAwayError, StorageBusyError, StorageRefusedError
    or IdentityRaceError; what is none of these is a mistake in our SQL and stays as it is.
    """

    def __init__(
        self,
        url: str,
        *,
        min_size: int = 1,
        max_size: int = 8,
        patience: float = CONNECT_SECONDS,
        pepper: bytes = b"",
    ) -> None:
        """Open a pool of connections; `url` is libpq's. Does not wait for the database; a transaction waits for a
        connection at most `patience` seconds. `pepper` keys what is left of erased addresses.
        """
        self._url, self._pepper = url, pepper
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            kwargs=liveness(url),
            min_size=min_size,
            max_size=max_size,
            timeout=patience,
            configure=configure,
            num_workers=1,
            open=True,
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        """Begin; commit when the block ends, roll back when it raises.

        Raises:
            StorageAwayError: the database cannot be reached, or went away; after a lost commit nobody knows.
        """
        with self._connection() as connection:
            yield PostgresTransaction(connection, self._pepper)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give one transaction's bare connection to a file of this folder that is no aggregate."""
        with self._connection() as connection:
            yield Session(connection)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as exc:
            raise StorageAwayError("no connection to the database") from exc
        except psycopg.Error as exc:
            raise translated(exc) from exc

    def worker_alive(self, worker: str) -> bool:
        """Return whether a connected process holds this worker name."""
        key = key_of(worker) & 0xFFFFFFFFFFFFFFFF
        with self._connection() as connection:
            return bool(Session(connection).one(_WORKER_ALIVE, key >> 32, key & 0xFFFFFFFF))

    @contextmanager
    def hold_worker_lock(self, worker: str) -> Iterator[WorkerLock]:
        """Hold this worker name on a connection of its own for as long as the block runs.

        Raises:
            StorageBusyError: another process holds it.
        """
        lock = PostgresWorkerLock(self._url, worker)
        try:
            yield lock
        finally:
            lock.release()
