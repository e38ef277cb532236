"""A fresh face for every test; and one over PostgreSQL for those that ask for it."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from engage.storage.migrations.apply import migrate
from engage.storage.postgres import PostgresStore
from tests.api.world import Client, World, calling


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    with calling(world) as client:
        yield client


@pytest.fixture(scope="session")
def api_database(postgres_url: str) -> str:
    """The URL of a migrated database of this folder's own."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("api")))
    url = psycopg.conninfo.make_conninfo(postgres_url, dbname="api")
    migrate(url)
    return url


@pytest.fixture
def postgres_world(api_database: str) -> Iterator[World]:
    """A face over PostgreSQL; what other tests left there stays there, under other ids."""
    store = PostgresStore(api_database, min_size=1, max_size=4)
    yield World(store=store)
    store.close()
