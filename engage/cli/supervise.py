"""Supervise: the process table of one machine, started, watched and stopped together."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import structlog

from engage.cli.forks import ForkServer
from engage.embedded.process import with_parent
from engage.sandbox.signing import EventSigner, generate_signing_key
from engage.settings import Settings, generated_secrets

log = structlog.get_logger(__name__)

SANDBOX_LISTEN = "127.0.0.1:8010"
STOP_SECONDS = 40.0
"""How long a process may take to end: as long as the longest call, a webhook's of 30 s, and the writing down of what came of it. A worker
that is killed before leaves an outcome unknown, which has to be found out."""
RESTART_SECONDS = 1.0
RESTART_MAX_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessSpec:
    """One process: the same in `engage up`, in `docker-compose.yml` and in the docs (a test holds them together)."""

    name: str
    command: tuple[str, ...]
    profile: str = ""


PROCESSES: tuple[ProcessSpec, ...] = (
    ProcessSpec(name="sandbox", command=("sandbox", "--listen", SANDBOX_LISTEN), profile="demo"),
    ProcessSpec(name="api", command=("api",)),
    ProcessSpec(name="worker-engine", command=("worker", "--queues", "engine")),
    ProcessSpec(name="worker-deliver", command=("worker", "--queues", "email,sms,voice,sync")),
    ProcessSpec(name="worker-urgent", command=("worker", "--queues", "urgent")),
    ProcessSpec(name="beat", command=("beat",)),
)


def environment_for(
    settings: Settings, database_url: str, broker_url: str, *, sandbox: str = SANDBOX_LISTEN
) -> dict[str, str]:
    """Return what the processes of one machine share: services, secrets, and the sandbox where no provider is set."""
    environment = dict(os.environ)
    known = {
        "ENGAGE_SECRET_KEY": ",".join(settings.secret_key),
        "ENGAGE_WRITE_KEYS": ",".join(settings.write_keys),
        "ENGAGE_API_TOKENS": ",".join(settings.api_tokens),
    }
    generated = generated_secrets(settings.data_dir)
    live = bool(settings.twilio_account_sid or settings.sendgrid_api_key)
    for name, value in generated.items():
        if live and name.startswith(("TWILIO", "SENDGRID")):
            continue
        if name == "ENGAGE_ERASURE_PEPPER" and settings.secret_key:
            continue  # whoever brings their own keys has it derived from those, unless they bring it too
        environment[name] = known.get(name) or environment.get(name) or value
    if not live:
        environment |= sandbox_environment(settings, sandbox)
    environment |= {
        "ENGAGE_DATABASE_URL": database_url,
        "ENGAGE_BROKER_URL": broker_url,
        "ENGAGE_LISTEN": settings.listen,
        "ENGAGE_PROJECT": str(settings.project.resolve()),
        "ENGAGE_DATA_DIR": str(settings.data_dir.resolve()),
    }
    environment.setdefault("ENGAGE_PUBLIC_URL", settings.base_url)
    return environment


def sandbox_environment(settings: Settings, listen: str) -> dict[str, str]:
    """Return the settings that point the SDKs at the sandbox, and the key its webhooks are verified with."""
    _, public = sandbox_key(settings.data_dir)
    return {
        "TWILIO_API_BASE_URL": f"http://{listen}",
        "SENDGRID_API_BASE_URL": f"http://{listen}",
        "SENDGRID_WEBHOOK_PUBLIC_KEY": public,
        "ENGAGE_STREAM_WINDOW": "10",
    }


def sandbox_key(data_dir: Path) -> tuple[str, str]:
    """Return the key pair (private PEM, public SPKI) of the local sandbox, made once and kept below `data_dir`."""
    path = data_dir / "sandbox-key.pem"
    if path.is_file():
        private = path.read_text()
        return private, EventSigner(private).public_key
    private, public = generate_signing_key()
    data_dir.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(private)
    return private, public


def sandbox_config(environment: Mapping[str, str], data_dir: Path, **changes: object) -> Path:
    """Write the sandbox's settings for these processes and return the file."""
    path = data_dir / "sandbox.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(sandbox_settings(environment, data_dir, **changes)))
    return path


