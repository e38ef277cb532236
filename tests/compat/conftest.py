"""One API process for this folder, on a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.compat.installation import Installation, installed_api


@pytest.fixture(scope="session")
def api_process(services_dir: Path, postgres_url: str, valkey_url: str) -> Iterator[Installation]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("compat")))
    database = psycopg.conninfo.make_conninfo(postgres_url, dbname="compat")
    with installed_api(services_dir / "compat", database, valkey_url) as api:
        yield api


@pytest.fixture
def api(api_process: Installation) -> Installation:
    """The API, with nothing stored."""
    api_process.forget()
    return api_process
