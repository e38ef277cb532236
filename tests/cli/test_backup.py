"""A backup restored into an empty place goes on where it was taken."""

import os
import stat
from itertools import count

import psycopg
import pytest

from engage.embedded.dump import dump
from tests.cli.conftest import Author
from tests.storage.conftest import create_database

pytestmark = pytest.mark.live

_numbers = count(1)
_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'audit%' ORDER BY 1
"""


def everything(url: str) -> dict[str, list[str]]:
    """Return every row of every table as text, whatever their order on disk."""
    with psycopg.connect(url) as connection:
        tables = [name for (name,) in connection.execute(_TABLES)]
        return {
            table: sorted(row for (row,) in connection.execute(f'SELECT t::text FROM "{table}" t'.encode()))
            for table in tables
        }


@pytest.fixture
def empty_url(postgres_url: str) -> str:
    """An empty database of another place."""
    return create_database(postgres_url, f"restored {next(_numbers)}")


@pytest.fixture
def backup(shop: Author) -> tuple[Author, str]:
    """A shop with people inside, backed up to `shop.backup`."""
    shop.run("publish", "--yes")
    shop.identify("ada", email="ada@shop.example", first_name="Ada")
    shop.track("ada", "Signed Up")
    shop.run("backup", "shop.backup")
    return shop, os.environ["ENGAGE_DATABASE_URL"]


def test_every_row_of_every_table_is_there_again(
    backup: tuple[Author, str], empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, url = backup
    before = everything(url)
    monkeypatch.setenv("ENGAGE_DATABASE_URL", empty_url)

    shop.run("restore", "shop.backup")

    assert before["run"]
    assert everything(empty_url) == before


def test_what_was_restored_goes_on(
    backup: tuple[Author, str], empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, _ = backup
    monkeypatch.setenv("ENGAGE_DATABASE_URL", empty_url)
    shop.run("restore", "shop.backup")
    before = shop.json("profile", "show", "user_id:ada")

    shop.track("ada", "Looked Around")

    after = shop.json("profile", "show", "user_id:ada")
    assert [run["run"] for run in after["runs"]] == [run["run"] for run in before["runs"]]
    assert len(after["deliveries"]) == len(before["deliveries"])
    assert {"Looked Around", "Signed Up"} <= {event["event"] for event in after["events"]}


def test_sending_can_stay_stopped_until_somebody_has_looked(
    backup: tuple[Author, str], empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, _ = backup
    monkeypatch.setenv("ENGAGE_DATABASE_URL", empty_url)

    said = shop.run("restore", "shop.backup", "--stop-sending")

    assert "engage resume-sending" in said
    assert shop.json("status")["stopped"] == ["*"]


def test_a_database_with_anything_in_it_is_left_alone(backup: tuple[Author, str]) -> None:
    shop, url = backup
    before = everything(url)

    said = shop.run("restore", "shop.backup", code=1)

    assert "not empty" in said
    assert everything(url) == before


def test_a_file_that_is_no_backup_leaves_the_database_empty(
    shop: Author, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGAGE_DATABASE_URL", empty_url)
    shop.write("letter.txt", "Dear Ada")

    said = shop.run("restore", "letter.txt", code=1)

    assert "pg_restore failed" in said
    assert everything(empty_url) == {}


def test_a_backup_is_its_owners_and_never_written_over(backup: tuple[Author, str]) -> None:
    shop, _ = backup

    mode = stat.S_IMODE((shop.folder / "shop.backup").stat().st_mode)
    said = shop.run("backup", "shop.backup", code=1)

    assert mode == 0o600
    assert "--force" in said


def test_a_password_is_on_no_command_line(shop: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write("bin/initdb", "#!/bin/sh\n")
    shop.write("bin/pg_dump", '#!/bin/sh\necho "$@" "$PGPASSWORD" > said\nexit 1\n')
    for name in ("initdb", "pg_dump"):
        (shop.folder / "bin" / name).chmod(0o755)
    monkeypatch.setattr("engage.embedded.dump.postgres_folders", lambda: [shop.folder / "bin"])

    with pytest.raises(Exception, match="pg_dump failed"):
        dump("postgresql://us%40er:se%2Fcret@db.example:5432/engage?sslmode=require", shop.folder / "x")

    arguments, _, password = (shop.folder / "said").read_text().strip().rpartition(" ")
    assert password == "se/cret"
    assert "--dbname=postgresql://us%40er@db.example:5432/engage?sslmode=require" in arguments
    assert "se%2Fcret" not in arguments
    assert not list(shop.folder.glob("x*"))
