"""The command line against a server on another machine: `ENGAGE_API_URL` and a token are all it has."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import uvicorn

from engage.api.app import create_app
from engage.bootstrap import open_runtime
from engage.cli.client import Client
from engage.cli.serve import api_deps
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import Call, Identifier, Kind, encode
from engage.domain.ids import DeliveryId, ProfileId, uuid7
from engage.domain.turn.changes import Changes, Quarantined
from engage.settings import Settings, load_settings
from tests.cli.conftest import Author, work

pytestmark = pytest.mark.live
TOKEN = "et_for_tests"


@pytest.fixture
def home(shop: Author) -> Settings:
    """The settings of the server's own machine."""
    del shop
    return load_settings()


@pytest.fixture
def far(shop: Author, home: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Author]:
    """An author whose machine knows a server and a token, and no database; at the server somebody works."""
    monkeypatch.setenv("ENGAGE_API_TOKENS", TOKEN)
    shop.json("publish")
    shop.identify("ada", email="ada@home.example")
    shop.track("ada", "Signed Up")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        listening.listen()
        with open_runtime(load_settings(), connections=4) as runtime:
            server = uvicorn.Server(uvicorn.Config(create_app(api_deps(runtime)), log_config=None))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            while not server.started:
                time.sleep(0.01)
            resting = threading.Event()

            def worker() -> None:
                while not resting.wait(0.02):
                    work(runtime)

            hands = threading.Thread(target=worker)
            hands.start()
            with monkeypatch.context() as away:
                away.delenv("ENGAGE_DATABASE_URL")
                away.setenv("ENGAGE_API_URL", f"http://127.0.0.1:{port}")
                away.setenv("ENGAGE_API_TOKEN", TOKEN)
                yield shop
            resting.set()
            hands.join()
            server.should_exit = True
            thread.join()


def test_a_person_is_shown_from_far_as_from_near(
    far: Author,
) -> None:
    page = far.json("profile", "show", "ada")

    assert "user_id:ada" in page["ids"]
    assert page["traits"]["email"] == "ada@home.example"
    assert page["trait_times"]["email"]["changed_at"] in page["trait_times"]["email"]["written_at"]
    assert [run["journey"] for run in page["runs"]] == ["welcome"]
    shown = far.run("profile", "show", "email:ada@home.example")
    assert "email = 'ada@home.example'  since 20" in shown
    assert "Signed Up" in shown
    assert "nobody is known as `eve`" in far.run("profile", "show", "eve", code=1)


def test_why_is_answered_from_far_with_the_same_tree(far: Author) -> None:
    there = far.json("why", "ada")

    assert there["profile"]
    assert [told["journey"] for told in there["decisions"] if told["kind"] == "journey"] == ["welcome"]
    assert "welcome" in far.run("why", "ada", "welcome")


def test_a_journey_is_paused_and_sending_stopped_from_far(far: Author) -> None:
    far.run("pause", "welcome")
    assert far.json("stop-sending", "--channel", "email") == {"changed": True, "stopped": ["email"]}
    _until(far, lambda found: found["paused"] == ["welcome"] and found["stopped"] == ["email"])
    assert "paused: welcome" in far.run("status")

    assert far.json("resume", "welcome")["action"] == "resume"
    assert "it cannot resume" in far.run("resume", "welcome", code=1)
    assert "no journey `other` is live" in far.run("pause", "other", code=1)


def test_a_message_is_sent_and_a_person_forgotten_from_far(far: Author) -> None:
    told = far.json("send", "welcome", "--to", "ada", "--channel", "email", "--topic", "account")
    assert told["delivery_id"]
    assert far.json("send", "welcome", "--to", "ada", "--topic", "account")["channel"] == "email"

    done = far.json("profile", "forget", "ada")
    assert done["erased"]
    assert done["rows"] > 0
    assert done["proofs"]
    assert "nobody is known" in far.run("profile", "show", "ada", code=1)


