"""Everything is told to stop while a provider takes its time: the call is waited for, and what came of it is written down."""

from pathlib import Path

import pytest

from tests.live.stack import as_source, eventually, running_stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(280)]

CALL_SECONDS = 12.0
"""Longer than a few seconds, less than our own time-out for an answer."""
JOURNEY = {"journey": "hello", "trigger": {"event": "Go"}, "steps": [{"sms": {"text": "Hello"}}]}


def test_a_call_under_way_when_all_is_stopped_is_waited_for(services_dir: Path) -> None:
    with running_stack(services_dir / "stopping") as stack:
        stack.publish(
            as_source("settings", "settings", {"quiet_hours": "off"}), as_source("journey", "hello", JOURNEY)
        )
        with stack.sandbox() as sandbox:
            # Without callbacks: what becomes of the message is in the call's answer alone.
            faults = [{"fault": "slow", "seconds": CALL_SECONDS}, {"fault": "lost"}]
            sandbox.call("POST", "/_sandbox/faults", faults)
        with stack.events() as client:
            client.call("POST", "/v1/identify", {"userId": "u1", "traits": {"phone": "+14155550123"}})
            client.call("POST", "/v1/track", {"userId": "u1", "event": "Go"})
        assert eventually(lambda: stack.count("SELECT count(*) FROM delivery WHERE status = 'sending'") == 1)

        stack.supervisor.stop()

        # Nobody digests any more: the outcome waits in the inbox for the next start.
        [(payload,)] = stack.rows("SELECT payload FROM inbox")
        assert b'"mark":"accepted"' in bytes(payload)
