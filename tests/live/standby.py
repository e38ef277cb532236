"""A PostgreSQL that follows another one, by the server's own programs: what somebody who wants to survive a machine sets up."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from signal import Signals

import psycopg

from engage.embedded import start_postgres
from engage.embedded.place import place_for
from engage.embedded.postgres import DATABASE, ROLE, SETTINGS
from engage.embedded.process import Child, run_to_end, tail
from engage.embedded.programs import find_postgres

PATIENCE_SECONDS = 60.0
NAME = "standby"


class Pair:
    """A primary and its standby. `url` names both, and leads to whichever takes writes."""

    def __init__(self, folder: Path, *, waits: bool) -> None:
        """Start both; the standby has everything. `waits`: from now on the primary commits nothing that it has not."""
        self._primary = start_postgres(folder / "primary")
        self._home = place_for(folder / NAME, "postgres")
        first = Path(self._primary.url.partition("host=")[2])
        self.url = (
            f"postgresql://{ROLE}@/{DATABASE}?host={first},{self._home.run}&target_session_attrs=read-write"
        )
        self._own_urls = [f"postgresql://{ROLE}@/{DATABASE}?host={run}" for run in (first, self._home.run)]
        self._standby = self._follow(first)
        if waits:
            # Not before the copy was made: a promoted standby would wait for itself.
            self._tell(0, f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'", "SELECT pg_reload_conf()")
            self._until("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", at=0)

    def _follow(self, primary: Path) -> Child:
        programs, place = find_postgres(self._home), self._home
        source = f"host={primary} user={ROLE} application_name={NAME}"
        copy = [
            str(programs.bin / "pg_basebackup"),
            "-D",
            str(place.data),
            "-d",
            source,
            "-R",
            "-c",
            "fast",
            "--no-sync",
        ]
        run_to_end(copy, account=place.account, log=place.log)
        command = [str(programs.bin / "postgres"), "-D", str(place.data)]
        for name, value in {**SETTINGS, "unix_socket_directories": str(place.run)}.items():
            command += ["-c", f"{name}={value}"]
        child = Child(command, account=place.account, death_signal=Signals.SIGINT, log=place.log)
        self._until("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", at=1)
        return child

    def kill_primary(self) -> None:
        """End the primary as a broken machine does: all its processes at once, without a word, for good."""
        listed = subprocess.run(
            ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
        ).stdout
        parents = [(int(pid), int(parent)) for pid, parent in map(str.split, listed.splitlines())]
        for pid in (self._primary.pid, *(pid for pid, parent in parents if parent == self._primary.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def cut(self) -> None:
        """Let the standby be sent nothing more."""
        with psycopg.connect(self._own_urls[0]) as connection:
            row = connection.execute("SELECT pid FROM pg_stat_replication").fetchone()
        assert row is not None
        os.kill(row[0], signal.SIGSTOP)

    def promote(self) -> None:
        """Make the standby the primary: returns once it takes writes."""
        self._tell(1, "SELECT pg_promote(true, 60)")

    def stop(self) -> None:
        """Stop what still runs."""
        self._standby.stop((Signals.SIGINT, timedelta(seconds=30)), (Signals.SIGKILL, timedelta(seconds=10)))
        self._primary.stop()

    def _tell(self, which: int, *statements: str) -> None:
        with psycopg.connect(self._own_urls[which], autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def _until(self, query: str, *, at: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with psycopg.connect(self._own_urls[at]) as connection:
                    row = connection.execute(query.encode()).fetchone()
            except psycopg.OperationalError:
                row = None  # it replays what it was given first
            if row is not None and row[0]:
                return
            assert time.monotonic() < deadline, tail(self._home.log)
            time.sleep(0.1)


@contextmanager
def running_pair(folder: Path, *, waits: bool = True) -> Iterator[Pair]:
    """Run a primary and a standby below `folder`; see `Pair`."""
    pair = Pair(folder, waits=waits)
    try:
        yield pair
    finally:
        pair.stop()
