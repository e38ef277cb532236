"""Start a server as the right account so that it never outlives this process, and stop it."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from signal import Signals

from engage.embedded import _exec
from engage.embedded.account import Account
from engage.embedded.errors import EmbeddedError

LOG_TAIL_LINES = 15
LEFTOVER_POLL = timedelta(milliseconds=20)
LOG_LIMIT_BYTES = 10_000_000  # a longer log starts anew, keeping one predecessor
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}  # nothing of ours leaks into a server


class Child:
    """A running program that ends with this process.

    Linux's parent-death signal fires when the starting *thread* ends, so each child has a thread of its own, which
    starts it and then does nothing but wait for it.
    """

    def __init__(self, command: Sequence[str], *, account: Account, death_signal: Signals, log: Path) -> None:
        self.command = list(command)
        self._account = account
        self._death_signal = death_signal
        self._log = log
        self._starter = os.getpid()
        self._code: int | None = None
        started: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
        self._keeper = threading.Thread(
            target=self._keep, args=(started,), name=f"keeper of {log.stem}", daemon=True
        )
        self._keeper.start()
        outcome = started.get()
        if isinstance(outcome, OSError):
            raise EmbeddedError(f"cannot start {self.command[0]}: {outcome}") from outcome
        self.pid = outcome.pid
        self._process = outcome

    def _keep(self, started: "queue.SimpleQueue[subprocess.Popen[bytes] | OSError]") -> None:
        try:
            process = self._open()
        except OSError as exc:
            started.put(exc)
            return
        started.put(process)
        self._code = process.wait()

    def _open(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - paths we found ourselves, no shell
                shim(self.command, account=self._account, death_signal=self._death_signal),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is for us; the servers stop after their clients
            )

    def wait(self, limit: timedelta | None = None) -> int | None:
        """Return the exit code, or None if the child still runs after `limit` (None: as long as it takes)."""
        self._keeper.join(None if limit is None else limit.total_seconds())
        return self._code

    @property
    def is_running(self) -> bool:
        """Whether the child has not ended yet."""
        return self._keeper.is_alive()

    def stop(self, *steps: tuple[Signals, timedelta]) -> None:
        """Send each signal in turn until the child has ended within that step's patience.

        Does nothing in a process that did not start the child (a fork of the starter).

        Raises:
            EmbeddedError: it still runs after the last step.
        """
        if os.getpid() != self._starter:
            return
        for step, patience in steps:
            if not self.is_running:
                return
            self._process.send_signal(step)
            self.wait(patience)
        if self.is_running:
            raise EmbeddedError(f"process {self.pid} ({self.command[0]}) does not stop")


def shim(command: Sequence[str], *, account: Account, death_signal: Signals) -> list[str]:
    """Return `command` wrapped so that it runs as `account` and gets `death_signal` when the starting thread ends."""
    uid, gid = (account.uid, account.gid) if account.is_other else (_exec.KEEP, _exec.KEEP)
    numbers = [str(number) for number in (uid, gid, os.getpid(), int(death_signal))]
    return [sys.executable, "-I", "-S", str(Path(_exec.__file__).resolve()), *numbers, *command]


def with_parent(command: Sequence[str], *, death_signal: Signals = Signals.SIGTERM) -> list[str]:
    """Return `command` wrapped so that it gets `death_signal` when the starting thread ends (Linux; elsewhere nothing)."""
    numbers = [str(number) for number in (_exec.KEEP, _exec.KEEP, os.getpid(), int(death_signal))]
    return [sys.executable, "-I", "-S", str(Path(_exec.__file__).resolve()), *numbers, *command]


def run_to_end(command: Sequence[str], *, account: Account, log: Path, feed: str = "") -> None:
    """Run a short program as `account`, output into `log`, and wait for it.

    Raises:
        EmbeddedError: it failed; the message ends with its last lines.
    """
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: S603 - paths we found ourselves, no shell
            shim(command, account=account, death_signal=Signals.SIGKILL),
            input=feed.encode(),
            stdout=output,
            stderr=output,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            check=False,
        )
    if done.returncode != 0:
        raise EmbeddedError(f"{command[0]} failed with code {done.returncode}:\n{tail(log)}")


def fresh_log(log: Path) -> None:
    """Set a log aside that has grown beyond the limit."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def tail(log: Path) -> str:
    """Return the last lines of a server's log, for a message."""
    with log.open("rb") as opened:
        opened.seek(max(0, log.stat().st_size - 100 * LOG_TAIL_LINES))
        return "\n".join(opened.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:])


def stop_leftover(pid: int, data: Path, steps: Sequence[tuple[Signals, timedelta]]) -> None:
    """Stop the server `pid` on `data` whose starter is gone (possible where there is no parent-death signal).

    Raises:
        EmbeddedError: it still runs after the last step.
    """
    for step, patience in steps:
        if not is_server_on(pid, data):
            return
        os.kill(pid, step)
        deadline = time.monotonic() + patience.total_seconds()
        while is_server_on(pid, data) and time.monotonic() < deadline:
            time.sleep(LEFTOVER_POLL.total_seconds())
    if is_server_on(pid, data):
        raise EmbeddedError(f"an old server (process {pid}) on {data} does not stop")


def is_server_on(pid: int, data: Path) -> bool:
    """Whether process `pid` lives and its command line names the folder `data`; a reused pid is therefore not mistaken."""
    proc = Path("/proc") / str(pid) / "cmdline"
    if proc.exists():
        words = proc.read_bytes().split(b"\0")
        return os.fsencode(data) in words
    if Path("/proc/self").exists():
        return False
    listed = subprocess.run(  # noqa: S603
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return str(data) in listed.stdout
