"""Installation: everything `engage up` starts, several workers of each kind, in a folder of its own."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engage.bootstrap import open_runtime
from engage.cli.client import Client, ClientError
from engage.cli.supervise import PROCESSES, Supervisor, environment_for, sandbox_config, sandbox_environment
from engage.engine.publish.publish import Source
from engage.services import KeptServices, migrate_schema
from engage.settings import Settings, load_settings

COPIES = {"worker-engine": 2, "worker-deliver": 2, "beat": 2}
STREAM_WINDOW_SECONDS = 90
"""How late an event of a mail may be behind those of later ones: the API is killed, and what it missed comes again."""
HANG_SECONDS = 20.0
"""Longer than our time-out: a hanging call ends without an answer."""
READY_SECONDS = 120.0


class Installation:
    """What runs, and everything one can do to it from outside. Thread-safe where it says so."""

    def __init__(self, settings: Settings, services: KeptServices, supervisor: Supervisor) -> None:
        """Hold what runs; `settings` are those of its processes."""
        self.settings, self._services, self._supervisor = settings, services, supervisor
        self.sandbox_url = settings.twilio_api_base_url or ""

    def events(self) -> Client:
        """Return a client with the write key."""
        return Client(self.settings.base_url, user=self.settings.write_keys[0].partition(":")[0])

    def api(self) -> Client:
        """Return a client with the admin token."""
        return Client(self.settings.base_url, token=self.settings.api_tokens[0])

    def sandbox(self) -> Client:
        """Return a client of the sandbox's control routes."""
        return Client(self.sandbox_url)

    def victims(self) -> list[str]:
        """Return the processes of ours that may be killed: all but the sandbox, which is the provider."""
        return [label for label in self._supervisor.labels() if label != "sandbox"]

    def signal(self, label: str, number: int) -> None:
        """Send a signal to one process, if it still lives."""
        try:
            os.kill(self._supervisor.pid(label), number)
        except ProcessLookupError:
            return

    def kill_service(self, name: str, *, wipe: bool = False) -> None:
        """Kill PostgreSQL or the broker without warning; `wipe` loses all that the broker had."""
        os.kill(self._services.pids()[name], signal.SIGKILL)
        if wipe:
            time.sleep(0.2)
            for path in self.settings.data_dir.resolve().rglob("*"):
                if path.name == "dump.rdb":
                    path.unlink(missing_ok=True)
                elif path.name == "appendonlydir":
                    shutil.rmtree(path, ignore_errors=True)

    def heal(self) -> None:
        """Start again what died."""
        self._services.revive()
        self._supervisor.revive(at_once=True)


@contextmanager
def installation(data_dir: Path, sources: list[Source]) -> Iterator[Installation]:
    """Start an installation in an empty `data_dir`, with these definitions live, and stop it."""
    shutil.rmtree(data_dir, ignore_errors=True)
    listen, twin = f"127.0.0.1:{_free_port()}", f"127.0.0.1:{_free_port()}"
    base = Settings(data_dir=data_dir, listen=listen, public_url=f"http://{listen}")
    services = KeptServices(base)
    try:
        migrate_schema(services.database_url)
        environment = environment_for(base, services.database_url, services.broker_url)
        environment |= sandbox_environment(base, twin)
        environment |= {
            "ENGAGE_PUBLIC_URL": base.public_url or "",
            "ENGAGE_LOG_LEVEL": "ERROR",
            "ENGAGE_STREAM_WINDOW": str(STREAM_WINDOW_SECONDS),
        }
        config = sandbox_config(
            environment, data_dir, latencies=False, event_batch_seconds=0.2, hang_seconds=HANG_SECONDS
        )
        settings = load_settings(environment, None)
        with open_runtime(settings) as runtime:
            runtime.publish.publish(sources)
        with Supervisor(environment, logs=data_dir / "logs") as supervisor:
            supervisor.start(
                [process.name for process in PROCESSES],
                copies=COPIES,
                extra={"sandbox": ["--config", str(config)]},
                instead={"sandbox": {"--listen": twin}},
            )
            found = Installation(settings, services, supervisor)
            _wait_until_up(found)
            yield found
    finally:
        services.stop()


def eventually(claim: Callable[[], bool], seconds: float, step: float = 0.5) -> bool:
    """Return whether the claim comes true in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def _wait_until_up(found: Installation) -> None:
    for url, path in ((found.settings.base_url, "/readyz"), (found.sandbox_url, "/_sandbox/stats")):
        with Client(url) as client:
            if not eventually(lambda client=client, path=path: _answers(client, path), READY_SECONDS):  # type: ignore[misc]  # mypy does not infer lambdas with defaults
                raise ClientError(f"{url} does not answer")


def _answers(client: Client, path: str) -> bool:
    try:
        client.call("GET", path, timeout=2)
    except ClientError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
