"""Stack: everything `engage up` starts, in a folder of its own, with the sink in place of the providers."""

import os
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from engage.bench.accounting import cpu_seconds
from engage.bench.children import RunningSink, running_sink
from engage.bench.sink import SinkSettings
from engage.bootstrap import open_runtime
from engage.cli.supervise import Supervisor, environment_for, sandbox_key
from engage.compiled import sources_of
from engage.embedded import Postgres, Valkey, start_postgres, start_valkey
from engage.project.load import load_project
from engage.services import migrate_schema
from engage.settings import load_settings

PROJECT = Path(__file__).parent / "project"
LABELS = {
    "api": "API",
    "worker-engine": "engine worker",
    "worker-deliver": "deliver worker",
    "worker-urgent": "urgent worker",
    "beat": "beat",
}
READY_SECONDS = 60.0
SETTLE_SECONDS = 120.0
POLL_SECONDS = 0.05


class BenchError(Exception):
    """The stack, or a workload on it, did not do what it must before anything can be measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What lives longer than one stack: the folder and both servers, durable as in production."""

    folder: Path
    postgres: Postgres
    valkey: Valkey

    @property
    def services(self) -> dict[str, int]:
        """The servers' process ids by label."""
        return {"PostgreSQL": self.postgres.pid, "Valkey": self.valkey.pid}


@contextmanager
def ground() -> Iterator[Ground]:
    """Start PostgreSQL and Valkey in a new folder; both and the folder are gone at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="engage-bench-")))
        folder.chmod(0o755)  # The servers' account must get in where we are root.
        postgres = start_postgres(folder / "data")
        stack.callback(postgres.stop)
        valkey = start_valkey(folder / "data")
        stack.callback(valkey.stop)
        yield Ground(folder=folder, postgres=postgres, valkey=valkey)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A running installation."""

    ground: Ground
    url: str
    write_key: str
    api_token: str
    sink: RunningSink
    roots: Mapping[str, int]
    """Process ids by stage."""
    environment: Mapping[str, str]

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds each stage has used so far."""
        return cpu_seconds(self.roots)

    def count(self, query: str) -> int:
        """Return the one number a query gives."""
        with psycopg.connect(self.ground.postgres.url, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def running_stack(ground: Ground, *, engine_workers: int = 1) -> Iterator[Stack]:
    """Run API, workers and beat of this project for the length of a block; the bench's journeys are live.

    Raises:
        BenchError: something does not start.
    """
    environment = _environment(ground)
    with ExitStack() as stack:
        migrate_schema(ground.postgres.url)
        _publish(environment)
        sink = stack.enter_context(running_sink(_sink_settings(ground, environment)))
        environment |= {"TWILIO_API_BASE_URL": sink.url, "SENDGRID_API_BASE_URL": sink.url}
        supervisor = stack.enter_context(Supervisor(environment, logs=ground.folder / "logs"))
        supervisor.start(list(LABELS), copies={"worker-engine": engine_workers})
        roots = {_label(name): supervisor.pid(name) for name in supervisor.labels()} | ground.services
        running = Stack(
            ground=ground,
            url=environment["ENGAGE_PUBLIC_URL"],
            write_key=environment["ENGAGE_WRITE_KEYS"].split(",")[0].partition(":")[0],
            api_token=environment["ENGAGE_API_TOKENS"].split(",")[0],
            sink=sink,
            roots=roots,
            environment=environment,
        )
        until(lambda: answers(f"{running.url}/readyz"), READY_SECONDS, "the API is not ready")
        yield running


def _environment(ground: Ground) -> dict[str, str]:
    """Secrets of its own, whatever stands in the caller's environment or `.env`: the bench must never reach a provider."""
    listen = f"127.0.0.1:{free_port()}"
    settings = load_settings(
        {
            "ENGAGE_DATA_DIR": str(ground.folder / "data"),
            "ENGAGE_LISTEN": listen,
            "ENGAGE_PROJECT": str(PROJECT),
        },
        dotenv=None,
    )
    foreign = ("ENGAGE_", "TWILIO_", "SENDGRID_")
    made = environment_for(settings, ground.postgres.url, ground.valkey.url)
    ours = {
        name: value
        for name, value in made.items()
        if not name.startswith(foreign) or os.environ.get(name) != value
    }
    return ours | {"ENGAGE_PUBLIC_URL": f"http://{listen}", "ENGAGE_LOG_LEVEL": "WARNING"}


def _sink_settings(ground: Ground, environment: Mapping[str, str]) -> SinkSettings:
    return SinkSettings(
        account_sid=environment["TWILIO_ACCOUNT_SID"],
        auth_token=environment["TWILIO_AUTH_TOKEN"],
        signing_key=sandbox_key(ground.folder / "data")[0],
        public_url=environment["ENGAGE_PUBLIC_URL"],
    )


def _publish(environment: Mapping[str, str]) -> None:
    project = load_project(PROJECT)
    if not project.ok:
        raise BenchError("; ".join(str(problem) for problem in project.problems))
    with open_runtime(load_settings(environment, dotenv=None)) as runtime:
        runtime.publish.publish(sources_of(project))


def _label(name: str) -> str:
    base = name.rstrip("0123456789").rstrip("-")
    return LABELS[base] + name.removeprefix(base).replace("-", " ")


def free_port() -> int:
    """Return a port of loopback on which nobody listens right now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def answers(url: str) -> bool:
    """Return whether a server says that it is there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def until(true: Callable[[], bool], limit: float, otherwise: str) -> float:
    """Wait until `true()`, and return that instant of the monotonic clock.

    Raises:
        BenchError: it was not true within `limit` seconds; says `otherwise`.
    """
    deadline = time.monotonic() + limit
    while not true():
        if time.monotonic() > deadline:
            raise BenchError(f"{otherwise} (after {limit:.0f} s)")
        time.sleep(POLL_SECONDS)
    return time.monotonic()
