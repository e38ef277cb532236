"""Valkey for one machine: Celery's broker, persistent, on a unix socket only."""

import os
import shutil
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from signal import Signals

from engage.embedded.errors import EmbeddedError
from engage.embedded.place import Place, place_for
from engage.embedded.process import Child, fresh_log, stop_leftover
from engage.embedded.programs import find_valkey
from engage.embedded.service import Endpoint, Service, own_or_attach, wait_until

SOCKET = "valkey.sock"
PID = "valkey.pid"
READY_LIMIT = timedelta(minutes=2)
PROBE_LIMIT = timedelta(seconds=1)
STOP_STEPS = (
    (Signals.SIGTERM, timedelta(seconds=30)),
    (Signals.SIGKILL, timedelta(seconds=10)),
)


class Valkey(Service):
    """A running Valkey; `url` is the form Celery takes for a unix socket."""


def start_valkey(data_dir: Path, *, fast: bool = False) -> Valkey:
    """Start the Valkey of `data_dir`, or attach to the one another process runs there.

    What was accepted is on disk within a second; `fast` keeps nothing and is for tests only. A log of commands that it
    cannot read is set aside: the broker is disposable, the database knows the work. It ends with this process (Linux).

    Raises:
        EmbeddedError: there is no Valkey or Redis for this machine, or it does not start.
    """
    place = place_for(data_dir, "valkey")
    endpoint, stop = own_or_attach(place, lambda: _start(place, fast=fast))
    return Valkey(endpoint, stop)


def _start(place: Place, *, fast: bool) -> tuple[Endpoint, Callable[[], None]]:
    program = find_valkey(place)
    fresh_log(place.log)
    pid = _recorded_pid(place)
    if pid is not None:
        stop_leftover(pid, place.data, STOP_STEPS)
    for name in (SOCKET, PID):
        (place.run / name).unlink(missing_ok=True)
    _make_data(place)
    try:
        child = _launch(program, place, fast=fast)
    except EmbeddedError:
        if not (place.data / "appendonlydir").exists():
            raise
        _set_aside(place)
        child = _launch(program, place, fast=fast)
    path = place.run / SOCKET
    endpoint = Endpoint(url=f"redis+socket://{path}?virtual_host=0", socket=path, pid=child.pid)
    return endpoint, lambda: child.stop(*STOP_STEPS)


def _launch(program: Path, place: Place, *, fast: bool) -> Child:
    path = place.run / SOCKET
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(place.data),
        "pidfile": str(place.run / PID),
        "daemonize": "no",
        "save": "",
        "appendonly": "no" if fast else "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",  # an evicted key would be a lost hint
        "set-proc-title": "no",  # the command line keeps naming the folder, which tells ours from others
        "loglevel": "warning",
    }
    command = [str(program)]
    for name, value in settings.items():
        command += [f"--{name}", value]
    child = Child(command, account=place.account, death_signal=Signals.SIGTERM, log=place.log)
    try:
        wait_until(lambda: _is_ready(path), child, limit=READY_LIMIT, log=place.log)
    except BaseException:
        child.stop(*STOP_STEPS)
        raise
    return child


def _is_ready(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_LIMIT.total_seconds())
        try:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")  # "-LOADING" while it reads its log
        except OSError:
            return False


def _make_data(place: Place) -> None:
    place.data.mkdir(mode=0o700, exist_ok=True)
    if place.account.is_other:
        os.chown(place.data, place.account.uid, place.account.gid, follow_symlinks=False)


def _set_aside(place: Place) -> None:
    unread = place.data / "appendonlydir.unread"
    if unread.exists():
        shutil.rmtree(unread)
    (place.data / "appendonlydir").rename(unread)


def _recorded_pid(place: Place) -> int | None:
    try:
        return int((place.run / PID).read_text())
    except (FileNotFoundError, ValueError):  # never started, or killed while it wrote
        return None
