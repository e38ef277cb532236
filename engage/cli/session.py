"""Session: one command's way into the engine — the database found and current, errors told in one line, an operator's name."""

import getpass
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from engage.bootstrap import Runtime, open_runtime
from engage.cli.remote import COMMANDS
from engage.domain.errors import EngageError
from engage.embedded import EmbeddedError, start_postgres
from engage.engine.operate import Operator
from engage.ports.storage import StorageAwayError
from engage.services import migrate_schema, schema_standing
from engage.settings import Settings, load_settings, read_dotenv

_encode = msgspec.json.Encoder(decimal_format="number").encode

CONNECTIONS = 3


def say_json(value: Any) -> None:
    """Print a value as one line of JSON; numbers stay exact."""
    click.echo(_encode(value).decode())


def settings_for(environment: str | None) -> Settings:
    """Return the settings of this folder, or those in `.env.NAME`.

    Raises:
        click.UsageError: there is no such file.
    """
    if environment is None:
        return load_settings()
    file = Path(f".env.{environment}")
    if not file.is_file():
        raise click.UsageError(f"there is no file {file}; it holds the settings of `{environment}`")
    # The file was named, so it outweighs what happens to be set here.
    return load_settings({**os.environ, **read_dotenv(file)}, None)


@contextmanager
def opened(settings: Settings) -> Iterator[Runtime]:
    """Open the engine for one command; what goes wrong is told without a traceback.

    An embedded database is made if need be. One that the settings name must have this version's schema.
    """
    if settings.api_url is not None and settings.database_url is None:
        raise click.UsageError(
            "ENGAGE_API_URL names a server on another machine, and this command works where the database is: "
            f"run it there, or set ENGAGE_DATABASE_URL. A server can be asked: {COMMANDS}"
        )
    with ExitStack() as stack:
        try:
            found = _found(settings, stack)
            _require_schema(found)
            yield stack.enter_context(open_runtime(found, connections=CONNECTIONS))
        except (StorageAwayError, EmbeddedError) as exc:
            raise click.ClickException(f"the database cannot be reached: {exc}") from exc
        except EngageError as exc:
            raise click.ClickException(str(exc)) from exc


def has_database(data_dir: Path) -> bool:
    """Return whether an embedded database was made here, or a link leads to where root had to put it."""
    return (data_dir / "postgres").exists() or (data_dir / "embedded").exists()


def _found(settings: Settings, stack: ExitStack) -> Settings:
    """Return settings that name a database: the embedded one, started and migrated, where there is no other."""
    if settings.database_url is not None:
        return settings
    postgres = start_postgres(settings.data_dir)
    stack.callback(postgres.stop)
    settings = replace(settings, database_url=postgres.url)
    if not schema_standing(settings).fits:
        migrate_schema(postgres.url)
    return settings


def _require_schema(settings: Settings) -> None:
    # A database that is away says why here; the pool would only wait for it.
    standing = schema_standing(settings)
    if not standing.fits:
        raise click.ClickException(standing.advice)


def operator(runtime: Runtime) -> Operator:
    """Return who is at the keyboard, for the audit trail."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # an account without a name, in a container
        name = "unknown"
    return Operator(f"cli:{name}", runtime.clock.now())
