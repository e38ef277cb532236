"""PostgreSQL for one machine: made on first start, durable, on a unix socket only."""

import shutil
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from signal import Signals

from engage.embedded.errors import EmbeddedError
from engage.embedded.place import Place, place_for
from engage.embedded.process import Child, fresh_log, run_to_end, stop_leftover, tail
from engage.embedded.programs import PostgresPrograms, find_postgres
from engage.embedded.service import Endpoint, Service, own_or_attach, wait_until

ROLE = "engage"
DATABASE = "engage"
SOCKET = ".s.PGSQL.5432"  # the port is only part of the socket's name
READY_LIMIT = timedelta(minutes=10)  # replaying the log after a crash under load takes its time
STOP_STEPS = (
    (Signals.SIGINT, timedelta(seconds=60)),  # fast: sessions end, a checkpoint is written
    (Signals.SIGQUIT, timedelta(seconds=10)),  # immediate: the next start replays the log
    (Signals.SIGKILL, timedelta(seconds=10)),
)
# A postmaster killed outright leaves backends that notice within moments; until then its memory block is in use.
LINGERING = ("pre-existing shared memory block", "is another postmaster")
LINGER_LIMIT = timedelta(seconds=15)

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Claims walk dead index entries until a vacuum removes them, so it runs early and often.
    "autovacuum_naptime": "5s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.1",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_vacuum_cost_limit": "2000",
    # No personal data in the server's log: neither parameters, nor the row an error is about, nor the statement.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
FAST: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "1min",
}


class Postgres(Service):
    """A running PostgreSQL; `url` is a libpq URL with role and database `engage` (a superuser of this server)."""


def start_postgres(data_dir: Path, *, fast: bool = False) -> Postgres:
    """Start the PostgreSQL of `data_dir`, or attach to the one another process runs there.

    Durable by default; `fast` gives durability up for speed and is for tests only. The server ends with this process
    however that ends (Linux), and a folder left by a crash is recovered.

    Raises:
        EmbeddedError: there is no PostgreSQL for this machine, or it does not start; the message says what to do.
    """
    place = place_for(data_dir, "postgres")
    endpoint, stop = own_or_attach(place, lambda: _start(place, fast=fast))
    return Postgres(endpoint, stop)


def _start(place: Place, *, fast: bool) -> tuple[Endpoint, Callable[[], None]]:
    programs = find_postgres(place)
    fresh_log(place.log)
    lines = _pid_file(place.data)
    if lines:
        stop_leftover(int(lines[0]), place.data, STOP_STEPS)
    _clear(place)
    if not (place.data / "PG_VERSION").exists():
        _create(programs, place, fast=fast)
    child = _launch(programs, place, fast=fast)
    url = f"postgresql://{ROLE}@/{DATABASE}?host={place.run}"
    endpoint = Endpoint(url=url, socket=place.run / SOCKET, pid=child.pid)
    return endpoint, lambda: child.stop(*STOP_STEPS)


def _create(programs: PostgresPrograms, place: Place, *, fast: bool) -> None:
    """Make the cluster beside its place and move it in when it is whole, so that a half-made one is never taken for data."""
    scratch = place.folder / "data.new"
    if scratch.exists():
        shutil.rmtree(scratch)
    initdb = [str(programs.bin / "initdb"), "-D", str(scratch)]
    _run(
        place,
        [
            *initdb,
            "-U",
            ROLE,
            "-A",
            "trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ],
    )
    single = [
        str(programs.bin / "postgres"),
        "--single",
        "-F",
        "-D",
        str(scratch),
        "-c",
        "log_min_messages=fatal",
        "postgres",
    ]
    _run(place, single, feed=f"CREATE DATABASE {DATABASE} STRATEGY file_copy\n")
    if not fast:
        _run(place, [*initdb, "--sync-only"])
    if place.data.exists():
        raise EmbeddedError(f"{place.data} exists but is no PostgreSQL data: move it away and start again")
    scratch.rename(place.data)


def _run(place: Place, command: list[str], *, feed: str = "") -> None:
    run_to_end(command, account=place.account, log=place.log, feed=feed)


def _launch(programs: PostgresPrograms, place: Place, *, fast: bool) -> Child:
    settings = {**SETTINGS, **(FAST if fast else {}), "unix_socket_directories": str(place.run)}
    command = [str(programs.bin / "postgres"), "-D", str(place.data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    deadline = time.monotonic() + LINGER_LIMIT.total_seconds()
    while True:
        # SIGINT is a fast shutdown: with us gone the server ends cleanly and leaves nothing to recover.
        child = Child(command, account=place.account, death_signal=Signals.SIGINT, log=place.log)
        try:
            wait_until(lambda: _is_ready(place.data), child, limit=READY_LIMIT, log=place.log)
        except EmbeddedError:
            lingers = not child.is_running and any(sign in tail(place.log) for sign in LINGERING)
            if lingers and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            child.stop(*STOP_STEPS)
            raise
        except BaseException:  # Ctrl-C while it replays its log
            child.stop(*STOP_STEPS)
            raise
        return child


def _is_ready(data: Path) -> bool:
    lines = _pid_file(data)
    return (
        len(lines) > 7 and lines[7].strip() == "ready"
    )  # PostgreSQL's miscadmin.h, LOCK_FILE_LINE_PM_STATUS


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _clear(place: Place) -> None:
    """Remove pid and socket files of a server that is gone: its pid may be somebody else's by now, which PostgreSQL would believe."""
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    for name in (SOCKET, f"{SOCKET}.lock"):
        (place.run / name).unlink(missing_ok=True)
