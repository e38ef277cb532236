"""Apply: bring a database to the schema of this code."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool, text

from engage.storage.migrations.current import connected, oldest_at, steps
from engage.storage.postgres.partitions import ensure_months
from engage.storage.postgres.session import Session

HEAD = "head"
BASE = "base"
_FOLDER = Path(__file__).parent
_MIGRATING = 0x656E67616765  # "engage": the advisory lock under which one process migrates at a time


def migrate(url: str, revision: str = HEAD) -> None:
    """Bring the database to `revision`, upwards or downwards (`base`: nothing left), in one transaction; at the head also
    make the partitions of the months around today.

    Idempotent; of several processes at once, one migrates and the others wait and find it done.
    """
    with _connection(url) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
        config = _config()
        config.attributes["connection"] = connection
        if _is_behind(connection, revision):
            command.upgrade(config, revision)
        else:
            command.downgrade(config, revision)
        _tell_older_code(connection)
    if revision == HEAD:
        with connected(url) as connection:
            ensure_months(Session(connection), datetime.now(UTC))


def revision_of(url: str) -> str | None:
    """Return the newest step that was taken in a database; None in an empty one."""
    with _connection(url) as connection:
        return _present(connection)


def before_deployment(url: str) -> str:
    """Return up to which step a database may be brought while processes of the version before still run."""
    present = revision_of(url) or ""
    missing = [(step, before) for step, before in steps().items() if step > present]
    allowed = present
    for step, before in missing:
        if not before:
            break
        allowed = step
    return allowed


def revisions() -> list[str]:
    """Return the names of all steps, oldest first."""
    steps = ScriptDirectory.from_config(_config()).walk_revisions(BASE, HEAD)
    return [step.revision for step in steps][::-1]


def _is_behind(connection: Connection, revision: str) -> bool:
    if revision in {HEAD, BASE}:
        return revision == HEAD
    present = _present(connection)
    return present is None or present < revision


def _present(connection: Connection) -> str | None:
    (present,) = MigrationContext.configure(connection).get_current_heads() or (None,)
    return present


def _tell_older_code(connection: Connection) -> None:
    """Note who may run at the step reached, for code that does not know the step."""
    there = "SELECT FROM information_schema.columns WHERE table_name = 'project' AND column_name = 'oldest'"
    present = _present(connection)
    if present is not None and connection.execute(text(there)).first() is not None:
        connection.execute(text("UPDATE project SET oldest = :oldest"), {"oldest": oldest_at(present)})


def _config() -> Config:
    config = Config()
    # Config reads `%` as interpolation.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    # The creator keeps libpq's URL whole: SQLAlchemy's own form has no place for some of its options.
    engine = create_engine("postgresql+psycopg://", creator=lambda: connected(url), poolclass=pool.NullPool)
    with engine.begin() as connection:
        yield connection
