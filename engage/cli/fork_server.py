"""The fork server: imports what our processes need, once, then becomes one of them whenever it is asked to.

Run as `python -m engage.cli.fork_server FD TITLE` by `forks.py`. It has one thread, no connection and no settings: nothing that a copy
could not go on with. What reads the environment when imported (`workers.app`) is left to the copy.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from engage.embedded._exec import die_with

PRELOADED = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.thread",
    "celery.fixups.django",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.strategy",
    "engage.cli.processes",
    "engage.cli.serve",
    "engage.providers",
    "engage.sandbox.__main__",
    "engage.services",
    "kombu.transport.redis",
)
NUMBER_BYTES = 4
TITLE = " " * 200
"""An argument that means nothing: `ps` shows a copy's own command in its place."""


def serve(control: socket.socket) -> list[str] | None:
    """Make a process for each request; return in each of them with its command, and in the server None when its owner is gone."""
    server = os.getpid()
    reports: dict[int, int] = {}
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()  # `select` takes no file beyond 1,024, and an owner with many hands on such a one
    for file in (control.fileno(), woken):
        poll.register(file, select.POLLIN)
    while True:
        ready = [file for file, _ in poll.poll()]
        if woken in ready:
            os.read(woken, 1024)
            _report_ended(reports)
        if control.fileno() in ready:
            message, files, _, _ = socket.recv_fds(control, 1, 3)
            if not message:
                return None
            request, report, *output = files
            pid = os.fork()
            if pid == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.set_wakeup_fd(-1)
                for file in (control.detach(), woken, wakes, report, *reports.values()):
                    os.close(file)
                return become(server, request, output)
            reports[pid] = report
            _tell(report, pid)
            for file in (request, *output):
                os.close(file)


def become(server: int, request: int, output: Sequence[int]) -> list[str]:
    """Turn this copy of the server into the process that was asked for; return its command."""
    os.setsid()
    os.umask(0o077)
    die_with(server, signal.SIGTERM)
    for file in output:
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
    os.lseek(request, 0, os.SEEK_SET)
    with open(request, "rb") as asked:
        command, environment = json.load(asked)
    os.environ.clear()
    os.environ.update(environment)
    set_title([sys.executable, "-m", "engage.cli", *command])
    gc.enable()
    return list(command)


def set_title(words: Sequence[str]) -> None:
    """Have `ps` show these words: over our own arguments, the only place that needs no privilege, and no longer than those."""
    stat = Path("/proc/self/stat").read_bytes()
    begin, end = (
        int(field) for field in stat[stat.rindex(b")") :].split()[46:48]
    )  # proc(5): arg_start, arg_end
    title = b"\0".join(map(os.fsencode, words))[: end - begin - 1]
    ctypes.memmove(begin, title.ljust(end - begin, b"\0"), end - begin)


def _report_ended(reports: dict[int, int]) -> None:
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        report = reports.pop(pid)
        _tell(report, os.waitstatus_to_exitcode(status))
        os.close(report)


def _tell(report: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody asks any more
        os.write(report, number.to_bytes(NUMBER_BYTES, sys.byteorder, signed=True))


def main() -> None:
    """Serve; in a copy, run its command."""
    gc.disable()
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    command = serve(socket.socket(fileno=int(sys.argv[1])))
    if command is not None:
        from engage.cli.main import main as engage

        sys.argv = ["engage", *command]
        engage()


if __name__ == "__main__":
    main()
