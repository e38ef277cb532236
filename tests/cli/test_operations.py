"""Operations: stopping, starting, looking, and taking again what was put aside."""

from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest
from msgspec import structs

from engage.bootstrap import open_runtime
from engage.domain.catalog import Catalog
from engage.domain.fact import Call, decode
from engage.domain.turn.changes import Quarantined
from engage.engine.accept.accept import Acceptor
from engage.engine.canonical.call import Origin
from engage.engine.overview import stuck_runs
from engage.settings import generated_secrets, load_settings
from tests.cli.conftest import Author
from tests.serving import Quiet, answering

pytestmark = pytest.mark.live


def test_a_paused_journey_takes_nobody_in_and_goes_on_when_resumed(shop: Author) -> None:
    shop.json("publish")
    shop.run("pause", "welcome")
    shop.track("ada", "Signed Up")

    assert shop.json("status")["paused"] == ["welcome"]
    assert [told["reason"] for told in shop.json("why", "ada")["decisions"]] == ["paused"]

    shop.run("resume", "welcome")
    shop.track("bob", "Signed Up")

    with shop.runtime() as runtime:
        assert runtime.reading.journey("welcome").active == {1: 1}


def test_archiving_asks_and_ends_every_run(shop: Author) -> None:
    shop.json("publish")
    shop.track("ada", "Signed Up")

    shop.run("archive", "welcome", answer="n\n", code=1)
    shop.run("archive", "welcome", "--yes")

    with shop.runtime() as runtime:
        numbers = runtime.reading.journey("welcome")
        assert (numbers.active, numbers.ended) == ({}, {"archived": 1})


def test_what_cannot_be_done_to_a_journey_is_said(shop: Author) -> None:
    shop.json("publish")

    assert "`welcome` is active; it cannot resume" in shop.run("resume", "welcome", code=1)
    assert "no journey `other` is live" in shop.run("pause", "other", code=1)


def test_nothing_leaves_while_sending_is_stopped(shop: Author) -> None:
    shop.json("publish")
    shop.identify("ada", email="ada@home.example")

    assert shop.json("stop-sending", "--channel", "email") == {"changed": True, "stopped": ["email"]}
    assert shop.json("stop-sending", "--channel", "email")["changed"] is False
    shop.track("ada", "Signed Up")
    assert shop.json("profile", "show", "ada")["deliveries"][0]["reason"] == "sending_stopped"
    assert shop.json("stop-sending")["stopped"] == ["*", "email"]
    assert "still stopped: email" in shop.run("resume-sending")
    assert shop.json("resume-sending", "--channel", "email")["stopped"] == []


def test_a_sensitive_trait_is_shown_to_nobody(shop: Author) -> None:
    settings = shop.folder / "journeys/settings.yaml"
    settings.write_text(f"{settings.read_text()}\nsensitive: [profile.password]\n")
    shop.json("publish")
    shop.identify("ada", password="opensesame", plan="pro")

    assert shop.json("profile", "show", "ada")["traits"] == {"password": "•••", "plan": "pro"}
    assert "opensesame" not in shop.run("profile", "show", "ada")


def test_every_operation_is_on_the_audit_trail(shop: Author) -> None:
    shop.json("publish")
    for command in (
        ["pause", "welcome"],
        ["resume", "welcome"],
        ["stop-sending"],
        ["resume-sending"],
        ["archive", "welcome", "--yes"],
    ):
        shop.run(*command)

    with shop.runtime() as runtime:
        trail = [(entry.action, entry.subject) for entry in runtime.operate.trail()]
    assert trail == [
        ("archive", "welcome"),
        ("resume_sending", "*"),
        ("stop_sending", "*"),
        ("resume", "welcome"),
        ("pause", "welcome"),
        ("publish", "project"),
    ]


def test_the_status_tells_queues_and_who_is_stuck(shop: Author) -> None:
    shop.json("publish")
    shop.track("ada", "Signed Up")

    found = shop.json("status")

    assert found["active_runs"] == 1
    assert found["inbox"] == 0
    assert found["stuck"] == []
    assert "active runs" in shop.run("status")


def test_a_run_without_a_timer_at_a_step_that_needs_one_is_stuck() -> None:
    untimed: dict[tuple[str, int, str | None], int] = {("gone", 1, "0"): 3}

    assert list(stuck_runs(untimed, Catalog())) == []


