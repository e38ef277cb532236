"""Live: scenarios through a PostgreSQL of their own, thrown away afterwards."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from engage.embedded import start_postgres
from engage.ports.storage import Store
from engage.storage.migrations.apply import migrate
from engage.storage.postgres.store import PostgresStore

# Deleting is far cheaper than truncating where there are few rows.
_EMPTY = """
DO $$ DECLARE name text; BEGIN
    FOR name IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND relname NOT IN ('alembic_version', 'project')
    LOOP EXECUTE format('DELETE FROM %%I', name); END LOOP;
    UPDATE project SET epoch = 0, stopped = '{}';
END $$
"""

Stores = Callable[[], AbstractContextManager[Store]]


@contextmanager
def live_stores(url: str | None = None) -> Iterator[Stores]:
    """Yield what gives every scenario an empty database.

    `url` names a database that is ours to empty, again and again; none: a server of our own, for this block.

    Raises:
        EmbeddedError: the server does not start.
    """
    if url is not None:
        with _opened(url) as stores:
            yield stores
        return
    with tempfile.TemporaryDirectory(prefix="engage-scenarios-") as folder:
        Path(folder).chmod(0o755)  # the server's own account must be able to enter
        server = start_postgres(Path(folder), fast=True)
        try:
            with _opened(server.url) as stores:
                yield stores
        finally:
            server.stop()


@contextmanager
def _opened(url: str) -> Iterator[Stores]:
    """Bring the database to this version's schema and yield what empties it again and again."""
    migrate(url)
    store = PostgresStore(url, min_size=1, max_size=2)

    @contextmanager
    def emptied() -> Iterator[Store]:
        with store.session() as session:
            session.run(_EMPTY)
        yield store

    try:
        yield emptied
    finally:
        store.close()
