"""Half a day after every callback was lost, beat has the ends asked for: our record is the provider's again."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engage.bootstrap import open_runtime
from engage.clocks import VARIABLE, TimeLapse
from engage.domain.delivery.delivery import Mark
from engage.settings import load_settings
from engage.testing.evidence import ledger_of_postgres
from engage.testing.invariants import Outside, breaches
from engage.testing.record import taken
from tests.live.stack import Stack, as_source, eventually, running_stack, send_surely

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(580)]

SPEED = 6_000.0
"""Half a day takes seven seconds; beat has ends asked for once in a real minute."""
GONE, BUSY = "+155500030005", "+15550010001"
"""A number that does not exist any more, and one that is engaged."""
PEOPLE = [*(f"+1415555{number:04d}" for number in range(40)), GONE, BUSY]
LOST = [{"fault": "lost", "channel": channel, "probability": 1.0} for channel in ("sms", "voice")]
JOURNEY: dict[str, Any] = {
    "journey": "j",
    "trigger": {"event": "Go"},
    "steps": [{"sms": {"text": "Hello"}}, {"voice": {"text": "Hello"}}],
}


def test_what_nobody_told_the_end_of_is_asked_for_by_beat(
    services_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = TimeLapse.set_up(services_dir / "clock", datetime.now(UTC) - timedelta(days=20), SPEED)
    monkeypatch.setenv(VARIABLE, str(services_dir / "clock"))
    with running_stack(services_dir / "reconciling", copies={"worker-engine": 2, "beat": 2}) as stack:
        stack.publish(
            as_source("settings", "settings", {"quiet_hours": "off"}), as_source("journey", "j", JOURNEY)
        )
        with stack.sandbox() as sandbox:
            sandbox.call("POST", "/_sandbox/faults", LOST)
        with stack.events() as client:
            send_surely(client, "/v1/batch", {"batch": calls()}, stack.heal)
        assert eventually(lambda: statuses(stack) == {Mark.ACCEPTED: 2 * len(PEOPLE)}), statuses(stack)
        assert eventually(lambda: is_told_out(stack))

        clock.begin(datetime.now(UTC) + timedelta(seconds=1))

        assert eventually(lambda: is_reconciled(stack), 180), statuses(stack)
        others = len(PEOPLE) - 1
        assert statuses(stack) == {
            Mark.DELIVERED: others,
            Mark.UNDELIVERED: 1,
            Mark.COMPLETED: others,
            Mark.BUSY: 1,
        }
        assert stack.rows("SELECT count(*) FROM suppression") == [(1,)]
        assert judged(stack, clock.now()) == []


def calls() -> list[dict[str, Any]]:
    return [
        call
        for number, phone in enumerate(PEOPLE)
        for call in (
            {
                "type": "identify",
                "userId": f"u{number}",
                "messageId": f"i{number}",
                "traits": {"phone": phone},
            },
            {"type": "track", "userId": f"u{number}", "event": "Go", "messageId": f"g{number}"},
        )
    ]


def statuses(stack: Stack) -> Counter[str]:
    return Counter(status for (status,) in stack.rows("SELECT status FROM delivery"))


def is_told_out(stack: Stack) -> bool:
    """Return whether the provider has nothing to tell any more, and none of it has arrived."""
    with stack.sandbox() as sandbox:
        stats = sandbox.call("GET", "/_sandbox/stats")
    assert not stack.count("SELECT count(*) FROM receipt")
    return not (stats["callbacks"]["pending"] or stats["timers"] or stats["calls_in_progress"])


def is_reconciled(stack: Stack) -> bool:
    return statuses(stack)[Mark.ACCEPTED] == 0 and stack.idle()


def judged(stack: Stack, at: datetime) -> list[str]:
    """Hold the tables against the sandbox's record."""
    with stack.sandbox() as sandbox:
        messages = sandbox.call("GET", "/_sandbox/messages?limit=1000")["messages"]
    with open_runtime(load_settings(stack.environment, None)) as runtime:
        ledger = ledger_of_postgres(runtime.store, at)
    outside = Outside(calls=taken(messages, asked=True))
    assert len(outside.calls) == len(ledger.deliveries) == 2 * len(PEOPLE)
    return breaches(ledger, outside)
