"""A migrated PostgreSQL, empty at the start of each test."""

from collections.abc import Iterator

import psycopg
import pytest

from engage.storage.migrations.apply import migrate
from engage.storage.postgres import PostgresStore
from tests.storage.conftest import create_database, empty


@pytest.fixture(scope="session")
def folds_url(postgres_url: str) -> str:
    """The URL of a migrated database."""
    url = create_database(postgres_url, "folds")
    migrate(url)
    return url


@pytest.fixture
def postgres_store(folds_url: str) -> Iterator[PostgresStore]:
    """An empty store."""
    with psycopg.connect(folds_url) as connection:
        empty(connection)
    store = PostgresStore(folds_url, min_size=1, max_size=4)
    yield store
    store.close()