def test_what_was_put_aside_can_be_taken_again(shop: Author) -> None:
    shop.json("publish")
    with shop.runtime() as runtime:
        acceptor = Acceptor(lambda: runtime.catalog().settings)
        origin = Origin(source="shop", received_at=datetime.now(UTC), rules=acceptor.rules())
        good = acceptor.call(
            b'{"type": "track", "event": "Order Completed"}',
            {"type": "track", "event": "Order Completed"},
            origin,
        )
        (refused,) = good.quarantined
        mended = refused.payload.replace(b'"event"', b'"userId": "ada", "event"')
        with runtime.store.transaction() as tx:
            tx.inbox.quarantine(
                [
                    refused,
                    Quarantined(
                        source="shop",
                        reason=refused.reason,
                        detail="mended by hand",
                        payload=mended,
                        received_at=refused.received_at,
                    ),
                ]
            )

    listed = shop.json("quarantine", "list")
    assert len(shop.json("quarantine", "list", "--limit", "1")) == 1
    assert "0 is not in the range" in shop.run("quarantine", "list", "--limit", "0", code=2)
    assert listed[0]["detail"] == "mended by hand"

    assert shop.json("quarantine", "replay", code=1) == {"taken": 1, "known": 0, "still": 1}
    shop.happen()
    assert len(shop.json("quarantine", "list")) == 1
    assert "not in quarantine: 99" in shop.run("quarantine", "replay", "99", code=2)
    assert shop.json("status")["inbox"] == 1
    assert shop.json("status")["quarantine_reasons"] == {"no_identifier": 1}
    assert "in quarantine: no_identifier 1; see engage quarantine list" in shop.run("status")


def test_more_than_a_page_is_taken_again_in_the_order_in_which_it_came(shop: Author) -> None:
    shop.json("publish")
    with shop.runtime() as runtime:
        acceptor = Acceptor(lambda: runtime.catalog().settings)
        origin = Origin(source="shop", received_at=datetime.now(UTC), rules=acceptor.rules())
        (refused,) = acceptor.call(b'{"type": "identify"}', {"type": "identify"}, origin).quarantined
        calls = [f'"userId": "ada", "traits": {{"n": {n}}}, "type"'.encode() for n in range(120)]
        kept = [
            structs.replace(refused, payload=refused.payload.replace(b'"type"', call), identity=None)
            for call in calls
        ]
        with runtime.store.transaction() as tx:
            tx.inbox.quarantine(kept)

    assert shop.json("quarantine", "replay")["taken"] == 120
    with shop.runtime() as runtime, runtime.store.transaction() as tx:
        rows = [decode(row.payload) for lane in tx.inbox.lanes() for row in tx.inbox.read(lane, 1_000)]
    assert [row.traits["n"] for row in rows if isinstance(row, Call)] == list(range(120))
    assert shop.json("quarantine", "list") == []


def test_nothing_of_unknown_outcome_is_told_as_such(shop: Author) -> None:
    assert shop.json("unknown", "list") == []
    assert "0 of unknown outcome" in shop.run("unknown", "list")


@pytest.fixture
def api() -> Iterator[str]:
    """Somebody who answers as our API does."""

    class Answers(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "ok"}' if self.path == "/healthz" else b"{}")

    with answering(Answers) as url:
        yield url


def healths(found: dict[str, list[dict[str, str]]]) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for one in found["findings"]:
        told.setdefault(one["what"], set()).add(one["health"])
    return told


def test_the_doctor_says_what_is_not_set_and_never_a_secret(
    shop: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENGAGE_BROKER_URL")
    monkeypatch.setenv("ENGAGE_SECRET_KEY", "do-not-show-me-do-not-show-me")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "SK123")

    found = shop.json("doctor", code=1)
    text = shop.run("doctor", code=1)

    assert healths(found)["database"] == {"ok"}
    assert healths(found)["clock"] == {"ok"}
    assert "TWILIO_ACCOUNT_SID does not begin with AC" in text
    assert "ENGAGE_WRITE_KEYS is not set" in text
    assert found["settings"]["ENGAGE_SECRET_KEY"] is True
    assert "do-not-show-me" not in text + str(found)


