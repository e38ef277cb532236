"""Segment's clients for servers, unmodified, through a wire that goes wrong: every message once."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engage.domain.fact import Call, Identifier, Kind
from tests.compat.faults import Fault, FaultyWire
from tests.compat.installation import SERVER, Installation
from tests.compat.installing import CLIENTS, node_clients, python_client

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

SAID_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COUNT = 60
TROUBLE = (
    *(Fault.NONE, Fault.TOO_MANY, Fault.UNANSWERED, Fault.NONE, Fault.ERROR, Fault.NONE, Fault.DROPPED),
    *(Fault.NONE, Fault.AWAY, Fault.CUT, Fault.NONE, Fault.KILLED, Fault.NONE),
)


def run(*command: object, **environment: str) -> list[str]:
    """Run a client to its end and return what it complained about."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    errors: list[str] = json.loads(done.stdout.splitlines()[-1])["errors"]
    return errors


def number(call: Call) -> Any:
    """The number a client gave its call."""
    for place in (call.properties, call.traits, call.context):
        if "n" in place:
            return place["n"]
    return None


def python(name: str, wire: FaultyWire) -> list[str]:
    module = "rudderstack" if name == "rudderstack" else "segment"
    return run(
        *(sys.executable, CLIENTS / "python.py", module, wire.url, SERVER, COUNT),
        PYTHONPATH=str(python_client(name)),
    )


def node(_name: str, wire: FaultyWire) -> list[str]:
    return run("node", CLIENTS / "node.mjs", node_clients(), wire.url, SERVER, COUNT)


@pytest.mark.parametrize(
    ("name", "client"),
    [("segment-2.3.4", python), ("segment-2.4.0", python), ("rudderstack", python), ("node", node)],
)
def test_every_message_arrives_once_whatever_happens_on_the_way(
    api: Installation, name: str, client: Any
) -> None:
    with api.wire(*TROUBLE).open() as wire:
        errors = client(name, wire)

    assert errors == []
    assert set(wire.met) == set(Fault), "the client sent too few requests to meet every fault"
    stored = api.stored()
    assert sorted(number(call) for call in stored) == list(range(COUNT))
    assert Counter(call.kind for call in stored) == dict.fromkeys(Kind, COUNT // 6)
    assert api.quarantined() == []


@pytest.mark.parametrize(
    ("name", "client"),
    [("segment-2.3.4", python), ("segment-2.4.0", python), ("rudderstack", python), ("node", node)],
)
def test_what_arrives_is_what_was_said(api: Installation, name: str, client: Any) -> None:
    with api.wire().open() as wire:
        assert client(name, wire) == []

    by_number = {number(call): call for call in api.stored()}
    identify, track, page, screen, group, alias = (by_number[n] for n in range(6))
    assert Identifier("user_id", "user-0") in identify.identifiers
    assert Identifier("email", "user-0@shop.example") in identify.identifiers
    assert track.event == "Order Completed"
    assert float(track.properties["total"]) == 19.99
    # Corrected by how long the call was on its way (ingest.md): seconds on a busy machine, never less than nothing.
    assert timedelta() <= track.timestamp - SAID_AT < timedelta(seconds=20)
    assert page.properties | {"category": "Docs", "name": "Start"} == page.properties
    assert screen.properties | {"category": "App", "name": "Start"} == screen.properties
    assert group.group_id == "group-1"
    assert (alias.previous, Identifier("user_id", "alias-5") in alias.identifiers) == (
        Identifier("anonymous_id", "anonymous-5"),
        True,
    )


def test_every_client_is_locked_with_hashes_and_names_no_registry() -> None:
    locks = sorted(CLIENTS.glob("*.txt"))
    assert [lock.stem for lock in locks] == ["rudderstack", "segment-2.3.4", "segment-2.4.0"]
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text
    packages = json.loads(Path(CLIENTS / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
