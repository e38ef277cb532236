"""A rolling restart: each process is told to stop and another takes its place, one after the other, while work goes on."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engage.cli.client import Client, ClientError
from tests.live.stack import Stack, as_source, eventually, running_stack

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(580)]

ROUNDS = 2
PROCESSES = ("api", "worker-engine", "worker-deliver", "worker-urgent", "beat")
CALL_SECONDS = 0.5
"""What the provider takes for an answer, so that calls are under way when a worker is told to stop."""
SETTINGS = {
    "quiet_hours": "off",
    "topics": {"orders": {"transactional": True}, "codes": {"transactional": True, "urgent": True}},
}
JOURNEYS = (
    {
        "journey": "hello",
        "topic": "orders",
        "trigger": {"event": "Go"},
        "entry": {"reentry": "never"},
        "steps": [{"sms": {"text": "Hello"}}, {"wait": "2 seconds"}, {"email": {"text": "And again"}}],
    },
    {
        "journey": "code",
        "topic": "codes",
        "trigger": {"event": "Go"},
        "entry": {"reentry": "never"},
        "steps": [{"sms": {"text": "Code"}}],
    },
)
MESSAGES_EACH = 3


class Shop(threading.Thread):
    """Sends people one after the other, each until the server says that it has them, and counts what it was told meanwhile."""

    def __init__(self, stack: Stack, first: int, *, keep: bool) -> None:
        """Number people from `first`; `keep` the connection or open one for each call."""
        super().__init__()
        self.taken, self.told, self.over = 0, Counter[str](), threading.Event()
        self._stack, self._first, self._keep = stack, first, keep

    def run(self) -> None:
        """Send until it is over, and the last one to the end."""
        with closing(self._stack.events()) as client:
            while not self.over.wait(0.15):
                body = {"batch": person(self._first + self.taken)}
                while not self._has_taken(client, body):
                    time.sleep(0.1)
                self.taken += 1

    def _has_taken(self, client: Client, body: object) -> bool:
        try:
            client.call("POST", "/v1/batch", body)
        except ClientError as error:
            self.told[str(error.status) if error.status else type(error.__cause__).__name__] += 1
            return False
        finally:
            if not self._keep:
                client.close()
        return True


def person(number: int) -> list[dict[str, object]]:
    who = {"userId": f"u{number}"}
    traits = {"phone": f"+1415{5550000 + number:07d}", "email": f"u{number}@x.example"}
    return [
        {**who, "type": "identify", "traits": traits, "messageId": f"i-{number}"},
        {**who, "type": "track", "event": "Go", "messageId": f"g-{number}"},
    ]


def roll(stack: Stack, label: str) -> float:
    """Have one process stop and its successor start; return how many seconds it took to stop."""
    began = time.monotonic()
    os.kill(stack.supervisor.pid(label), signal.SIGTERM)
    assert eventually(lambda: label in stack.supervisor.revive(at_once=True), 60, step=0.05), f"{label} stays"
    return time.monotonic() - began


def works(stack: Stack, shops: list[Shop]) -> Callable[[], bool]:
    """Return a claim: who was taken in last, when this was asked, has had everything."""
    taken = sum(shop.taken for shop in shops)
    return lambda: stack.count("SELECT count(*) FROM run WHERE reason = 'completed'") >= 2 * taken


def test_a_rolling_restart_loses_and_doubles_nothing_and_clients_only_have_to_ask_again(
    services_dir: Path,
) -> None:
    with running_stack(services_dir / "rolling") as stack:
        stack.publish(
            as_source("settings", "settings", SETTINGS),
            *(as_source("journey", str(journey["journey"]), journey) for journey in JOURNEYS),
        )
        with stack.sandbox() as sandbox:
            sandbox.call("POST", "/_sandbox/faults", [{"fault": "slow", "seconds": CALL_SECONDS}])
        shops = [Shop(stack, 0, keep=True), Shop(stack, 5_000, keep=False)]
        for shop in shops:
            shop.start()
        try:
            stops = {label: list[float]() for label in PROCESSES}
            for _ in range(ROUNDS):
                for label in PROCESSES:
                    stops[label].append(roll(stack, label))
                    stack.wait_until_up()
                    assert eventually(works(stack, shops)), f"nothing goes on after {label}"
        finally:
            for shop in shops:
                shop.over.set()
            for shop in shops:
                shop.join()
        people = sum(shop.taken for shop in shops)
        told = shops[0].told + shops[1].told
        print({"people": people, "told": dict(told), "seconds_to_stop": stops})

        assert eventually(lambda: works(stack, shops)() and stack.idle(), 120)
        with stack.sandbox() as sandbox:
            messages = sandbox.call("GET", "/_sandbox/messages?limit=100000", timeout=60)["messages"]
        refs = Counter(message["ref"] for message in messages)
        assert len(refs) == MESSAGES_EACH * people
        assert [ref for ref, times in refs.items() if times > 1] == []
        assert stack.count("SELECT count(*) FROM seen WHERE starts_with(source, 'key:')") == 2 * people
        assert set(told) <= {"ConnectionRefusedError", "503"}, told
        assert stack.count("SELECT count(*) FROM delivery WHERE doc->>'calls' <> '1'") == 0, "a call was cut"
        assert stack.count("SELECT count(*) FROM quarantine") == 0