def test_the_doctor_finds_everything_well(shop: Author, monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    monkeypatch.delenv("ENGAGE_BROKER_URL")
    for name, value in {
        "ENGAGE_PUBLIC_URL": api,
        "ENGAGE_SECRET_KEY": "x" * 32,
        "ENGAGE_WRITE_KEYS": "k:server",
        "ENGAGE_API_TOKENS": "t",
        "TWILIO_ACCOUNT_SID": "AC1",
        "TWILIO_AUTH_TOKEN": "t",
        "TWILIO_FROM": "+15005550006",
        "TWILIO_API_BASE_URL": api,
        "SENDGRID_API_KEY": "SG.x",
        "SENDGRID_FROM": "a@b.example",
        "SENDGRID_WEBHOOK_PUBLIC_KEY": "key",
    }.items():
        monkeypatch.setenv(name, value)
    shop.json("publish")

    found = healths(shop.json("doctor"))

    assert found["callbacks"] == {"ok"}
    assert found["definitions"] == {"ok"}
    assert "wrong" not in set().union(*found.values())


def test_the_doctor_warns_of_keys_that_can_be_guessed(shop: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGAGE_BROKER_URL")
    long = "x" * 32
    good = {
        "ENGAGE_SECRET_KEY": long,
        "ENGAGE_API_TOKENS": f"et_{long}",
        "ENGAGE_WRITE_KEYS": f"{long}:server,a:browser",
    }
    bad = {
        "ENGAGE_SECRET_KEY": f"{long},a",
        "ENGAGE_API_TOKENS": f"{long},admin",
        "ENGAGE_WRITE_KEYS": "a:browser,shop:server",
    }
    for name, value in good.items():
        monkeypatch.setenv(name, value)
    assert "is short" not in shop.run("doctor")

    for name, value in bad.items():
        monkeypatch.setenv(name, value)
        assert f"a key in {name} is short" in shop.run("doctor")


def test_the_doctor_knows_that_a_local_installation_has_secrets_of_its_own(
    shop: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENGAGE_BROKER_URL")
    monkeypatch.delenv("ENGAGE_SECRET_KEY")
    generated_secrets(load_settings().data_dir)

    told = shop.run("doctor")

    assert "ENGAGE_SECRET_KEY is not set; `engage up` uses one of its own" in told


def test_the_doctor_finds_what_cannot_be_reached(shop: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGAGE_BROKER_URL")
    monkeypatch.setenv("ENGAGE_PUBLIC_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TWILIO_API_BASE_URL", "http://127.0.0.1:9")

    assert "http://127.0.0.1:9 does not answer" in shop.run("doctor", code=1)


def test_the_doctor_misses_secrets_that_definitions_ask_for(
    shop: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENGAGE_BROKER_URL")
    shop.write("templates/first-order/voice.yaml", "say: [{dial: \"{{ secret('FRONT_DESK') }}\"}]\n")
    shop.json("publish")

    assert "ENGAGE_USERSECRET_FRONT_DESK" in shop.run("doctor", code=1)


def test_the_doctor_says_how_far_the_providers_lists_are_in_step(
    shop: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENGAGE_BROKER_URL")
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.x")
    monkeypatch.setenv("SENDGRID_API_BASE_URL", "http://127.0.0.1:9")
    assert "sendgrid's lists were never read" in shop.run("doctor", code=1)

    with open_runtime(load_settings()) as runtime:
        (lists,) = runtime.lists
        assert lists.turn() is False

    assert "sendgrid's lists cannot be read or written: NotSentError" in shop.run("doctor", code=1)


def test_a_database_of_another_schema_is_refused_in_one_line(
    shop: Author, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    monkeypatch.setenv("ENGAGE_DATABASE_URL", postgres_url)

    assert "run `engage migrate` first" in shop.run("status", code=1)


def test_the_status_tells_of_people_whom_a_mistake_set_aside(
    shop: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.json("publish")
    shop.track("ada", "Signed Up")
    shop.run("pause", "welcome")

    def failing(*_: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    with monkeypatch.context() as broken:
        broken.setattr("engage.engine.publish.backfill.resume", failing)
        shop.run("resume", "welcome")

    (told,) = shop.json("status")["set_aside"]

    assert told["people"] == 1
    assert f"set aside: 1 of {told['job']}, by a mistake of ours" in shop.run("status")
