"""Processes that start the services, and questions about processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

REPOSITORY = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, sys
from pathlib import Path
from engage.embedded import embedded, start_postgres, start_valkey
for name in sys.argv[2:]:
    sys.modules[name] = None  # as if the wheel were not installed
postgres, valkey = start_postgres(Path(sys.argv[1]), fast=True), start_valkey(Path(sys.argv[1]), fast=True)
print(json.dumps({"postgres": postgres.url, "postgres_pid": postgres.pid, "valkey": valkey.url, "valkey_pid": valkey.pid}), flush=True)
sys.stdin.readline()
valkey.stop()
postgres.stop()
"""


class Starter:
    """Another process that runs both services of `data_dir` until `end`, or until it is killed."""

    def __init__(
        self,
        data_dir: Path,
        *,
        prefix: Sequence[str] = (),
        python: str = sys.executable,
        path: Sequence[Path] = (REPOSITORY,),
        without: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [*prefix, python, "-P", "-c", PROGRAM, str(data_dir), *without],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": ":".join(map(str, path)),
                "PYTHONDONTWRITEBYTECODE": "1",
                **(environment or {}),
            },
        )
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline() or "null")
        assert said is not None, "the starter ended before its services were up; its error stands above"
        self.postgres_url: str = said["postgres"]
        self.postgres_pid: int = said["postgres_pid"]
        self.valkey_url: str = said["valkey"]
        self.valkey_pid: int = said["valkey_pid"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> int:
        """Let it stop its services and return its exit code; a second call changes nothing."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()  # the end of its input is what it waits for
        return self._process.wait()

    def kill(self) -> None:
        """End it without warning."""
        self._process.send_signal(signal.SIGKILL)
        self.end()


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def ends(pid: int, *, seconds: float = 20) -> bool:
    """Whether the process ends within that time."""
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def owner(pid: int) -> int:
    """The uid the process runs as."""
    return int(
        subprocess.run(
            ["ps", "-o", "uid=", "-p", str(pid)], capture_output=True, text=True, check=True
        ).stdout
    )
