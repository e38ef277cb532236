"""Current: is the database at this code's schema? Asked by every process at its start, so without Alembic (a second)."""

from pathlib import Path

import psycopg

_STEPS = Path(__file__).parent / "versions"


def head() -> str:
    """Return the name of the newest step: steps are numbered, so it is the last file."""
    return sorted(path.name for path in _STEPS.glob("[0-9]*.py"))[-1].partition("_")[0]


def is_empty(url: str) -> bool:
    """Return whether nothing of ours, or of anybody else's, is in the database yet."""
    with psycopg.connect(url) as connection:
        there = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
        ).fetchone()
    return there is not None and not there[0]


def is_current(url: str) -> bool:
    """Return whether the database has exactly the schema of this code."""
    with psycopg.connect(url) as connection:
        there = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        if there is None or not there[0]:
            return False
        return connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(head(),)]
