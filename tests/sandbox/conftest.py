"""One sandbox for the session, reset before each test; a receiver for each test that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sendgrid import SendGridAPIClient
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from engage.sandbox.config import FIXED, SandboxConfig
from engage.sandbox.server import RunningSandbox, running
from tests.sandbox.twin import ACCOUNT, TOKEN, Receiver, Twin, receiving

# Everything happens at once, but batches of events still gather for a moment.
QUICK = {"latencies": False, "event_batch_seconds": 0.02, "account_sid": ACCOUNT, "auth_token": TOKEN}


@pytest.fixture(scope="session")
def quick_config() -> dict[str, Any]:
    settings: dict[str, Any] = msgspec.to_builtins(SandboxConfig())
    return {name: value for name, value in (settings | QUICK).items() if name not in FIXED}


@pytest.fixture(scope="session")
def running_box() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(port=0)) as box:
        yield box


@pytest.fixture
def twin(running_box: RunningSandbox, quick_config: dict[str, Any]) -> Iterator[Twin]:
    http = TwilioHttpClient(timeout=5)
    client = Client(ACCOUNT, TOKEN, http_client=http)
    client.api.base_url = running_box.url
    client.messaging.base_url = running_box.url
    twin = Twin(running_box, client, SendGridAPIClient("SG.key", host=running_box.url))
    twin.sendgrid.client.timeout = 5
    twin.post("reset")
    twin.post("config", quick_config)
    yield twin
    twin.post("reset")
    if http.session is not None:
        http.session.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver
