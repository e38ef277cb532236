"""The command line against a server on another machine: `ENGAGE_API_URL` and a token are all it has."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from engage.api.app import create_app
from engage.bootstrap import open_runtime
from engage.cli.client import Client
from engage.cli.serve import api_deps
from engage.settings import load_settings
from tests.cli.conftest import Author, work

pytestmark = pytest.mark.live
TOKEN = "et_for_tests"


@pytest.fixture
def far(shop: Author, monkeypatch: pytest.MonkeyPatch) -> Iterator[Author]:
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

    done = far.json("profile", "forget", "ada")
    assert done["erased"]
    assert done["rows"] > 0
    assert done["proofs"]
    assert "nobody is known" in far.run("profile", "show", "ada", code=1)


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


def _until(far: Author, wanted: Any) -> None:
    """Look at the status until it is as wanted: the server reads what is live once a second."""
    until = time.monotonic() + 20
    while not wanted(found := far.json("status")):
        assert time.monotonic() < until, json.dumps(found)
        time.sleep(0.1)
