"""Story: one database and one letter box, lived through by as many lives as it takes, and then judged."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from engage.cli.client import Client
from engage.cli.supervise import environment_for, sandbox_environment, sandbox_settings
from engage.sandbox.config import SandboxConfig
from engage.sandbox.server import running
from engage.settings import load_settings
from engage.storage.migrations.apply import migrate
from engage.storage.postgres.store import PostgresStore
from engage.testing.evidence import ledger_of_postgres
from engage.testing.invariants import Outside, breaches
from engage.testing.record import taken
from tests.reliability.crash.deeds import FAULTS, LOOKED_BACK, deeds
from tests.reliability.crash.life import Place, asked_for
from tests.reliability.crash.nursery import Birth
from tests.reliability.crash.post import Post, letter_box

REPOSITORY = Path(__file__).resolve().parents[3]
TEMPLATE = "crash_template"


@dataclass
class Told:
    """What came of one story."""

    passed: list[str]
    """The points of the first life, in order."""
    killed_at: str | None
    broken: list[str]


@dataclass
class Stories:
    """Tells stories one after the other: same services, a fresh database each."""

    url: str
    folder: Path
    post: Post
    sandbox: Client
    environment: dict[str, str]
    nursery: "subprocess.Popen[str]"
    _count: int = field(default=0)

    def tell(self, fatal: int) -> Told:
        """Live through the story, killed at point `fatal` (0: not at all), and judge what came of it."""
        self._count += 1
        place = self._place()
        self.post.folder = place.path / "post"
        self.sandbox.call("POST", "/_sandbox/reset")
        self.sandbox.call("POST", "/_sandbox/faults", FAULTS)
        first = self._live(place, fatal, 1)
        passed = (place.path / "points-1").read_text().splitlines()
        if first:
            assert not self._live(place, 0, 2), "the second life was killed, too"
        broken = self._judge(place)
        self.post.folder = None
        self._drop(place)
        return Told(passed, passed[-1] if first else None, broken)

    def _place(self) -> Place:
        name = f"crash_{self._count}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(TEMPLATE)
                )
            )
        folder = self.folder / name
        (folder / "post").mkdir(parents=True)
        return Place(
            database=psycopg.conninfo.make_conninfo(self.url, dbname=name),
            folder=str(folder),
            environment=self.environment,
            start=datetime.now(UTC).replace(microsecond=0),
        )

    def _drop(self, place: Place) -> None:
        shutil.rmtree(place.path)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(f"crash_{self._count}"))
            )

    def _live(self, place: Place, fatal: int, number: int) -> bool:
        """Live one life; return whether it was killed."""
        birth = Birth(place=place, fatal=fatal, number=number)
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(msgspec.json.encode(birth).decode() + "\n")
        self.nursery.stdin.flush()
        ended = json.loads(self.nursery.stdout.readline())
        assert not ended["code"], "a life ended by a mistake; see above"
        return bool(ended["signal"])

    def _judge(self, place: Place) -> list[str]:
        messages = self.sandbox.call("GET", "/_sandbox/messages")["messages"]
        done = deeds()
        outside = Outside(
            told={
                deed.about["messageId"]: f"p{deed.about.get('userId', 'p0')[1:]}"
                for deed in done
                if deed.about.get("type") == "track"
            },
            asked={asked_for(place.start): "p2"},
            calls=taken(messages, asked=True),
            forgotten={"p3"},
            lost_from_sight={"+14155550003", "p3@x.example"},
        )
        store = PostgresStore(place.database, min_size=1, max_size=2)
        try:
            end = place.start + LOOKED_BACK
            found = breaches(ledger_of_postgres(store, end, never_lost={"codes"}), outside)
        finally:
            store.close()
        if not messages:
            found.append("nothing was ever sent")
        return found


@contextmanager
def stories(postgres_url: str, folder: Path) -> Iterator[Stories]:
    """Start what stories need, and end it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    migrate(psycopg.conninfo.make_conninfo(postgres_url, dbname=TEMPLATE))
    settings = load_settings({"ENGAGE_DATA_DIR": str(folder / "data")}, None)
    with letter_box() as post:
        environment = {
            **environment_for(settings, postgres_url, "redis://nowhere"),
            "ENGAGE_PUBLIC_URL": post.url,
        }
        quick = sandbox_settings(
            environment, settings.data_dir, port=0, latencies=False, event_batch_seconds=0.02
        )
        with running(msgspec.convert(quick, SandboxConfig)) as sandbox, _nursery() as nursery:
            environment |= sandbox_environment(settings, sandbox.url.removeprefix("http://").rstrip("/"))
            with Client(sandbox.url) as client:
                yield Stories(postgres_url, folder, post, client, environment, nursery)


@contextmanager
def _nursery() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.reliability.crash.nursery"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)
