"""A new release takes over from an old one with everything under way: nobody is lost, and nobody gets anything twice."""

from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from engage.cli.demo.story import story
from engage.domain.links.token import read_token
from engage.embedded.dump import dump, load
from engage.storage.migrations.apply import before_deployment, migrate
from engage.storage.migrations.current import is_current
from engage.testing.evidence import ledger_of_postgres
from engage.testing.invariants import breaches
from tests.storage.conftest import create_database
from tests.upgrade.beside import has_history, old_process, work_together
from tests.upgrade.old import RELEASES, Old, going_on

_numbers = count()
LONGEST_WAIT = timedelta(days=75)
"""After which nothing of the sample shop waits any more."""

MORE_HOURS = 24.0
SAID = ("identify", "track", "subscribe", "start")


@pytest.fixture(params=RELEASES)
def old(request: pytest.FixtureRequest) -> Old:
    return Old(request.param)


@pytest.fixture
def old_url(postgres_url: str, old: Old) -> str:
    """A database as the old release left it."""
    url = create_database(postgres_url, f"{old.name} {next(_numbers)}")
    old.load(url)
    return url


def tables(url: str) -> dict[str, list[str]]:
    """Return every row of every table, as text without the columns that came later."""
    with psycopg.connect(url) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            )
        ]
        return {
            name: sorted(
                str(row)
                for (row,) in connection.execute(
                    sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name))
                )
            )
            for name in names
        }


def revision(url: str) -> str:
    with psycopg.connect(url) as connection:
        (row,) = connection.execute("SELECT version_num FROM alembic_version")
        return str(row[0])


def test_something_of_everything_is_under_way(old_url: str) -> None:
    with psycopg.connect(old_url) as connection:
        statuses = {name for (name,) in connection.execute("SELECT DISTINCT status FROM delivery")}
        (counts,) = connection.execute(
            "SELECT (SELECT count(*) FROM run WHERE ended_at IS NULL), (SELECT count(*) FROM inbox),"
            " (SELECT count(*) FROM timer), (SELECT count(*) FROM job WHERE finished_at IS NULL)"
        )

    assert {"queued", "sending", "accepted", "delivered", "skipped"} <= statuses
    assert all(counts)


@pytest.fixture(params=["in place", "from a backup"])
def new_url(request: pytest.FixtureRequest, postgres_url: str, old_url: str, tmp_path: Path) -> str:
    """The old release's database at today's schema: where it stood, or restored into an empty place."""
    url = old_url
    if request.param == "from a backup":
        dump(old_url, tmp_path / "old.backup")
        url = create_database(postgres_url, f"restored old {next(_numbers)}")
        load(url, tmp_path / "old.backup")
    migrate(url)
    return url


def test_everything_ends_under_the_new_release_and_nobody_gets_it_twice(
    old: Old, new_url: str, tmp_path: Path
) -> None:

    with going_on(old, new_url, tmp_path) as (shop, sandbox):
        for letter in old.story["letters"]:
            shop.hear(letter, old.story["environment"]["ENGAGE_PUBLIC_URL"])
        shop.until(old.now + LONGEST_WAIT)
        ledger = ledger_of_postgres(shop.runtime.store, shop.clock.now(), never_lost={"security"})
        outside = old.outside(sandbox)

    assert breaches(ledger, outside) == []
    assert [run for run in ledger.runs.values() if run.active] == []
    assert len(outside.calls) > len(old.story["calls"]), "nothing was sent any more"


@pytest.mark.slow
def test_old_and_new_processes_work_together_for_weeks(old: Old, old_url: str, tmp_path: Path) -> None:
    if not has_history(old.story["commit"]):
        pytest.skip("the old release's code is not in this copy's history")
    migrate(old_url, before_deployment(old_url))

    with going_on(old, old_url, tmp_path) as (shop, sandbox):
        environment = {
            **old.story["environment"],
            "ENGAGE_DATA_DIR": str(tmp_path / "data"),
            "ENGAGE_DATABASE_URL": old_url,
            "ENGAGE_PUBLIC_URL": shop.url,
            "SENDGRID_WEBHOOK_PUBLIC_KEY": ",".join(shop.runtime.settings.sendgrid_webhook_public_key),
            "TWILIO_API_BASE_URL": shop.runtime.settings.twilio_api_base_url or "",
            "SENDGRID_API_BASE_URL": shop.runtime.settings.twilio_api_base_url or "",
        }
        with old_process(old.story["commit"], tmp_path, environment, old.now) as beside:
            for number, act in enumerate(story(9)):
                if act.at <= MORE_HOURS and act.kind in SAID:
                    work_together(shop, beside, old.now + timedelta(hours=act.at))
                    shop.act(replace(act, person=f"new-{act.person}"), 20_000 + number)
            work_together(shop, beside, old.now + LONGEST_WAIT)
        ledger = ledger_of_postgres(shop.runtime.store, shop.clock.now(), never_lost={"security"})
        outside = old.outside(sandbox)

    assert breaches(ledger, outside) == []
    assert [run for run in ledger.runs.values() if run.active] == []


def test_there_and_back_again_loses_no_row(old_url: str) -> None:
    before, was = tables(old_url), revision(old_url)

    migrate(old_url)
    assert is_current(old_url)
    migrate(old_url, was)

    after = tables(old_url)
    del before["project"]  # the epoch has moved on: what is compiled by it is compiled anew
    assert {name: after[name] for name in before} == before
    assert revision(old_url) == was


def test_links_in_messages_that_are_out_still_open(old: Old) -> None:
    links = old.story["links"]

    read = [read_token(link.split("/")[2], [old.story["environment"]["ENGAGE_SECRET_KEY"]]) for link in links]

    assert len(links) > 5
    assert None not in read


def test_processes_of_the_old_release_work_on_the_new_schema(old: Old, old_url: str) -> None:
    """Every statement that the old code ran is one that the new schema understands, with the same columns and types."""
    migrate(old_url)
    refused = []

    with psycopg.connect(old_url, autocommit=True) as connection:
        for number, statement in enumerate(old.statements):
            try:
                connection.execute(f"PREPARE s{number} AS {statement}".encode())
            except psycopg.Error as exc:
                refused.append((statement, str(exc)))

    assert len(old.statements) > 40
    assert refused == []
