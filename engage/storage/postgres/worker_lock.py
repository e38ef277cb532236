"""The session lock of a worker's name, on a connection of its own that is made anew when it breaks."""

import hashlib
import select
import threading
from contextlib import suppress

import psycopg

from engage.ports.storage import StorageAwayError, StorageBusyError
from engage.storage.postgres.session import Connection, Session, liveness, translated

# Only a session that holds this very lock: the number of a process may be somebody else's by now.
_END_OLD_SESSION = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE pid = %s AND locktype = 'advisory' AND granted AND objsubid = 1
    AND classid = %s::bigint::oid AND objid = %s::bigint::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class PostgresWorkerLock:
    """Implements `ports.locking.WorkerLock`. Thread-safe."""

    def __init__(self, url: str, worker: str) -> None:
        """Take the name.

        Raises:
            StorageBusyError: another process holds it.
        """
        self._url, self._worker = url, worker
        self._guard = threading.Lock()
        self._connection: Connection | None = None
        self._session: int | None = None
        """The server's process that held the name last, as far as we know."""
        self.keep()

    def keep(self) -> None:
        """Take the name again if the connection that held it broke: with it the server let go of the lock."""
        with self._guard:
            if self._connection is not None and not _is_broken(self._connection):
                return
            self._drop()
            self._take()

    def release(self) -> None:
        """Let go of the name. The server notices a closed connection only some moments later, so it is told."""
        with self._guard:
            if self._connection is not None:
                with suppress(StorageAwayError):
                    Session(self._connection).one("SELECT pg_advisory_unlock(%s)", key_of(self._worker))
            self._drop()

    def _take(self) -> None:
        try:
            connection: Connection = psycopg.connect(self._url, autocommit=True, **liveness(self._url))
        except psycopg.Error as exc:
            raise translated(exc) from exc
        self._connection = connection
        if not Session(connection).one("SELECT pg_try_advisory_lock(%s)", key_of(self._worker)):
            if self._session is not None:
                # Our own connection broke, and the server may not notice that for hours.
                key = key_of(self._worker) & 0xFFFFFFFFFFFFFFFF
                Session(connection).rows(_END_OLD_SESSION, self._session, key >> 32, key & 0xFFFFFFFF)
            self._drop()
            raise StorageBusyError(f"another process is the worker {self._worker}")
        self._session = connection.info.backend_pid

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def key_of(worker: str) -> int:
    """Return the key of a worker's advisory lock: signed, 64 bits."""
    return int.from_bytes(hashlib.blake2b(worker.encode(), digest_size=8).digest(), "big", signed=True)


def _is_broken(connection: Connection) -> bool:
    """Return whether the server closed it. A sound connection that nobody uses is silent, so looking costs no round trip."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if not poll.poll(0):
        return False
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return True
    return False
