"""Installation: everything `engage up` starts, in a folder of its own, and everything one can do to it from outside."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from engage.bootstrap import open_runtime
from engage.cli.client import Client, ClientError
from engage.cli.forks import fork_server
from engage.cli.supervise import PROCESSES, Supervisor, environment_for, sandbox_config, sandbox_environment
from engage.engine.publish.publish import Source
from engage.services import KeptServices, migrate_schema
from engage.services import services as services_of
from engage.settings import Settings, load_settings

PATIENCE = 90.0
"""Seconds within which whatever is to come true on a busy machine has come true."""
EVERYTHING = tuple(process.name for process in PROCESSES)


class Installation:
    """What runs. Thread-safe where it says so."""

    def __init__(
        self, services: KeptServices, supervisor: Supervisor, environment: Mapping[str, str]
    ) -> None:
        """Hold what runs; `environment` is that of its processes."""
        self.services, self.supervisor, self.environment = services, supervisor, dict(environment)
        self.url = environment["ENGAGE_PUBLIC_URL"]
        self.sandbox_url = environment["TWILIO_API_BASE_URL"]
        self.key = environment["ENGAGE_WRITE_KEYS"].partition(",")[0].partition(":")[0]
        self.token = environment["ENGAGE_API_TOKENS"].partition(",")[0]

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

    def victims(self) -> list[str]:
        """Return the processes of ours that may be killed: all but the sandbox, which is the provider."""
        return [label for label in self.supervisor.labels() if label != "sandbox"]

    def signal(self, label: str, number: int) -> None:
        """Send a signal to one process, if it still lives."""
        try:
            os.kill(self.supervisor.pid(label), number)
        except ProcessLookupError:
            return

    def kill_service(self, name: str, *, wipe: bool = False) -> None:
        """Kill PostgreSQL or the broker without warning; `wipe` loses all that the broker had."""
        os.kill(self.services.pids()[name], signal.SIGKILL)
        if wipe:
            time.sleep(0.2)
            for path in Path(self.environment["ENGAGE_DATA_DIR"]).rglob("*"):
                if path.name == "dump.rdb":
                    path.unlink(missing_ok=True)
                elif path.name == "appendonlydir":
                    shutil.rmtree(path, ignore_errors=True)

    def heal(self) -> None:
        """Start again what died."""
        self.services.revive()
        self.supervisor.revive(at_once=True)

    def wait_until_up(self) -> None:
        """Return once API and sandbox answer.

        Raises:
            ClientError: they do not.
        """
        for url, path in ((self.url, "/readyz"), (self.sandbox_url, "/_sandbox/stats")):
            with Client(url) as client:
                if not eventually(lambda client=client, path=path: _answers(client, path)):  # type: ignore[misc]  # mypy does not infer lambdas with defaults
                    raise ClientError(f"{url} does not answer")


@contextmanager
def installation(
    data_dir: Path,
    *,
    broker: str | None = None,
    database: str | None = None,
    processes: Sequence[str] = EVERYTHING,
    copies: Mapping[str, int] | None = None,
    variables: Mapping[str, str] | None = None,
    logs: Path | None = None,
    **sandbox: object,
) -> Iterator[Installation]:
    """Start an installation whose data lie in `data_dir`, with `broker` and `database` or its own, and stop it, whatever happened meanwhile.

    `variables` are set for its processes beside what they need; `sandbox` are settings of the provider twins.
    """
    listen, twin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    base = Settings(
        data_dir=data_dir,
        listen=listen,
        public_url=f"http://{listen}",
        broker_url=broker,
        database_url=database,
    )
    # What Python itself or a dynamic linker may read must be there when a process begins: a fork has begun.
    with nullcontext() if variables else fork_server() as forks, services_of(base) as services:
        migrate_schema(services.database_url)
        environment = environment_for(base, services.database_url, services.broker_url)
        environment |= sandbox_environment(base, twin)
        environment |= {
            "ENGAGE_PUBLIC_URL": f"http://{listen}",
            "ENGAGE_LOG_LEVEL": "WARNING",
            **(variables or {}),
        }
        config = sandbox_config(
            environment, data_dir, **{"latencies": False, "event_batch_seconds": 0.2, **sandbox}
        )
        with Supervisor(environment, logs=logs or data_dir / "logs", forks=forks) as supervisor:
            supervisor.start(
                processes,
                copies=copies,
                extra={"sandbox": ["--config", str(config)]},
                instead={"sandbox": {"--listen": twin}},
            )
            found = Installation(services, supervisor, environment)
            found.wait_until_up()
            yield found


def eventually(claim: Callable[[], bool], seconds: float = PATIENCE, step: float = 0.2) -> bool:
    """Return whether the claim comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if claim():
            return True
        time.sleep(step)
    return claim()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(client: Client, path: str) -> bool:
    try:
        client.call("GET", path, timeout=2)
    except ClientError:
        return False
    return True
