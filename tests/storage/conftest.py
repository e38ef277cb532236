"""A migrated PostgreSQL for the tests of storage, empty at the start of each."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from engage.storage.migrations.apply import migrate
from engage.storage.postgres import PostgresStore

_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname NOT IN ('alembic_version', 'project')
"""


def create_database(url: str, name: str) -> str:
    """Create a database beside the one of `url` and return its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return psycopg.conninfo.make_conninfo(url, dbname=name)


def empty(connection: psycopg.Connection) -> None:
    """Delete every row; with few rows that is far cheaper than truncating."""
    tables = [name for (name,) in connection.execute(_TABLES)]
    for table in tables:
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    connection.execute("UPDATE project SET epoch = 0, stopped = '{}'")
    connection.commit()


@pytest.fixture(scope="session")
def storage_url(postgres_url: str) -> str:
    """The URL of a migrated database."""
    url = create_database(postgres_url, "storage")
    migrate(url)
    return url


@pytest.fixture(scope="session")
def storage_store(storage_url: str) -> Iterator[PostgresStore]:
    """A store that all tests share."""
    store = PostgresStore(storage_url, min_size=2, max_size=8)
    yield store
    store.close()


@pytest.fixture(scope="session")
def storage_connection(storage_url: str) -> Iterator[psycopg.Connection]:
    """A connection beside the store."""
    with psycopg.connect(storage_url) as connection:
        yield connection


@pytest.fixture
def postgres_store(storage_store: PostgresStore, storage_connection: psycopg.Connection) -> PostgresStore:
    """The store, empty."""
    empty(storage_connection)
    return storage_store
