"""What surrounds a command is wrong: an address, a queue, a word. It is told in one line, at once, and never as a traceback."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engage.cli.main import engage
from engage.settings import SettingsError, load_settings
from tests.cli.conftest import migrated_url

__all__ = ["migrated_url"]
NOBODY = "postgresql://shop:5ec2e7@127.0.0.1:9/shop"


def run(*arguments: str) -> Result:
    """Run a command without making its errors ours."""
    return CliRunner().invoke(engage, arguments, prog_name="engage")


@pytest.mark.parametrize(
    "command",
    ["migrate", "migrate --check", "worker", "status --json", "why ada", "token list", "audience preview a"],
)
def test_a_database_that_is_away_is_one_line(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGAGE_DATABASE_URL", NOBODY)

    result = run(*command.split())

    assert result.exit_code == 1
    assert result.output.startswith("Error: the database cannot be reached: ")
    assert "refused" in result.output
    assert result.output.count("\n") == 1
    assert "5ec2e7" not in result.output


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("valkey://h:6379/0", "redis://h:6379/0"),
        ("valkeys://u:p@h/1", "rediss://u:p@h/1"),
        ("valkey+socket:///run/v.sock", "redis+socket:///run/v.sock"),
        ("amqp://u:p@h//", "amqp://u:p@h//"),
        ("memory://", "memory://"),
    ],
)
def test_a_broker_is_named_by_what_it_is(given: str, kept: str) -> None:
    assert load_settings({"ENGAGE_BROKER_URL": given}, None).broker_url == kept


@pytest.mark.parametrize("given", ["http://h", "localhost:6379", "valkey", "5ec2e7@h"])
def test_what_is_no_broker_is_refused_without_being_repeated(given: str) -> None:
    with pytest.raises(SettingsError, match="ENGAGE_BROKER_URL is no address") as refused:
        load_settings({"ENGAGE_BROKER_URL": given}, None)

    assert "5ec2e7" not in str(refused.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:99999", "127.0.0.1:-1", "nonsense"])
def test_a_port_that_cannot_be_is_refused(listen: str) -> None:
    with pytest.raises(SettingsError, match="ENGAGE_LISTEN"):
        _ = load_settings({"ENGAGE_LISTEN": listen}, None).host_port


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("wk:5ec2e7", "is no key"),
        (":server", "is no key"),
        ("wk:server,wk:browser", "a server's and a browser's"),
    ],
)
def test_a_write_key_of_no_kind_is_named_by_doctor_and_keeps_the_api_down(
    given: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGAGE_DATABASE_URL", NOBODY)
    monkeypatch.setenv("ENGAGE_WRITE_KEYS", given)

    with pytest.raises(SettingsError, match=told) as refused:
        _ = load_settings({"ENGAGE_WRITE_KEYS": given}, None).is_browser_key
    output = run("doctor").output

    assert told in output
    assert "5ec2e7" not in f"{refused.value}{output}"


def test_a_write_key_is_a_servers_unless_it_says_so() -> None:
    settings = load_settings({"ENGAGE_WRITE_KEYS": "a,b:server,c:browser,b:server"}, None)

    assert settings.is_browser_key == {"a": False, "b": False, "c": True}


def test_a_project_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGAGE_PROJECT", str(tmp_path / "gone"))

    assert f"looked in {tmp_path}/gone" in run("check").output


def test_a_worker_of_a_queue_that_nobody_fills_does_not_start_and_asks_no_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENGAGE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    monkeypatch.setenv("ENGAGE_BROKER_URL", "memory://")

    result = run("worker", "--queues", "engine,emial")

    assert result.exit_code == 2
    assert "there is no queue `emial`; there are: engine, email, " in result.output


@pytest.mark.parametrize(
    "kind", [("template", "meta"), ("template meta",), ("template-meta",), ("meta", "--json")]
)
def test_a_kind_of_file_may_be_said_in_two_words(kind: tuple[str, ...]) -> None:
    assert "subject" in json.loads(run("schema", *kind).output)["properties"]


def test_a_kind_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    result = run("schema", "jorney")

    assert result.exit_code == 2
    assert "there are: journey, audience, trait, scenario, settings" in result.output


@pytest.mark.parametrize("command", ["schema", "chaos", "profile export"])
def test_a_script_may_ask_everywhere_for_json(command: str) -> None:
    assert "--json" in run(*command.split(), "--help").output


@pytest.mark.parametrize(
    "words",
    [
        "bench P --profiles 0",
        "bench A --messages -1",
        "bench L --seconds 0",
        "chaos --deliveries 0",
        "chaos --kills -1",
        "chaos --minutes 0",
        "demo --people 0",
        "simulate welcome --limit -1",
        "simulate welcome --people 0",
        "up --workers 0",
        "worker --threads 0",
    ],
)
def test_a_number_that_means_nothing_is_usage(words: str) -> None:
    result = run(*words.split())

    assert result.exit_code == 2
    assert "is not in the range" in result.output


@pytest.mark.parametrize("command", ["graph welcome --no-numbers -o", "simulate welcome --events"])
def test_a_file_that_cannot_be_is_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", str(tmp_path / "shop"))
    monkeypatch.setenv("ENGAGE_PROJECT", str(tmp_path / "shop"))

    result = run(*command.split(), str(tmp_path / "gone" / "x.svg"))

    assert result.exit_code in (1, 2)
    assert "gone/x.svg" in result.output.splitlines()[-1]
    assert isinstance(result.exception, SystemExit)


def test_a_simulation_ends_after_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", str(tmp_path / "shop"))
    monkeypatch.setenv("ENGAGE_PROJECT", str(tmp_path / "shop"))
    events = tmp_path / "events.jsonl"
    events.write_text("")

    result = run(
        "simulate",
        "welcome",
        "--events",
        str(events),
        "--from",
        "2026-03-01T00:00:00Z",
        "--until",
        "2026-01-01T00:00:00Z",
    )

    assert result.exit_code == 2
    assert "`--until` is not after `--from`" in result.output
