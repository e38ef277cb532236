"""A sender's rate holds over many workers, and no journey waits behind another's backlog."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.live.stack import Stack, as_source, eventually, running_stack, send_surely

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(480)]

RATE = 10
EACH = 300
SETTINGS = {
    "quiet_hours": "off",
    "senders": {"sms": {"number": "+15005550006", "rate": f"{RATE} per second"}},
}


def journey(name: str) -> dict[str, Any]:
    return {
        "journey": name,
        "trigger": {"event": name},
        "entry": {"reentry": "never"},
        "steps": [{"sms": {"text": f"{name} for {{{{ profile.name }}}}"}}],
    }


def test_600_messages_of_two_journeys_over_four_workers(services_dir: Path) -> None:
    with running_stack(services_dir / "rate", copies={"worker-deliver": 4}) as stack:
        stack.publish(
            as_source("settings", "settings", SETTINGS),
            as_source("journey", "first", journey("first")),
            as_source("journey", "second", journey("second")),
        )
        _send(stack, "first")
        assert eventually(lambda: stack.count("SELECT count(*) FROM delivery") == EACH)
        _send(stack, "second")

        assert eventually(lambda: len(_taken(stack)) == 2 * EACH and stack.idle(), 360)
        together = _while_both_wait(_taken(stack))
        with stack.sandbox() as sandbox:
            busiest = sandbox.call("GET", "/_sandbox/stats")["max_per_second"]

    assert set(busiest) == {"+15005550006"}
    assert busiest["+15005550006"]["segments"] <= RATE
    shares = Counter(together)
    assert len(together) >= EACH
    for name in ("first", "second"):
        assert shares[name] >= 0.4 * len(together), shares


def _taken(stack: Stack) -> list[str]:
    """The journey of each message, in the order in which they came in."""
    with stack.sandbox() as sandbox:
        found = sandbox.call("GET", "/_sandbox/messages?limit=10000")["messages"]
    found.sort(key=lambda message: datetime.fromisoformat(message["accepted_at"]))
    return [message["body"].partition(" ")[0] for message in found]


def _while_both_wait(taken: list[str]) -> list[str]:
    """From the first message of the second journey to the last one of the first journey to have none left."""
    last = {name: len(taken) - 1 - taken[::-1].index(name) for name in ("first", "second")}
    return taken[taken.index("second") : min(last.values()) + 1]


def _send(stack: Stack, name: str) -> None:
    calls = [
        call
        for number in range(EACH)
        for call in (
            {"type": "identify", "userId": f"{name}-{number}", "messageId": f"i-{name}-{number}",
             "traits": {"phone": f"+1415{len(name)}{number:06d}", "name": f"N{number}"}},
            {"type": "track", "userId": f"{name}-{number}", "event": name, "messageId": f"t-{name}-{number}"},
        )
    ]  # fmt: skip
    with stack.events() as client:
        for begin in range(0, len(calls), 100):
            send_surely(client, "/v1/batch", {"batch": calls[begin : begin + 100]}, lambda: None)
