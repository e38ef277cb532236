"""An older release's database, loaded, and today's engine going on with it."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from engage.bootstrap import open_runtime
from engage.cli.client import Client
from engage.cli.supervise import sandbox_environment, sandbox_settings
from engage.domain.delivery.delivery import Channel
from engage.domain.ids import DeliveryId
from engage.engine.simulate import VirtualClock
from engage.sandbox.config import SandboxConfig
from engage.sandbox.server import running
from engage.settings import load_settings
from engage.testing.invariants import No, Outside, ProviderCall
from engage.testing.record import taken
from tests.upgrade.shop import Post, Shop, letter_box

HERE = Path(__file__).parent
RELEASES = sorted(path.name for path in HERE.iterdir() if path.is_dir() and path.name.startswith("release"))


@dataclass(frozen=True)
class Old:
    """What an older release left: see `maker.py`."""

    name: str

    @cached_property
    def story(self) -> dict[str, Any]:
        return dict(json.loads((HERE / self.name / "story.json").read_text()))

    @cached_property
    def statements(self) -> list[str]:
        return list(json.loads((HERE / self.name / "statements.json").read_text()))

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.story["now"])

    def load(self, url: str) -> None:
        """Fill an empty database with it."""
        sql = gzip.decompress((HERE / self.name / "database.sql.gz").read_bytes())
        with psycopg.connect(url) as connection:
            # Several statements at once, as they came from pg_dump.
            connection.execute(sql)

    def outside(self, sandbox: Client) -> Outside:
        """Return what happened outside, under the old release and since."""
        since = sandbox.call("GET", "/_sandbox/messages?limit=100000")["messages"]
        before = [
            ProviderCall(
                delivery=DeliveryId(one["ref"]),
                channel=Channel(one["channel"]),
                address=one["to"],
                at=datetime.fromisoformat(one["at"]),
                taken=True,
            )
            for one in self.story["calls"]
        ]
        return Outside(
            told=self.story["told"],
            calls=[*before, *taken(since)],
            noes=[
                No(since=datetime.fromisoformat(no["at"]), address=no["address"], topic="promotions")
                for no in self.story["noes"]
            ],
        )


@contextmanager
def going_on(old: Old, url: str, folder: Path) -> Iterator[tuple[Shop, Client]]:
    """Run today's engine on a migrated database, by hand and on a clock that stands where the old release stopped."""
    post = Post()
    with letter_box(post) as here:
        given = {"ENGAGE_DATA_DIR": str(folder / "data"), "ENGAGE_DATABASE_URL": url}
        environment = {**old.story["environment"], **given}
        base = load_settings(environment, None)
        quick = sandbox_settings(
            {**environment, "ENGAGE_PUBLIC_URL": here},
            base.data_dir,
            port=0,
            latencies=False,
            event_batch_seconds=0.02,
        )
        with running(msgspec.convert(quick, SandboxConfig)) as twin, Client(twin.url) as sandbox:
            keys = environment["SENDGRID_WEBHOOK_PUBLIC_KEY"]
            environment |= sandbox_environment(base, twin.url.removeprefix("http://").rstrip("/"))
            environment["SENDGRID_WEBHOOK_PUBLIC_KEY"] += f",{keys}"
            environment["ENGAGE_PUBLIC_URL"] = here
            with open_runtime(load_settings(environment, None)) as runtime:
                yield Shop(runtime, VirtualClock(old.now), sandbox, post, here), sandbox
