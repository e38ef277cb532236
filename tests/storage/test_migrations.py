"""The schema goes up and down, and a database says whether it has it."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from engage.storage.migrations import versions
from engage.storage.migrations.apply import migrate, revisions
from engage.storage.migrations.current import is_current
from tests.storage.conftest import create_database

pytestmark = pytest.mark.live

_numbers = count()
_STEPS = Path(versions.__file__).parent


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


_SHAPE = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
    a.attidentity
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
"""
_RULES = """
SELECT c.relname, conname, pg_get_constraintdef(k.oid) FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = conrelid
WHERE c.relnamespace = 'public'::regnamespace AND contype <> 'n'
UNION ALL
SELECT c.relname, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = indrelid
WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique
"""


@pytest.mark.parametrize("number", range(1, len(revisions())), ids=lambda number: revisions()[number])
def test_a_step_before_the_deployment_only_adds_what_old_code_need_not_know(
    empty_url: str, number: int
) -> None:
    """What the old code reads stays as it was, and what it writes is still taken: expand now, contract later."""
    name = next(path.stem for path in _STEPS.glob(f"{revisions()[number]}_*.py"))
    migrate(empty_url, revisions()[number - 1])
    with psycopg.connect(empty_url, autocommit=True) as connection:
        columns, rules = set(connection.execute(_SHAPE)), set(connection.execute(_RULES))
        tables = {column[0] for column in columns}
        migrate(empty_url, revisions()[number])
        more_columns, more_rules = set(connection.execute(_SHAPE)), set(connection.execute(_RULES))

    assert name.endswith(("_before", "_after"))
    if name.endswith("_before"):
        added = [column for column in more_columns - columns if column[0] in tables]
        assert columns <= more_columns, "something that was there has changed or gone"
        assert [c for c in added if c[3] and c[4] is None and not c[5]] == [], "old code cannot fill these"
        assert [rule for rule in more_rules - rules if rule[0] in tables] == [], "old code may break these"


def test_stepping_back_takes_what_was_told_again_out_of_everybody(empty_url: str) -> None:
    migrate(empty_url, "0010")
    times = '{"plan": ["2026-03-03T00:00:00Z", "2026-03-01T00:00:00Z", null, 1], "name": ["2026-03-03T00:00:00Z", "2026-03-03T00:00:00Z", null, 0]}'
    person = (
        "INSERT INTO profile (id, lane, created_at, bucket_key, merges, traits, trait_times, told_again)"
        " VALUES (gen_random_uuid(), 0, now(), 'k', 0, '{}', %s, %s)"
    )
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(person, (times, "[1772409600000000]"))
        connection.execute(person, ("{}", "[]"))

        migrate(empty_url, "0009")
        left = [
            row
            for (row,) in connection.execute(
                "SELECT trait_times FROM profile ORDER BY length(trait_times::text)"
            )
        ]
        migrate(empty_url)

        assert [len(kept) for trait in left for kept in trait.values()] == [3, 3]
        assert left[1]["plan"] == ["2026-03-03T00:00:00Z", "2026-03-01T00:00:00Z", None]
        assert set(connection.execute("SELECT told_again::text FROM profile")) == {("[]",)}


def test_whoever_followed_the_development_gets_what_was_put_in_between(
    empty_url: str, schema: Callable[[], list[tuple[str, ...]]]
) -> None:
    migrate(empty_url)
    whole = schema()
    with psycopg.connect(empty_url) as connection:
        connection.execute("DROP TABLE ended_session")
        connection.execute("UPDATE alembic_version SET version_num = '0012'")

    migrate(empty_url)

    assert schema() == whole
