"""PostgreSQL and Valkey without an installation: programs from wheels, started, kept private and stopped by us."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engage.embedded.errors import EmbeddedError
from engage.embedded.place import clear_place
from engage.embedded.postgres import Postgres, start_postgres
from engage.embedded.valkey import Valkey, start_valkey

__all__ = [
    "EmbeddedError",
    "Postgres",
    "Services",
    "Valkey",
    "clear_place",
    "embedded",
    "start_postgres",
    "start_valkey",
]


@dataclass(frozen=True, kw_only=True)
class Services:
    """Where both services of a data folder are to be found."""

    database_url: str
    broker_url: str


@contextmanager
def embedded(data_dir: Path, *, fast: bool = False) -> Iterator[Services]:
    """Run both services of `data_dir` for the length of a block; a second process with the same folder gets the same URLs.

    Raises:
        EmbeddedError: one of them does not start.
    """
    with ExitStack() as stack:
        postgres = start_postgres(data_dir, fast=fast)
        stack.callback(postgres.stop)
        valkey = start_valkey(data_dir, fast=fast)
        stack.callback(valkey.stop)
        yield Services(database_url=postgres.url, broker_url=valkey.url)
