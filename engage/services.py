"""Services: the database and the broker of one machine, and whether the schema is this code's.

Apart from `bootstrap`, so that processes which only need this much start in a moment.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from engage.embedded import start_postgres, start_valkey
from engage.settings import Settings
from engage.storage.migrations.current import Standing, is_empty, standing, steps


class KeptServices:
    """PostgreSQL and the broker of one machine; what is embedded is started again when it dies."""

    def __init__(self, settings: Settings) -> None:
        """Start what the settings do not name."""
        self._data_dir = settings.data_dir
        self._postgres = start_postgres(settings.data_dir) if settings.database_url is None else None
        self._valkey = start_valkey(settings.data_dir) if settings.broker_url is None else None
        database, broker = settings.database_url, settings.broker_url
        self.database_url = self._postgres.url if self._postgres is not None else database or ""
        self.broker_url = self._valkey.url if self._valkey is not None else broker or ""

    def revive(self) -> list[str]:
        """Start again what has died, at the same address; return its names."""
        revived: list[str] = []
        if self._postgres is not None and not _lives(self._postgres.pid):
            self._postgres.stop()
            self._postgres = start_postgres(self._data_dir)
            revived.append("postgres")
        if self._valkey is not None and not _lives(self._valkey.pid):
            self._valkey.stop()
            self._valkey = start_valkey(self._data_dir)
            revived.append("valkey")
        return revived

    def pids(self) -> dict[str, int]:
        """Return the process ids of what is embedded."""
        found = {"postgres": self._postgres, "valkey": self._valkey}
        return {name: service.pid for name, service in found.items() if service is not None}

    def stop(self) -> None:
        """Stop what we started, the broker first."""
        for service in (self._valkey, self._postgres):
            if service is not None:
                service.stop()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def services(settings: Settings) -> Iterator[KeptServices]:
    """Run PostgreSQL and the broker where the settings name none, for as long as the block runs."""
    kept = KeptServices(settings)
    try:
        yield kept
    finally:
        kept.stop()


@contextmanager
def services_meanwhile(settings: Settings) -> Iterator[Callable[[], KeptServices]]:
    """Run the same while the block does other things, with a schema of this version; who calls what it gives waits for them."""

    def start() -> KeptServices:
        kept = KeptServices(settings)
        try:
            migrate_schema(kept.database_url)
        except BaseException:
            kept.stop()
            raise
        return kept

    with ThreadPoolExecutor(1, thread_name_prefix="services") as pool:
        starting = pool.submit(start)
        try:
            yield starting.result
        finally:
            if starting.exception() is None:
                starting.result().stop()


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Give the database's URL; the embedded one runs for as long as the block does. No broker is needed."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    postgres = start_postgres(settings.data_dir)
    try:
        yield postgres.url
    finally:
        postgres.stop()


def database_is_empty(database_url: str) -> bool:
    """Return whether nothing is in the database yet, not even a schema."""
    return is_empty(database_url)


def migrate_schema(database_url: str, *, to: str | None = None, before: bool = False) -> None:
    """Bring a database to this version's schema, with the months of events around now; or to the step `to`, also back. Idempotent.

    `before`: no further than processes of the version before can live with.
    """
    # Alembic takes a second to import; only this needs it.
    from engage.storage.migrations.apply import HEAD, before_deployment, migrate

    migrate(database_url, before_deployment(database_url) if before else to or HEAD)


def schema_step(database_url: str) -> str | None:
    """Return the newest step that was taken in a database; None in an empty one."""
    from engage.storage.migrations.apply import revision_of

    return revision_of(database_url)


def schema_steps() -> list[str]:
    """Return this version's steps, oldest first."""
    return list(steps())


def schema_standing(settings: Settings) -> Standing:
    """Return how the database stands to this version."""
    with database(settings) as url:
        return standing(url)


def broker_url(settings: Settings) -> str:
    """Return the broker's URL: the settings', else that of the embedded Valkey, which runs from now on."""
    if settings.broker_url is not None:
        return settings.broker_url
    return start_valkey(settings.data_dir).url
