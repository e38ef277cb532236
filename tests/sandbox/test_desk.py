"""The desk in a real browser: agents work there by clicks, and nothing sticks out, on a phone as on a screen, by day and by night."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from twilio.rest import Client

from tests.sandbox.browser import Browser, browsing
from tests.sandbox.test_clicks import STICKING_OUT
from tests.sandbox.twin import PERSON, Twin, wait_until

WORKSPACE, WORKFLOW = "WS" + "1" * 32, "WW" + "1" * 32
QUESTION = {
    "question": "My parcel is damaged",
    "identifiers": {"user_id": "ada", "email": "ada.lovelace.the.first.of.her.name@shop.example"},
    "engage_ref": "0199a1b2-0000-7000-8000-0123456789ab",
}
UNREADABLE = """
[...document.querySelectorAll('b, dt, dd, .bubble, .note, .tag, button, h1, h2')].filter(e => {
    const channels = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(c => c / 255)
        .map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    const light = colour => channels(colour).reduce((sum, c, n) => sum + c * [.2126, .7152, .0722][n], 0);
    let behind = e;
    while (behind.parentElement && getComputedStyle(behind).backgroundColor.endsWith(', 0)')) behind = behind.parentElement;
    const [a, b] = [light(getComputedStyle(e).color), light(getComputedStyle(behind).backgroundColor)].sort();
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5;
}).map(e => e.outerHTML.slice(0, 80))
"""
"""What has less contrast than WCAG's AA asks of text."""


@pytest.fixture(scope="module")
def started(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(chromium, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def desk(twin: Twin) -> Client:
    """A task, and two conversations with phones of which one cannot be reached."""
    for product in ("taskrouter", "conversations"):
        getattr(twin.client, product).base_url = twin.url
    tasks = twin.client.taskrouter.v1.workspaces(WORKSPACE).tasks
    tasks.create(attributes=json.dumps(QUESTION), workflow_sid=WORKFLOW)
    for number in ("+155500030005", PERSON):
        conversation = twin.client.conversations.v1.conversations.create(unique_name=number)
        conversation.participants.create(messaging_binding_address=number)
        conversation.messages.create(author="alice", body="https://shop.example/" + "very-long-" * 12)
    wait_until(twin.is_quiet)
    return twin.client


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [340, 700, 1200])
def test_nothing_at_the_desk_sticks_out_or_is_hard_to_read(
    started: Browser, twin: Twin, desk: Client, width: int, scheme: str
) -> None:
    started.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)  # fmt: skip
    started.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    started.open(f"{twin.url}/desk")

    page = "document.documentElement"
    assert started.value(f"{page}.scrollWidth <= {page}.clientWidth")
    assert started.value(STICKING_OUT) == []
    assert started.value(UNREADABLE) == []
    started.ask("Emulation.clearDeviceMetricsOverride")
    started.ask("Emulation.setEmulatedMedia", features=[])


def test_an_agent_takes_a_task_and_completes_it_with_an_outcome(
    started: Browser, twin: Twin, desk: Client
) -> None:
    started.open(f"{twin.url}/desk")
    assert "ada.lovelace.the.first.of.her.name@shop.example" in started.text()
    assert "0199a1b2" not in started.text()

    started.follow("button[value=accept]")
    assert "assigned" in started.text()
    assert started.value("document.querySelector('button[value=accept]')") is None
    started.value("document.querySelector('input[name=outcome]').value = ''")
    started.type("input[name=outcome]", "sent a new one")
    started.follow("input[name=outcome] + button")

    assert "sent a new one" in started.text()
    assert started.value("document.querySelector('input[name=outcome]')") is None
    (task,) = twin.get("records", kind="tasks")["records"]["tasks"]
    assert (task["assignment_status"], task["reason"]) == ("completed", "sent a new one")


def test_the_desk_shows_how_what_was_written_fared(started: Browser, twin: Twin, desk: Client) -> None:
    started.open(f"{twin.url}/desk")

    assert "undelivered 30005" in started.text()
    assert "delivered" in started.text().replace("undelivered", "")
