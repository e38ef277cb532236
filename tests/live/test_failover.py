"""The database's machine is gone for good and its standby takes over: what was accepted is there, and nobody gets anything twice."""

import os
import threading
import time
from pathlib import Path

import psycopg
import pytest

from engage.cli.client import ClientError
from tests.live.stack import Stack, eventually, running_stack
from tests.live.standby import Pair, running_pair
from tests.live.test_outages import all_came_once, calls_of, publish, taken, tell

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(600)]

PEOPLE = 200
NOBODY_SECONDS = 5.0


def tell_slowly(stack: Stack, people: range) -> None:
    """Have somebody new do something all the while."""
    for number in people:
        tell(stack, range(number, number + 1))
        time.sleep(0.03)


def test_nothing_accepted_is_lost_and_nobody_is_written_to_twice(services_dir: Path) -> None:
    folder = services_dir / "failover"
    folder.mkdir(mode=0o755)
    with running_pair(folder) as pair, running_stack(folder / "stack", database=pair.url) as stack:
        publish(stack, {"quiet_hours": "off"})
        tell(stack, range(1))
        assert all_came_once(stack, 1)
        pids = {label: stack.supervisor.pid(label) for label in stack.supervisor.labels()}
        telling = threading.Thread(target=tell_slowly, args=(stack, range(1, PEOPLE)))
        telling.start()
        assert eventually(lambda: len(taken(stack)) > 30, step=0.05)  # calls are under way, people wait

        pair.kill_primary()
        with stack.events() as client, pytest.raises(ClientError):
            client.call("POST", "/v1/batch", {"batch": calls_of(range(PEOPLE, PEOPLE + 1))}, timeout=30)
        time.sleep(NOBODY_SECONDS)
        assert telling.is_alive()
        pair.promote()

        telling.join()
        assert all_came_once(stack, PEOPLE)
        assert stack.count("SELECT count(*) FROM delivery WHERE status = 'failed'") == 0
        for label, pid in pids.items():
            os.kill(pid, 0)
            assert stack.supervisor.pid(label) == pid


def commit_a_note(pair: Pair, answered: threading.Event) -> None:
    try:
        with psycopg.connect(pair.url) as connection:
            connection.execute("CREATE TABLE note (id int)")
        answered.set()
    except psycopg.OperationalError:
        pass


@pytest.mark.parametrize("waits", [True, False])
def test_only_a_standby_that_is_waited_for_has_everything(services_dir: Path, *, waits: bool) -> None:
    folder = services_dir / f"note{waits:d}"
    folder.mkdir(mode=0o755)
    with running_pair(folder, waits=waits) as pair:
        pair.cut()
        answered = threading.Event()
        writing = threading.Thread(target=commit_a_note, args=(pair, answered))
        writing.start()
        assert answered.wait(3.0) is not waits

        pair.kill_primary()
        writing.join()
        pair.promote()

        with psycopg.connect(pair.url) as connection:
            there = connection.execute("SELECT to_regclass('note')").fetchone()
    assert answered.is_set() is not waits
    assert waits or there == (None,)