def sandbox_settings(environment: Mapping[str, str], data_dir: Path, **changes: object) -> dict[str, object]:
    """Return the sandbox's settings for processes of this environment."""
    base = environment["ENGAGE_PUBLIC_URL"]
    return {
        "account_sid": environment["TWILIO_ACCOUNT_SID"],
        "auth_token": environment["TWILIO_AUTH_TOKEN"],
        "sendgrid_api_key": environment["SENDGRID_API_KEY"],
        "signing_key": sandbox_key(data_dir)[0],
        "event_webhook_url": f"{base}/webhooks/sendgrid/events",
        "inbound_sms_url": f"{base}/webhooks/twilio/inbound",
        "inbound_email_url": f"{base}/webhooks/sendgrid/inbound",
        **changes,
    }


def _with_options(command: tuple[str, ...], options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command with the values of some of its options changed."""
    before = (None, *command)
    return tuple(options.get(name or "", word) for name, word in zip(before, command, strict=False))


class Process(Protocol):
    """What is asked of a process that runs: a part of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Supervisor:
    """Starts processes, starts again what dies, and leaves none behind."""

    def __init__(
        self, environment: Mapping[str, str], *, logs: Path | None = None, forks: ForkServer | None = None
    ) -> None:
        """Give all processes `environment`; with `logs` what they print goes into a file each, in that folder; with `forks`
        they are its forks, without it each is an interpreter of its own."""
        self._environment = dict(environment)
        self._logs = logs
        self._forks = forks
        self._running: dict[str, tuple[ProcessSpec, Process]] = {}
        self._stopping = threading.Event()
        self._restarts: dict[str, float] = {}

    def __enter__(self) -> "Supervisor":
        """Nothing runs yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def start(
        self,
        names: Sequence[str],
        *,
        copies: Mapping[str, int] | None = None,
        extra: Mapping[str, Sequence[str]] | None = None,
        instead: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Start processes of the table; `extra` adds arguments to one of them, `instead` changes an option's value."""
        table = {process.name: process for process in PROCESSES}
        for name in names:
            spec = table[name]
            command = _with_options(spec.command, (instead or {}).get(name, {})) + tuple(
                (extra or {}).get(name, ())
            )
            for number in range((copies or {}).get(name, 1)):
                label = name if number == 0 else f"{name}-{number + 1}"
                self._start(label, ProcessSpec(name=name, command=command, profile=spec.profile))

    def _start(self, label: str, spec: ProcessSpec) -> None:
        with nullcontext() if self._logs is None else self._log(self._logs, label) as output:
            if self._forks is None:
                process: Process = self._spawn(spec.command, output)
            else:
                process = self._forks.start(spec.command, self._environment, output)
        self._running[label] = (spec, process)

    def _log(self, folder: Path, label: str) -> BinaryIO:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / f"{label}.log").open("ab")

    def _spawn(self, command: Sequence[str], output: BinaryIO | None) -> Process:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and our own table
            with_parent([sys.executable, "-m", "engage.cli", *command]),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def pid(self, label: str) -> int:
        """Return the process id of one process."""
        return self._running[label][1].pid

    def labels(self) -> list[str]:
        """Return what runs."""
        return list(self._running)

    def watch(self, also: Callable[[], object] = lambda: None) -> None:
        """Start again what dies, until Ctrl-C or SIGTERM; `also` is called at every look."""
        previous = signal.signal(signal.SIGTERM, lambda *_: self._stopping.set())
        try:
            while not self._stopping.wait(0.5):
                also()
                self.revive()
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, previous)

    def revive(self, *, at_once: bool = False) -> list[str]:
        """Start again what has died, each at most once a while unless `at_once`; return their labels."""
        revived: list[str] = []
        for label, (spec, process) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            wait = self._restarts.get(label, 0.0)
            if time.monotonic() < wait and not at_once:
                continue
            log.warning("process.died", process=label, code=code)
            backoff = min(RESTART_SECONDS * 2 ** len(self._restarts), RESTART_MAX_SECONDS)
            self._restarts[label] = time.monotonic() + backoff
            self._start(label, spec)
            revived.append(label)
        return revived

    def stop(self) -> None:
        """Ask everything to stop, last started first; kill what has not after a while, or at once at another Ctrl-C."""
        latest_first = list(reversed(self._running.values()))
        deadline = time.monotonic() + STOP_SECONDS
        try:
            # The providers' twins when nobody calls them any more: what is under way gets its answer.
            _end([process for spec, process in latest_first if not spec.profile], deadline)
            _end([process for spec, process in latest_first if spec.profile], deadline)
        finally:
            for _, process in latest_first:
                process.kill()
                process.wait()
            self._running.clear()


def _end(processes: Sequence[Process], deadline: float) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
