"""Nothing is lost and nobody is written to twice, whatever is killed while the work goes on."""

import signal
import threading
import time
from pathlib import Path

import pytest

from tests.live.stack import Stack, as_source, eventually, running_stack, send_surely

pytestmark = [pytest.mark.live, pytest.mark.timeout(280)]

PEOPLE = 240
BATCH = 12
JOURNEY = {
    "journey": "hello",
    "trigger": {"event": "Go"},
    "entry": {"reentry": "never"},
    "steps": [
        {"sms": {"text": "Hello {{ profile.name }}"}},
        {"wait": "2 seconds"},
        {"sms": {"text": "And again"}},
    ],
}
SETTINGS = {"quiet_hours": "off"}


def test_all_arrives_once_through_kill_9_of_everything(services_dir: Path) -> None:
    folder = services_dir / "kill"

    with running_stack(folder) as stack:
        stack.publish(as_source("settings", "settings", SETTINGS), as_source("journey", "hello", JOURNEY))
        sender = threading.Thread(target=_send_all, args=(stack,))
        sender.start()
        for victim in ("worker-engine", "worker-deliver", "beat", "api", "worker-engine", "worker-deliver"):
            time.sleep(2.0)
            stack.signal(victim, signal.SIGKILL)
            time.sleep(0.5)
            stack.heal()
        stack.kill_service("valkey", wipe=True)
        time.sleep(0.5)
        stack.heal()
        sender.join()

        def settled() -> bool:
            stack.heal()
            done = stack.count("SELECT count(*) FROM run WHERE reason = 'completed'")
            return done == PEOPLE and stack.idle()

        assert eventually(settled, 150), _where_it_stands(stack)
        with stack.sandbox() as sandbox:
            messages = sandbox.call("GET", "/_sandbox/messages?limit=10000")["messages"]
        refs = [message["ref"] for message in messages]
        assert len(refs) == 2 * PEOPLE
        assert len(set(refs)) == len(refs)


def _send_all(stack: Stack) -> None:
    with stack.events() as client:
        for begin in range(0, PEOPLE, BATCH):
            batch = [call for number in range(begin, begin + BATCH) for call in _calls(number)]
            send_surely(client, "/v1/batch", {"batch": batch}, lambda: None)
            time.sleep(0.6)


def _calls(number: int) -> list[dict[str, object]]:
    traits = {"phone": f"+1415555{number:04d}", "name": f"N{number}"}
    return [
        {"type": "identify", "userId": f"u{number}", "traits": traits, "messageId": f"i-{number}"},
        {"type": "track", "userId": f"u{number}", "event": "Go", "messageId": f"g-{number}"},
    ]


def _where_it_stands(stack: Stack) -> str:
    return str(
        {
            "deliveries": stack.rows("SELECT status, reason, count(*) FROM delivery GROUP BY 1, 2"),
            "runs": stack.rows("SELECT step, reason, count(*) FROM run GROUP BY 1, 2"),
            "inbox": stack.rows("SELECT count(*), max(attempts) FROM inbox"),
            "quarantine": stack.rows("SELECT reason, count(*) FROM quarantine GROUP BY 1"),
            "timers": stack.count("SELECT count(*) FROM timer"),
        }
    )
