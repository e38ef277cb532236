"""A face over a real database, to be attacked."""

from collections.abc import Iterator
from itertools import count

import pytest

from engage.services import migrate_schema
from engage.storage.postgres import PostgresStore
from tests.storage.conftest import create_database

_numbers = count(1)


@pytest.fixture(scope="module")
def attacked(postgres_url: str) -> Iterator[PostgresStore]:
    """A store in a migrated database of this module's own."""
    url = create_database(postgres_url, f"attacked {next(_numbers)}")
    migrate_schema(url)
    store = PostgresStore(url, min_size=1, max_size=4, pepper=b"for tests")
    yield store
    store.close()
