"""Forks: a process from the fork server is as good as one that was started by itself, and sooner there."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engage.cli.forks import ForkedProcess, ForkServer
from engage.cli.supervise import Supervisor
from tests.live.stack import eventually, free_port

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks are for Linux")

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
OWNER = (
    "import os, sys, time\n"
    "from engage.cli.forks import ForkedProcess, ForkServer\n"
    "server = ForkServer()\n"
    "process = server.start(sys.argv[1:], os.environ, None)\n"
    "print(server.pid, process.pid, flush=True)\n"
    "time.sleep(600)\n"
)
"""What `engage up` does until Ctrl-C."""
OURS = ("ENGAGE_", "TWILIO_", "SENDGRID_")


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


def test_a_fork_has_the_environment_and_the_output_that_it_was_given(
    server: ForkServer, tmp_path: Path
) -> None:
    (tmp_path / "journeys").mkdir()
    environment = {**os.environ, "ENGAGE_PROJECT": str(tmp_path)}

    with (tmp_path / "log").open("ab") as log:
        process = server.start(["check"], environment, log)

    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "log").read_text().startswith("0 journeys, 0 audiences")


def test_an_owner_with_many_open_files_has_forks_too(tmp_path: Path) -> None:
    (tmp_path / "journeys").mkdir()
    many, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if many <= 1_100:
        pytest.skip("this system allows no more than 1,024 open files")
    with ExitStack() as stack:
        for _ in range(1_050):
            stack.callback(os.close, os.dup(0))
        server = stack.enter_context(ForkServer())

        assert (
            server.start(["check"], {**os.environ, "ENGAGE_PROJECT": str(tmp_path)}, None).wait(PATIENCE) == 0
        )


def test_a_fork_is_called_by_its_own_command_and_ends_when_it_is_told_to(
    server: ForkServer, tmp_path: Path
) -> None:
    process = _running_sandbox(server, tmp_path / "log")
    assert b"engage.cli\0sandbox\0--listen" in _file_of(process.pid, "cmdline")
    assert b"fork_server" not in _file_of(process.pid, "cmdline")
    assert process.poll() is None

    process.terminate()

    assert process.wait(PATIENCE) == 0


def test_the_code_of_a_fork_is_told_whatever_it_is(server: ForkServer) -> None:
    mistaken = server.start(["no-such-command"], os.environ, None)
    killed = server.start(_sandbox(), os.environ, None)
    with pytest.raises(subprocess.TimeoutExpired):
        killed.wait(0.2)

    killed.kill()

    assert killed.wait(PATIENCE) == -signal.SIGKILL
    assert mistaken.wait(PATIENCE) == 2


def test_a_fork_holds_no_file_of_its_server_and_leads_a_session_of_its_own(
    server: ForkServer, tmp_path: Path
) -> None:
    first, second = (_running_sandbox(server, tmp_path / name) for name in ("first", "second"))

    try:
        assert [os.getsid(process.pid) for process in (first, second)] == [first.pid, second.pid]
        pipes, theirs = (
            [link for link in _links(pid) if "pipe:" in link] for pid in (second.pid, server.pid)
        )
        assert theirs
        assert set(pipes).isdisjoint(theirs)
    finally:
        first.kill()
        second.kill()


def test_when_the_owner_is_killed_the_server_and_its_forks_end_too() -> None:
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            OWNER,
            *_sandbox(),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert owner.stdout is not None
    with owner:
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert all(map(_lives, pids))

        owner.kill()

    assert len(pids) == 2
    assert eventually(lambda: not any(map(_lives, pids)))


def test_when_the_server_is_killed_its_forks_end_and_the_next_start_makes_another(
    tmp_path: Path,
) -> None:
    with ForkServer() as server, Supervisor(os.environ, logs=tmp_path, forks=server) as supervisor:
        supervisor.start(["sandbox"], instead={"sandbox": {"--listen": f"127.0.0.1:{free_port()}"}})
        assert eventually(lambda: "sandbox on" in (tmp_path / "sandbox.log").read_text())
        first, old = server.pid, supervisor.pid("sandbox")

        os.kill(first, signal.SIGKILL)

        assert eventually(lambda: supervisor.revive(at_once=True) == ["sandbox"])
        assert eventually(lambda: not _lives(old))
        assert server.pid != first
        assert eventually(lambda: (tmp_path / "sandbox.log").read_text().count("sandbox on") == 2)


def test_a_fork_that_dies_is_started_again_by_the_same_server(tmp_path: Path) -> None:
    with ForkServer() as server, Supervisor(os.environ, logs=tmp_path, forks=server) as supervisor:
        supervisor.start(["sandbox"], instead={"sandbox": {"--listen": f"127.0.0.1:{free_port()}"}})
        assert eventually(lambda: "sandbox on" in (tmp_path / "sandbox.log").read_text())
        first, old = server.pid, supervisor.pid("sandbox")

        os.kill(old, signal.SIGKILL)

        assert eventually(lambda: supervisor.revive(at_once=True) == ["sandbox"])
        assert server.pid == first
        assert supervisor.pid("sandbox") != old
        assert eventually(lambda: (tmp_path / "sandbox.log").read_text().count("sandbox on") == 2)


def test_what_the_server_imports_reads_no_setting_starts_no_thread_and_opens_nothing() -> None:
    """Else a fork would have its server's settings, or a lock that nobody gives back, or somebody else's connection."""
    told = _python(
        "import os, threading\n"
        "read = set()\n"
        "class Watched(type(os.environ)):\n"
        "    def __getitem__(self, name):\n"
        "        read.add(name)\n"
        "        return super().__getitem__(name)\n"
        "old = os.environ\n"
        "os.environ = Watched(old._data, old.encodekey, old.decodekey, old.encodevalue, old.decodevalue)\n"
        "import importlib\n"
        "from engage.cli.fork_server import PRELOADED\n"
        "for name in PRELOADED:\n"
        "    importlib.import_module(name)\n"
        f"print([name for name in read if name.startswith({OURS})])\n"
        "print(threading.active_count(), len(os.listdir('/proc/self/task')))\n"
        "links = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2 and os.path.exists(f'/proc/self/fd/{n}')]\n"
        "print([link for link in links if not link.startswith('/proc/')])\n",
        {},
    )

    assert told.splitlines() == ["[]", "1 1", "[]"]


@pytest.mark.parametrize("then", ["workers.tasks", "engage.cli.serve", "engage.sandbox.server"])
def test_a_fork_imports_nothing_of_others_any_more(then: str) -> None:
    told = _python(
        "import importlib, sys\n"
        "from engage.cli.fork_server import PRELOADED\n"
        "for name in PRELOADED:\n"
        "    importlib.import_module(name)\n"
        "before = set(sys.modules)\n"
        f"importlib.import_module({then!r})\n"
        "print(sorted(n for n in set(sys.modules) - before if n.partition('.')[0] != 'workers'))\n",
        {"ENGAGE_BROKER_URL": "memory://"},
    )

    assert told.strip() == "[]"


def _python(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in os.environ.items() if not name.startswith(OURS)} | environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _running_sandbox(server: ForkServer, log: Path) -> ForkedProcess:
    with log.open("ab") as output:
        process = server.start(_sandbox(), os.environ, output)
    assert eventually(lambda: log.read_text().startswith("sandbox on"))
    return process


def _sandbox() -> list[str]:
    return ["sandbox", "--listen", f"127.0.0.1:{free_port()}"]


def _file_of(pid: int, name: str) -> bytes:
    return (Path("/proc") / str(pid) / name).read_bytes()


def _links(pid: int) -> list[str]:
    """What its files are, but for standard input, output and error."""
    folder = Path("/proc") / str(pid) / "fd"
    return [str(path.readlink()) for path in folder.iterdir() if int(path.name) > 2]


def _lives(pid: int) -> bool:
    try:
        return b") Z" not in _file_of(pid, "stat")
    except (FileNotFoundError, ProcessLookupError):
        return False
