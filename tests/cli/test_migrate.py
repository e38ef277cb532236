"""A database goes from version to version, forward and back, and no process works on one it does not know."""

import os
import re
import shlex
from itertools import count
from pathlib import Path

import psycopg
import pytest

from engage.services import schema_steps
from engage.storage.migrations import current
from engage.storage.migrations.current import Standing, oldest_at, standing
from tests.cli.conftest import Author
from tests.live.stack import free_port
from tests.storage.conftest import create_database

pytestmark = pytest.mark.live

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/upgrade.md"
FIRST, NEWEST = schema_steps()[0], schema_steps()[-1]
_numbers = count()


@pytest.fixture
def url(author: Author, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, which the author's commands work on."""
    del author
    url = create_database(postgres_url, f"migrating {next(_numbers)}")
    monkeypatch.setenv("ENGAGE_DATABASE_URL", url)
    monkeypatch.setenv("ENGAGE_BROKER_URL", "redis://nowhere")
    return url


def a_version_with(steps: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this code be one with other steps."""
    monkeypatch.setattr(current, "steps", lambda: steps)


def at(url: str, step: str, oldest: str) -> None:
    """Let another version have brought the database to a step of its own."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [step])
        connection.execute("UPDATE project SET oldest = %s", [oldest])


def test_the_commands_of_the_page_do_what_it_says(author: Author, url: str) -> None:
    author.run("migrate", "--to", FIRST)
    said = [
        author.run(*shlex.split(line)[1:], code=0)
        for line in re.findall(r"^\$ (engage .*)$", PAGE.read_text(), re.MULTILINE)
    ]

    assert said[:-1] == ["the schema is current\n"] * 4
    assert "the schema is at 0003" in said[-1]
    assert standing(url) is Standing.BEHIND


def test_going_back_asks_first(author: Author, url: str) -> None:
    author.run("migrate")

    asked = author.run("migrate", "--to", FIRST, code=1, answer="n\n")

    assert "is deleted" in asked
    assert standing(url) is Standing.CURRENT
    assert author.run("migrate", "--to", FIRST, answer="y\n").endswith(f"at {FIRST} of {NEWEST}\n")


def test_a_step_that_is_not_there_is_answered_with_those_that_are(author: Author, url: str) -> None:
    del url

    assert f"there are {FIRST}, " in author.run("migrate", "--to", "9999", code=2)
    assert "either" in author.run("migrate", "--to", FIRST, "--before", code=2)


def test_an_empty_database_and_an_older_one_are_behind(author: Author, url: str) -> None:
    assert standing(url) is Standing.BEHIND
    author.run("migrate", "--to", FIRST)

    assert standing(url) is Standing.BEHIND
    assert "run `engage migrate` first" in author.run("migrate", "--check", code=1)


def test_before_the_deployment_no_step_of_after_it_is_taken(
    author: Author, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    author.run("migrate", "--to", FIRST)
    halves = {step: number < 2 for number, step in enumerate(schema_steps())}
    monkeypatch.setattr("engage.storage.migrations.apply.steps", lambda: halves)
    a_version_with(halves, monkeypatch)

    author.run("migrate", "--before")

    assert standing(url) is Standing.USABLE


def test_an_old_process_starts_beside_a_newer_version_until_what_it_needs_is_gone(
    author: Author, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGAGE_LISTEN", f"127.0.0.1:{free_port()}")
    author.run("migrate")

    at(url, "9998", current.needed())
    prepared = standing(url)
    at(url, "9999", "9998")
    gone = standing(url)

    assert (prepared, gone) == (Standing.USABLE, Standing.AHEAD)
    assert "start that one" in author.run("api", code=1)
    assert "of a newer version" in author.run("migrate", code=1)
    assert os.environ["ENGAGE_DATABASE_URL"] == url


def test_who_may_still_run_is_who_needs_nothing_that_was_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    a_version_with(
        {"0001": True, "0002": True, "0003": False, "0004": True, "0005": False, "0006": True}, monkeypatch
    )

    oldest = {step: oldest_at(step) for step in current.steps()}

    assert oldest == {
        "0001": "0001",
        "0002": "0001",
        "0003": "0002",
        "0004": "0002",
        "0005": "0004",
        "0006": "0004",
    }
