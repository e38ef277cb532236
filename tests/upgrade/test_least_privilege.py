"""The engine needs a database of its own, and no power over any other: a plain role that owns it does everything."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from engage.storage.migrations.apply import migrate
from engage.storage.postgres.upkeep import keep_house
from tests.storage.conftest import create_database
from tests.upgrade.old import RELEASES, Old, going_on


@pytest.fixture
def plain_url(postgres_url: str) -> str:
    """A database that belongs to a role without any privilege."""
    url = create_database(postgres_url, "plain")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE ROLE plain LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD 'plain'"
        )
        connection.execute("ALTER DATABASE plain OWNER TO plain")
        connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier("plain")))
    return psycopg.conninfo.make_conninfo(url, user="plain", password="plain")


def test_a_role_that_owns_its_database_and_nothing_else_is_enough(plain_url: str, tmp_path: Path) -> None:
    old = Old(RELEASES[-1])
    old.load(plain_url)
    migrate(plain_url)

    with going_on(old, plain_url, tmp_path) as (shop, _):
        shop.until(old.now + timedelta(hours=30))
        keep_house(
            shop.runtime.store,
            shop.clock.now(),
            events=timedelta(days=1),
            bodies=timedelta(days=1),
            decisions=timedelta(days=1),
            epoch=None,
        )
        with psycopg.connect(plain_url) as connection:
            (row,) = connection.execute(
                "SELECT current_user, rolsuper OR rolcreatedb OR rolcreaterole, (SELECT count(*) FROM inbox)"
                " FROM pg_roles WHERE rolname = current_user"
            )

    assert row == ("plain", False, 0)