def test_quarantined_facts_are_seen_and_taken_again_from_far(far: Author, home: Settings) -> None:
    kept = [
        Quarantined(
            source="test",
            reason="poison",
            detail="failed 5 times",
            payload=encode(called(number)),
            received_at=datetime(2026, 3, 1, tzinfo=UTC),
            lane=7,
        )
        for number in range(60)
    ]
    with open_runtime(home, connections=2) as runtime, runtime.store.transaction() as tx:
        tx.inbox.quarantine(kept)

    listed = far.json("quarantine", "list", "--limit", "60")
    assert len({one["id"] for one in listed}) == 60
    assert "poison: failed 5 times" in far.run("quarantine", "list")
    assert "not in quarantine: 9999" in far.run("quarantine", "replay", "9999", code=2)
    assert far.json("quarantine", "replay", str(listed[0]["id"])) == {"taken": 1, "known": 0, "still": 0}
    assert far.json("quarantine", "replay", "--reason", "other") == {"taken": 0, "known": 0, "still": 0}
    assert far.json("quarantine", "replay") == {"taken": 59, "known": 0, "still": 0}
    assert far.json("quarantine", "list") == []


def test_what_became_of_a_delivery_is_said_from_far(far: Author, home: Settings) -> None:
    lost = of_unknown_outcome()
    with open_runtime(home, connections=2) as runtime, runtime.store.transaction() as tx:
        tx.write(Changes(deliveries={lost.id: lost}))

    assert [one["delivery_id"] for one in far.json("unknown", "list")] == [lost.id]
    assert "1 of unknown outcome" in far.run("unknown", "list")
    assert "counts as sent" in far.run("unknown", "resolve", lost.id, "--as", "taken")
    assert "there is no delivery" in far.run("unknown", "resolve", str(uuid4()), "--as", "taken", code=1)


def test_what_needs_the_database_says_so_and_starts_none(far: Author) -> None:
    told = far.run("audience", "export", "vip", code=2)

    assert "works where the database is" in told
    assert not (far.folder / ".engage").exists()


def test_without_a_token_nothing_is_asked(far: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGAGE_API_TOKEN")

    assert "ENGAGE_API_TOKEN" in far.run("status", code=2)


def test_a_server_that_does_not_answer_is_told_in_one_line(
    author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGAGE_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ENGAGE_API_TOKEN", TOKEN)

    assert "127.0.0.1:9 does not answer" in author.run("status", code=1)
    monkeypatch.setenv("ENGAGE_API_URL", "engage.shop.example")
    assert "is no address" in author.run("status", code=2)


def test_a_server_may_live_below_a_path_and_behind_tls() -> None:
    client = Client("https://engage.shop.example/below/", token=TOKEN)

    assert (client._host, client._port, client._below) == ("engage.shop.example", 443, "/below")


def called(number: int) -> Call:
    """Return a call that digest can take."""
    return Call(
        kind=Kind.TRACK,
        message_id=f"again-{number}",
        event="Came Late",
        timestamp=datetime(2026, 3, 1, tzinfo=UTC),
        identifiers=(Identifier("user_id", "ada"),),
        source="test",
    )


def of_unknown_outcome() -> Delivery:
    """Return a delivery about which the provider is to be asked in an hour."""
    now = datetime.now(UTC)
    lost = Delivery(
        id=DeliveryId(uuid7(now, "delivery", "lost")),
        profile=ProfileId(uuid7(now, "profile", "lost")),
        lane=3,
        channel=Channel.EMAIL,
        topic="account",
        asked_at=now,
        due_at=now + timedelta(hours=1),
        unknown_since=now,
    )
    lost.stand(Mark.UNKNOWN, now + timedelta(hours=1))
    return lost


def _until(far: Author, wanted: Any) -> None:
    """Look at the status until it is as wanted: the server reads what is live once a second."""
    until = time.monotonic() + 20
    while not wanted(found := far.json("status")):
        assert time.monotonic() < until, json.dumps(found)
        time.sleep(0.1)
