"""Maker: run by an older release's code (`scripts/old-release`), it leaves that release's database with everything under way.

Uses what every release has so far: the rooms, the sandbox, the sample shop. Where an old name differs, this file bends, not
the release. Writes `database.sql.gz` (pg_dump), `statements.json` (each distinct statement that code ran), `story.json` (what
happened outside: what was accepted and answered, what the providers took, webhooks that were still on their way).
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import _queries

from engage.bootstrap import open_runtime
from engage.cli.client import Client
from engage.cli.demo.story import Act, story
from engage.cli.supervise import environment_for, sandbox_environment, sandbox_key
from engage.compiled import sources_of
from engage.domain.delivery.delivery import Channel, Priority
from engage.embedded import start_postgres
from engage.engine.publish.publish import Source
from engage.engine.simulate import VirtualClock
from engage.project.load import load_project
from engage.sandbox.config import SandboxConfig
from engage.sandbox.server import running
from engage.settings import load_settings
from engage.storage.migrations.apply import migrate
from tests.upgrade.shop import Killed, Post, Shop, letter_box

PEOPLE = 28
HOURS = 47.0
"""So long the shop was open when its release was replaced."""
FAULTS = [
    {"channel": "sms", "fault": "503_after", "probability": 0.1},
    {"channel": "email", "fault": "reset_after", "probability": 0.05},
]

SECRETS = {
    "ENGAGE_SECRET_KEY": "a-key-of-the-old-release-and-of-nothing-else",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token-of-the-old-release",
    "SENDGRID_API_KEY": "SG.old-release",
}
KEPT = (*SECRETS, "ENGAGE_PUBLIC_URL", "TWILIO_FROM", "SENDGRID_FROM", "SENDGRID_WEBHOOK_PUBLIC_KEY")
LINKS = 3
"""Links kept of each kind."""

statements: set[str] = set()


def record_statements() -> None:
    """Note the text of every statement as the server sees it."""
    convert = _queries.PostgresQuery.convert

    def noted(self: Any, query: Any, vars: Any) -> None:  # noqa: A002
        convert(self, query, vars)
        statements.add(self.query.decode())

    _queries.PostgresQuery.convert = noted  # type: ignore[method-assign]


def play(shop: Shop, start: datetime) -> None:
    acts = [act for act in story(PEOPLE) if act.at <= HOURS]
    for number, act in enumerate(acts):
        at = start + timedelta(hours=act.at)
        if at > shop.clock.now():
            shop.until(at)
        shop.act(act, number)
    shop.until(start + timedelta(hours=HOURS))


def cut(shop: Shop) -> None:
    """Leave something under way everywhere: then the release's processes are gone."""
    # Calls that began and whose answer nobody waited for.
    for number in (1, 2, 3):
        track(shop, f"customer-{number:03}", "Order Completed", order(number))
    digest(shop)
    shop.dying = True
    with suppress(Killed):
        shop.world.deliver.turn(Channel.EMAIL, Priority.LIVE)
    shop.dying = False
    # Accepted by the provider, whose callbacks are on their way; one whose outcome is known and not digested.
    track(shop, "customer-004", "Passcode Requested", {"passcode": "123456"})
    digest(shop)
    shop.world.deliver.turn(Channel.SMS, Priority.URGENT)
    digest(shop)
    track(shop, "customer-005", "Passcode Requested", {"passcode": "654321"})
    digest(shop)
    shop.world.deliver.turn(Channel.SMS, Priority.URGENT)
    shop.quiet()
    # Deliveries that wait to leave, and facts that nobody looked at.
    for number in (7, 8):
        track(shop, f"customer-{number:03}", "Order Completed", order(number))
        if number == 7:
            digest(shop)
    newcomer = {"email": "new@mail.example", "first_name": "Nora"}
    shop.act(Act(0, "newcomer", "identify", newcomer), len(shop.told) + 9000)
    track(shop, "newcomer", "Signed Up", {"newsletter": True})
    # A publication whose backfill has not begun.
    sources = sources_of(load_project(Path()))
    sources.append(
        Source(
            kind="audience", name="buyers", text="audience: buyers\nwhere: count('Order Completed') >= 1\n"
        )
    )
    shop.world.publish.publish(sources)


def track(shop: Shop, person: str, event: str, properties: dict[str, Any]) -> None:
    shop.act(Act(0, person, "track", {"event": event, "properties": properties}), len(shop.told) + 9000)


def order(number: int) -> dict[str, Any]:
    item = {"name": "Pepper mill", "price": 90, "quantity": 1}
    return {"order_id": f"F9{number}", "items": [item], "products": [item], "total": 90, "carrier": "Post"}


def digest(shop: Shop) -> None:
    found = shop.world.sweep.look(shop.clock.now())
    while found.lanes and shop.world.digest.turn(found.lanes, shop.clock.now()).more:
        pass


