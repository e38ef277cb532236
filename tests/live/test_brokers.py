"""Hints travel by whatever broker there is: Valkey or Redis over TCP, or RabbitMQ. The truth is in PostgreSQL anyway."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from celery import Celery
from kombu.entity import Queue

from engage.embedded.place import place_for
from engage.embedded.programs import find_valkey
from tests.live.stack import Stack, as_source, eventually, free_port, running_stack, send_surely
from workers import hints
from workers.broker import MOST_WAITING, keep_clients

pytestmark = [pytest.mark.live, pytest.mark.timeout(280)]

PEOPLE = 40
JOURNEY = {
    "journey": "hello",
    "trigger": {"event": "Go"},
    "steps": [{"sms": {"text": "Hello"}}, {"wait": "1 second"}, {"sms": {"text": "And again"}}],
}


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Run a Valkey that listens as one on another machine would."""
    port = free_port()
    program = find_valkey(place_for(folder / "here", "valkey"))
    command = [str(program), "--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        assert eventually(lambda: is_open(port), 20)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """Run a RabbitMQ of our own, with ports and data of its own."""
    program = shutil.which("rabbitmq-server") or shutil.which("rabbitmq-server", path="/usr/sbin")
    if program is None:
        pytest.skip("no rabbitmq-server on this machine")
    port, distribution = free_port(), free_port()
    environment = os.environ | {
        "RABBITMQ_NODENAME": f"engage-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(folder / "rabbit"),
        "RABBITMQ_LOG_BASE": str(folder / "rabbit-logs"),
        "RABBITMQ_PID_FILE": str(folder / "rabbit.pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "HOME": str(folder),
    }
    folder.chmod(0o777)  # Debian's start script becomes the user `rabbitmq`
    process = subprocess.Popen(
        [program], cwd=folder, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        assert eventually(lambda: is_open(port), 60)
        yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        # The start script may have become another user in a session of its own: the server itself has to be told.
        os.kill(int((folder / "rabbit.pid").read_text()), signal.SIGTERM)
        process.wait(60)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("broker", [valkey, pytest.param(rabbitmq, marks=pytest.mark.slow)])
def test_a_journey_runs_over_any_broker(
    services_dir: Path, broker: Callable[[Path], AbstractContextManager[str]]
) -> None:
    folder = services_dir / f"over-{getattr(broker, '__name__', 'broker')}"
    folder.mkdir(mode=0o755)
    with broker(folder) as url, running_stack(folder, broker=url) as stack:
        stack.publish(
            as_source("settings", "settings", {"quiet_hours": "off"}), as_source("journey", "hello", JOURNEY)
        )
        with stack.events() as client:
            batch = [call for number in range(PEOPLE) for call in calls(number)]
            send_surely(client, "/v1/batch", {"batch": batch}, lambda: None)
        assert eventually(lambda: completed(stack) == PEOPLE, 60)
        with stack.sandbox() as sandbox:
            refs = [one["ref"] for one in sandbox.call("GET", "/_sandbox/messages")["messages"]]
        assert len(refs) == len(set(refs)) == 2 * PEOPLE


@pytest.mark.parametrize(
    ("broker", "left"), [(valkey, MOST_WAITING), pytest.param(rabbitmq, 0, marks=pytest.mark.slow)]
)
def test_hints_that_nobody_takes_do_not_pile_up(
    services_dir: Path,
    broker: Callable[[Path], AbstractContextManager[str]],
    left: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hints, "EXPIRES", 1.0)  # by this RabbitMQ drops them; Valkey goes by their number
    folder = services_dir / f"piling-{getattr(broker, '__name__', 'broker')}"
    folder.mkdir(mode=0o755)
    keep_clients()
    with broker(folder) as url, Celery("nobody", broker=url) as app:
        app.conf.task_queues = [Queue("engine", routing_key="engine")]
        for number in range(3 * MOST_WAITING):
            hints.send_hint(app, "workers.tasks.digest", ([number % 64],), "engine")

        def waiting() -> int:
            with app.connection_for_write() as connection:
                found: int = connection.default_channel.queue_declare("engine", passive=True).message_count
                return found

        assert eventually(lambda: waiting() <= left, 20)


def calls(number: int) -> list[dict[str, object]]:
    who = {"userId": f"u{number}"}
    return [
        {"type": "identify", **who, "traits": {"phone": f"+1415555{number:04d}"}},
        {"type": "track", **who, "event": "Go"},
    ]


def completed(stack: Stack) -> int:
    return stack.count("SELECT count(*) FROM run WHERE reason = 'completed'")
