"""A whole installation in a temporary folder, as `engage up` starts it, with everything a test wants to do to it."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from engage.bootstrap import open_runtime
from engage.cli.client import Client, ClientError
from engage.cli.supervise import Supervisor, environment_for, sandbox_config, sandbox_environment
from engage.engine.publish.publish import Source
from engage.services import KeptServices, migrate_schema
from engage.settings import load_settings

PATIENCE = 90.0
REPOSITORY = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(claim: Callable[[], bool], seconds: float = PATIENCE, step: float = 0.2) -> bool:
    """Return whether the claim comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if claim():
            return True
        time.sleep(step)
    return claim()


class Stack:
    """One running installation."""

    def __init__(
        self, folder: Path, services: KeptServices, supervisor: Supervisor, environment: Mapping[str, str]
    ):
        """Hold what runs."""
        self.folder, self.services, self.supervisor = folder, services, supervisor
        self.environment = dict(environment)
        self.url = environment["ENGAGE_PUBLIC_URL"]
        self.sandbox_url = environment["TWILIO_API_BASE_URL"]
        self.key = environment["ENGAGE_WRITE_KEYS"].partition(":")[0]
        self.token = environment["ENGAGE_API_TOKENS"]

    def events(self) -> Client:
        """Return a client with the write key."""
        return Client(self.url, user=self.key)

    def api(self) -> Client:
        """Return a client with the admin token."""
        return Client(self.url, token=self.token)

    def sandbox(self) -> Client:
        """Return a client of the sandbox's control routes."""
        return Client(self.sandbox_url)

    def publish(self, *sources: Source) -> None:
        """Make definitions live."""
        with open_runtime(load_settings(self.environment, None)) as runtime:
            runtime.publish.publish(sources)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the database."""
        with psycopg.connect(self.services.database_url) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def count(self, query: str, *values: Any) -> int:
        """Return the number that a query gives."""
        return int(self.rows(query, *values)[0][0])

    def kill(self, label: str) -> None:
        """Kill one process without warning."""
        os.kill(self.supervisor.pid(label), signal.SIGKILL)

    def kill_broker_and_wipe(self) -> None:
        """Kill Valkey without warning and lose all it had."""
        os.kill(self.services.pids()["valkey"], signal.SIGKILL)
        time.sleep(0.2)
        for data in [*self.folder.rglob("appendonlydir"), *self.folder.rglob("dump.rdb")]:
            shutil.rmtree(data, ignore_errors=True) if data.is_dir() else data.unlink(missing_ok=True)

    def heal(self) -> None:
        """Start again what died: what `engage up` does twice a second."""
        self.services.revive()
        self.supervisor.revive()

    def idle(self) -> bool:
        """Return whether no fact and no delivery waits for anybody."""
        return not self.count(
            "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM delivery"
            " WHERE status IN ('queued', 'held', 'sending', 'unknown'))"
        )


def send_surely(
    client: Client, path: str, body: Any, heal: Callable[[], None], seconds: float = PATIENCE
) -> None:
    """Send as Segment's clients do: again, until the server says that it has it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.call("POST", path, body, timeout=5)
        except ClientError:
            if time.monotonic() > deadline:
                raise
            heal()
            time.sleep(0.2)
        else:
            return


@contextmanager
def running_stack(
    folder: Path,
    *,
    broker: str | None = None,
    copies: Mapping[str, int] | None = None,
    processes: tuple[str, ...] = (
        "sandbox",
        "api",
        "worker-engine",
        "worker-deliver",
        "worker-urgent",
        "beat",
    ),
    variables: Mapping[str, str] | None = None,
    **sandbox: object,
) -> Iterator[Stack]:
    """Start an installation below `folder`, with `broker` or a Valkey of its own; stop it, whatever happened in between."""
    port, twin = free_port(), free_port()
    base = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ENGAGE_", "TWILIO_", "SENDGRID_"))
    }
    base |= {"ENGAGE_DATA_DIR": str(folder / "data"), "ENGAGE_LISTEN": f"127.0.0.1:{port}"}
    if broker is not None:
        base["ENGAGE_BROKER_URL"] = broker
    if base.pop("PYTHONDONTWRITEBYTECODE", None):
        base["PYTHONPYCACHEPREFIX"] = str(REPOSITORY / ".engage" / "pycache")
    settings = load_settings(base, None)
    kept = KeptServices(settings)
    try:
        migrate_schema(kept.database_url)
        environment = base | environment_for(settings, kept.database_url, kept.broker_url)
        environment |= sandbox_environment(settings, f"127.0.0.1:{twin}") | {"ENGAGE_LOG_LEVEL": "WARNING"}
        config = sandbox_config(
            environment, settings.data_dir, latencies=False, event_batch_seconds=0.2, **sandbox
        )
        with Supervisor(environment | dict(variables or {}), logs=folder / "logs") as supervisor:
            supervisor.start(
                processes,
                copies=copies,
                extra={"sandbox": ["--config", str(config)]},
                instead={"sandbox": {"--listen": f"127.0.0.1:{twin}"}},
            )
            stack = Stack(folder, kept, supervisor, environment)
            wait_until_up(stack)
            yield stack
    finally:
        kept.stop()


def wait_until_up(stack: Stack) -> None:
    """Return once API and sandbox answer."""

    def answers(url: str, path: str) -> bool:
        with Client(url) as client:
            try:
                client.call("GET", path, timeout=2)
            except ClientError:
                return False
            return True

    assert eventually(lambda: answers(stack.url, "/readyz")), "the API does not answer"
    assert eventually(lambda: answers(stack.sandbox_url, "/_sandbox/stats")), "the sandbox does not answer"


def as_source(kind: str, name: str, document: Mapping[str, Any]) -> Source:
    """Return a definition written as plain data: JSON is YAML."""
    return Source(kind=kind, name=name, text=json.dumps(document))
