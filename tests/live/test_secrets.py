"""Secrets stay where they belong: an installation that works and fails tells them to nobody."""

import subprocess
from pathlib import Path

import httpx
import pytest
import redis

from engage.cli.client import Client, ClientError
from tests.live.stack import Stack, as_source, eventually, running_stack

pytestmark = pytest.mark.live

PERSON = {"email": "zebulon.quagmire@shop.example", "phone": "+14155550142", "first_name": "Zebulonius"}
BODY = "Dear Zebulonius, your code is 918273."
SETTINGS = {"quiet_hours": "off", "topics": {"orders": {"title": "Orders", "transactional": True}}}
JOURNEY = {
    "journey": "coded",
    "topic": "orders",
    "trigger": {"event": "Code Wanted"},
    "steps": [{"sms": {"text": BODY}}, {"email": {"text": BODY}}],
}


def secrets_of(stack: Stack) -> dict[str, str]:
    """Every setting of the running installation that is a secret, by name."""
    names = ("SECRET", "TOKEN", "API_KEY", "WRITE_KEYS", "PRIVATE")
    return {
        f"{name}#{index}": part.partition(":")[0]
        for name, value in stack.environment.items()
        if name.startswith(("ENGAGE_", "TWILIO_", "SENDGRID_")) and any(word in name for word in names)
        for index, part in enumerate(value.split(","))
        if len(part.partition(":")[0]) > 8
    }


def found_in(text: str, wanted: dict[str, str]) -> list[str]:
    """The names of what stands in a text."""
    return [name for name, value in wanted.items() if value in text]


def test_what_runs_and_what_fails_tells_no_secret_and_no_address(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with running_stack(tmp_path) as stack:
        secrets, people = secrets_of(stack), {**PERSON, "body": BODY}
        assert len(secrets) >= 4
        stack.publish(
            as_source("settings", "settings", SETTINGS),
            as_source("journey", "coded", JOURNEY),
        )
        answers = [*work(stack), *fail(stack)]
        assert eventually(lambda: stack.idle() and stack.count("SELECT count(*) FROM delivery") == 2)
        bearer = {"Authorization": f"Bearer {stack.token}"}
        metrics = httpx.get(f"{stack.url}/metrics", headers=bearer).text
        assert "engage_active_runs" in metrics
        broker = redis.Redis(unix_socket_path=stack.services.broker_url.partition("://")[2].partition("?")[0])
        queued = "".join(
            str(broker.lrange(key, 0, -1) if broker.type(key) == b"list" else broker.hgetall(key))
            for key in broker.scan_iter()
            if broker.type(key) in (b"list", b"hash")
        )
        lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        logs = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*log*") if path.is_file())

        for place, text in (
            ("metrics", metrics),
            ("broker", queued),
            ("command lines", lines),
            ("logs", logs),
        ):
            assert found_in(text, secrets | people) == [], place
        assert found_in("".join(answers), secrets) == []


def work(stack: Stack) -> list[str]:
    """Have two messages sent, and return what was answered."""
    with stack.events() as events:
        return [
            str(events.call("POST", "/v1/identify", {"userId": "z", "traits": PERSON})),
            str(events.call("POST", "/v1/track", {"userId": "z", "event": "Code Wanted"})),
        ]


def fail(stack: Stack) -> list[str]:
    """Do what is refused in every way, and return what was answered."""
    said = []
    for client, method, path, body in (
        (stack.events(), "POST", "/v1/signals", {"event": 7}),
        (stack.api(), "POST", "/v1/deliveries", {"to": PERSON["phone"], "channel": "pigeon"}),
        (stack.api(), "GET", "/v1/profiles/email:nobody@shop.example", None),
        (Client(stack.url, token="et_wrong"), "GET", "/v1/journeys/coded", None),
        (Client(stack.url), "POST", "/webhooks/twilio/status?ref=x", {"MessageSid": "SM1"}),
    ):
        with client, pytest.raises(ClientError) as refused:
            client.call(method, path, body)
        said.append(str(refused.value))
    return said
