"""Current: how a database stands to this code's schema. Asked by every process at its start, so without Alembic (a second).

Steps are numbered files named `…_before` or `…_after`, as seen from the deployment they belong to. Before one, a step only adds what
older code need not know; what older code needs is taken away after it. So a process runs as soon as its last step `before` is there,
and as long as nothing it needs has gone: `project.oldest` names the oldest code, by its last step `before`, that still may.
"""

from enum import StrEnum
from pathlib import Path

import psycopg

from engage.ports.storage import StorageAwayError
from engage.storage.postgres.session import liveness

_STEPS = Path(__file__).parent / "versions"
FIRST = "0001"


class Standing(StrEnum):
    """How a database stands to this code."""

    CURRENT = "current"
    """It has exactly this code's schema."""
    USABLE = "usable"
    """This code may run: steps `after` are still to come, or a newer version has prepared its own coming."""
    BEHIND = "behind"
    """Steps are missing without which this code cannot run."""
    AHEAD = "ahead"
    """A newer version has taken away what this code needs."""

    @property
    def fits(self) -> bool:
        """Whether this code may run."""
        return self in {Standing.CURRENT, Standing.USABLE}

    @property
    def complete(self) -> bool:
        """Whether no step is missing, and none too many."""
        return self is Standing.CURRENT

    @property
    def advice(self) -> str:
        """What whoever starts a process should do."""
        if self is Standing.AHEAD:
            return "the database belongs to a newer version of engage; start that one"
        return "the database's schema is not this version's; run `engage migrate` first"


def steps() -> dict[str, bool]:
    """Return this code's steps, oldest first: whether each belongs before a deployment."""
    names = sorted(path.stem for path in _STEPS.glob("[0-9]*.py"))
    return {name.partition("_")[0]: not name.endswith("_after") for name in names}


def head() -> str:
    """Return the name of the newest step."""
    return list(steps())[-1]


def needed() -> str:
    """Return the step without which this code cannot run: the newest `before`."""
    return [step for step, before in steps().items() if before][-1]


def oldest_at(revision: str) -> str:
    """Return the oldest code that may run at `revision`, by the step it needs: the newest `before` ahead of the last `after`."""
    done = [(step, before) for step, before in steps().items() if step <= revision]
    last_after = max((step for step, before in done if not before), default=FIRST)
    return max((step for step, before in done if before and step < last_after), default=FIRST)


def connected(url: str) -> psycopg.Connection:
    """Return a connection of its own to the database.

    Raises:
        StorageAwayError: nobody answers there, or does not let us in; the text says which, and holds no secret.
    """
    try:
        return psycopg.connect(url, **liveness(url))
    except psycopg.OperationalError as exc:
        told = str(exc).strip().splitlines()
        raise StorageAwayError(told[0].removeprefix("connection failed: ") if told else "no answer") from exc


def is_empty(url: str) -> bool:
    """Return whether nothing of ours, or of anybody else's, is in the database yet."""
    with connected(url) as connection:
        there = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
        ).fetchone()
    return there is not None and not there[0]


def is_current(url: str) -> bool:
    """Return whether the database has exactly the schema of this code."""
    return standing(url) is Standing.CURRENT


def standing(url: str) -> Standing:
    """Return how the database stands to this code.

    Raises:
        StorageAwayError: it does not answer.
    """
    with connected(url) as connection:
        revision = _revision(connection)
        if revision == head():
            return Standing.CURRENT
        if revision is None or revision in steps():
            return Standing.USABLE if revision is not None and revision >= needed() else Standing.BEHIND
        oldest = connection.execute("SELECT oldest FROM project").fetchone()
        return Standing.USABLE if oldest is not None and oldest[0] <= needed() else Standing.AHEAD


def _revision(connection: psycopg.Connection) -> str | None:
    there = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if there is None or not there[0]:
        return None
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if found is None else str(found[0])
