"""A connection and a store of our own: a pool's thread draws random numbers, which must not happen while Hypothesis draws."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pytest

from engage.ports.storage import Transaction
from engage.storage.postgres.session import Connection, configure
from engage.storage.postgres.store import PostgresTransaction


@pytest.fixture(scope="session")
def connection(storage_url: str) -> Iterator[Connection]:
    """A connection, configured as those of a store."""
    with psycopg.connect(storage_url) as opened:
        configure(opened)
        yield opened


class OneConnection:
    """A `Store` on one connection, for one thread."""

    def __init__(self, connection: Connection) -> None:
        """Use `connection`."""
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin; commit when the block ends, roll back when it raises."""
        with self._connection.transaction():
            yield PostgresTransaction(self._connection)
        self._connection.commit()

    def worker_alive(self, worker: str) -> bool:
        """Nobody works here."""
        del worker
        return False

    def hold_worker_lock(self, worker: str) -> AbstractContextManager[None]:
        """Nobody works here."""
        raise NotImplementedError(worker)


@pytest.fixture(scope="session")
def own_store(connection: Connection) -> OneConnection:
    """A store on that connection."""
    return OneConnection(connection)
