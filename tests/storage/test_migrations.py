"""The schema goes up and down, and a database says whether it has it."""

from collections.abc import Callable, Iterator
from itertools import count
from threading import Thread

import psycopg
import pytest

from engage.storage.migrations.apply import migrate, revisions
from engage.storage.migrations.current import is_current
from tests.storage.conftest import create_database

pytestmark = pytest.mark.live

_numbers = count()


@pytest.fixture
def empty_url(postgres_url: str) -> str:
    """The URL of a database without any schema."""
    return create_database(postgres_url, f"migrations {next(_numbers)}")


@pytest.fixture
def schema(empty_url: str) -> Iterator[Callable[[], list[tuple[str, ...]]]]:
    """Describes every column, index and constraint of the database."""
    with psycopg.connect(empty_url, autocommit=True) as connection:

        def describe() -> list[tuple[str, ...]]:
            return connection.execute(
                """
                SELECT table_name, column_name, data_type, is_nullable, column_default
                FROM information_schema.columns WHERE table_schema = 'public'
                UNION ALL SELECT tablename, indexname, indexdef, '', '' FROM pg_indexes WHERE schemaname = 'public'
                UNION ALL SELECT relname, '', reloptions::text, '', '' FROM pg_class
                WHERE relnamespace = 'public'::regnamespace
                ORDER BY 1, 2, 3
                """
            ).fetchall()

        yield describe


def test_an_empty_database_is_not_ready_and_a_migrated_one_is(empty_url: str) -> None:
    before = is_current(empty_url)

    migrate(empty_url)

    assert (before, is_current(empty_url)) == (False, True)


def test_migrating_twice_changes_nothing(empty_url: str, schema: Callable[[], list[tuple[str, ...]]]) -> None:
    migrate(empty_url)
    once = schema()

    migrate(empty_url)

    assert schema() == once


def test_down_leaves_nothing_and_up_again_leaves_the_same(
    empty_url: str, schema: Callable[[], list[tuple[str, ...]]]
) -> None:
    migrate(empty_url)
    up = schema()

    migrate(empty_url, "base")
    down = schema()
    migrate(empty_url)

    assert {row[0] for row in down} == {"alembic_version", "alembic_version_pkc"}
    assert schema() == up


def test_every_step_can_be_taken_back_alone(
    empty_url: str, schema: Callable[[], list[tuple[str, ...]]]
) -> None:
    known = []
    for step in revisions():
        migrate(empty_url, step)
        known.append(schema())

    for step, before in zip(revisions()[-2::-1], known[-2::-1], strict=True):
        migrate(empty_url, step)
        assert schema() == before


def test_processes_that_migrate_at_once_do_not_disturb_each_other(empty_url: str) -> None:
    threads = [Thread(target=migrate, args=(empty_url,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert is_current(empty_url)