def dump(url: str) -> str:
    program = next(Path(sys.prefix).rglob("pg_dump"))
    options = ("--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=200")
    text = subprocess.run(
        [program, f"--dbname={url}", *options], check=True, capture_output=True, text=True
    ).stdout
    keep = [
        line
        for line in text.splitlines()
        if line and not line.startswith(("--", "\\", "SET ", "SELECT pg_catalog.set_config"))
    ]
    return "\n".join(keep) + "\n"


def main(out: Path, commit: str) -> None:
    os.environ.update(SECRETS)
    record_statements()
    post = Post()
    with tempfile.TemporaryDirectory() as name, letter_box(post) as url:
        folder = Path(name)
        folder.chmod(0o755)
        server = start_postgres(folder, fast=True)
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE old")
        database = psycopg.conninfo.make_conninfo(server.url, dbname="old")
        migrate(database)
        statements.clear()
        base = load_settings({"ENGAGE_DATA_DIR": str(folder / "data"), "ENGAGE_PUBLIC_URL": url}, None)
        environment = {**environment_for(base, database, "redis://nowhere"), "ENGAGE_PUBLIC_URL": url}
        config = SandboxConfig(
            port=0,
            account_sid=environment["TWILIO_ACCOUNT_SID"],
            auth_token=environment["TWILIO_AUTH_TOKEN"],
            sendgrid_api_key=environment["SENDGRID_API_KEY"],
            signing_key=sandbox_key(base.data_dir)[0],
            event_webhook_url=f"{url}/webhooks/sendgrid/events",
            inbound_sms_url=f"{url}/webhooks/twilio/inbound",
            latencies=False,
            event_batch_seconds=0.02,
        )
        with running(config) as twin, Client(twin.url) as sandbox:
            environment |= sandbox_environment(base, twin.url.removeprefix("http://").rstrip("/"))
            settings = load_settings(environment, None)
            # A Tuesday morning in the shop.
            now = datetime.now(UTC)
            start = (now - timedelta(days=(now.weekday() - 1) % 7 or 7)).replace(
                hour=14, minute=30, second=0, microsecond=0
            )
            clock = VirtualClock(start)
            with open_runtime(settings) as runtime:
                shop = Shop(runtime, clock, sandbox, post, url)
                shop.world.publish.publish(sources_of(load_project(Path())))
                sandbox.call("POST", "/_sandbox/faults", FAULTS)
                play(shop, start)
                sandbox.call("POST", "/_sandbox/faults", [])
                cut(shop)
                messages = sandbox.call("GET", "/_sandbox/messages?limit=100000")["messages"]
                sql = dump(database)
        server.stop()
    found = {
        "commit": commit,
        "now": clock.now().isoformat(),
        "environment": {name: environment[name] for name in KEPT},
        "told": shop.told,
        "noes": shop.noes,
        "calls": [
            {key: m[key] for key in ("ref", "channel", "to")} | {"at": shop.called[m["ref"]].isoformat()}
            for m in messages
            if m["ref"]
        ],
        "links": links_of_each_kind(messages, url),
        "letters": post.take_all(),
    }
    (out / "database.sql.gz").write_bytes(gzip.compress(sql.encode(), mtime=0))
    (out / "story.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "statements.json").write_text(json.dumps(sorted(statements), indent=1) + "\n")
    print(
        f"{len(sql):,} bytes of SQL, {len(statements)} statements, {len(found['calls'])} calls, {len(found['letters'])} letters"
    )


def links_of_each_kind(messages: list[dict[str, Any]], url: str) -> list[str]:
    """Return some links of each kind from the mails that are out."""
    found = sorted({link for message in messages for link in links_in(message.get("html") or "", url)})
    return [link for kind in "ucvl" for link in [one for one in found if one[1] == kind][:LINKS]]


def links_in(html: str, url: str) -> Iterator[str]:
    for piece in html.split('href="')[1:]:
        link = piece.partition('"')[0]
        if link.startswith(url):
            yield link.removeprefix(url)


def beside() -> None:
    """Work a database that a newer release works at the same time, a round for every line of stdin; see `beside.py`."""
    given = json.loads(sys.stdin.readline())
    settings = load_settings(given["environment"], None)
    clock = VirtualClock(datetime.fromisoformat(given["now"]))
    with Client(settings.twilio_api_base_url or "") as sandbox, open_runtime(settings) as runtime:
        shop = Shop(runtime, clock, sandbox, Post(), settings.public_url or "")
        for line in sys.stdin:
            told = json.loads(line)
            clock.move_to(datetime.fromisoformat(told["now"]))
            if told["letter"] is not None:
                shop.hear(told["letter"])
            answer = {"worked": shop.world._round()}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["beside"]:
        beside()
    else:
        main(Path(sys.argv[1]), sys.argv[2])
