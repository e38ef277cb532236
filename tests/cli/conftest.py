"""An author's machine: a project folder, an installation's database, and the command line."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from engage.bootstrap import Runtime, open_runtime
from engage.cli.main import engage
from engage.domain.delivery.delivery import Channel
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import Intake
from engage.engine.canonical.call import Origin
from engage.ports.channel import Sender
from engage.ports.clock import NoHints
from engage.services import migrate_schema
from engage.settings import load_settings
from engage.testing.scripted import ScriptedProviders
from tests.storage.conftest import create_database

_numbers = count(1)


class Author:
    """Somebody with a project folder at the command line."""

    def __init__(self, folder: Path) -> None:
        """Work in `folder`."""
        self.folder = folder

    def run(self, *arguments: str, code: int = 0, answer: str | None = None) -> str:
        """Run a command in the folder; return what it printed, once its exit code is as claimed."""
        result = CliRunner().invoke(engage, arguments, input=answer, prog_name="engage")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with `--json` and return what it said."""
        return json.loads(self.run(*arguments, "--json", code=code).splitlines()[-1])

    def edit(self, path: str, before: str, after: str) -> None:
        """Change one place of a file."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {path}"
        file.write_text(text.replace(before, after))

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def remove(self, path: str) -> None:
        """Delete a file or folder."""
        target = self.folder / path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    def runtime(self) -> AbstractContextManager[Runtime]:
        """Open the engine as a worker would."""
        return open_runtime(load_settings(), connections=4)

    def happen(self, *calls: dict[str, Any]) -> None:
        """Let calls of Segment's wire arrive, and all that follows from them now."""
        with self.runtime() as runtime:
            for call in calls:
                take(runtime, call)
                work(runtime)

    def track(self, person: str, event: str, **properties: Any) -> None:
        """Let an event happen to somebody, and all that follows from it now."""
        self.happen({"type": "track", "userId": person, "event": event, "properties": properties})

    def identify(self, person: str, **traits: Any) -> None:
        """Say who somebody is."""
        self.happen({"type": "identify", "userId": person, "traits": traits})


def take(runtime: Runtime, call: dict[str, Any]) -> None:
    """Let one call of Segment's wire arrive."""
    acceptor = Acceptor(lambda: runtime.catalog().settings)
    origin = Origin(source="test", received_at=datetime.now(UTC), rules=acceptor.rules())
    Intake(runtime.store, NoHints()).store(acceptor.call(b"", call, origin))


def work(runtime: Runtime, more: Mapping[Channel, Sender] | None = None) -> None:
    """Do all the work that is due, as workers would; providers take everything, but for those named here."""
    runtime.__dict__["senders"] = {**ScriptedProviders(runtime.clock).senders, **(more or {})}
    deliver = runtime.deliver
    while True:
        now = runtime.clock.now()
        found = runtime.sweep.look(now)
        for job in found.jobs:
            runtime.backfill.turn(job, now)
        for lane in found.lanes:
            runtime.digest.turn(lane, now)
        for channel, priority in found.deliveries:
            deliver.turn(channel, priority)
        if not (found.jobs or found.lanes or found.deliveries):
            return


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Author:
    """An author in the folder that `engage init` makes, without a database."""
    for name in ("ENGAGE_DATABASE_URL", "ENGAGE_BROKER_URL", "ENGAGE_PROJECT", "ENGAGE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Author(tmp_path).run("init", "shop")
    monkeypatch.chdir(tmp_path / "shop")
    return Author(tmp_path / "shop")


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str) -> str:
    """A migrated, empty database that others are copied from."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        known = connection.execute("SELECT FROM pg_database WHERE datname = 'cli'").fetchone()
    if known is not None:  # another folder's tests share these fixtures
        return psycopg.conninfo.make_conninfo(postgres_url, dbname="cli")
    url = create_database(postgres_url, "cli")
    migrate_schema(url)
    return url


@pytest.fixture
def shop(author: Author, migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Author]:
    """An author with an installation of their own, empty."""
    name = f"cli_{next(_numbers)}"
    with psycopg.connect(migrated_url, autocommit=True, dbname="postgres") as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE cli").format(sql.Identifier(name)))
    monkeypatch.setenv("ENGAGE_DATABASE_URL", psycopg.conninfo.make_conninfo(migrated_url, dbname=name))
    monkeypatch.setenv("ENGAGE_BROKER_URL", "memory://")
    monkeypatch.setenv("ENGAGE_SECRET_KEY", "for-tests")
    yield author
    with psycopg.connect(migrated_url, autocommit=True, dbname="postgres") as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
