"""Files of ours in folders of others: nothing is written through what somebody put there, or where a name leads out."""

import csv
import hashlib
import io
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.embedded.dump import dump
from engage.engine.people.listfile import Format, Writer, cell, read_rows
from engage.files import private_file
from engage.project.export import MANIFEST, OutsideError, export_files, write_export
from tests.cli.conftest import Author, author, migrated_url, shop

__all__ = ["author", "migrated_url", "shop"]
OURS = b"who may read this"


def write(path: Path) -> None:
    with private_file(path) as file:
        file.write(OURS)


@pytest.fixture
def common(tmp_path: Path) -> Path:
    """A folder that others write to."""
    folder = tmp_path / "common"
    folder.mkdir(mode=0o777)
    return folder


def test_a_link_in_its_place_is_replaced_and_not_followed(common: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    (common / "people.csv").symlink_to(theirs)

    write(common / "people.csv")

    assert theirs.read_text() == "theirs"
    assert not (common / "people.csv").is_symlink()
    assert (common / "people.csv").read_bytes() == OURS


def test_a_file_that_somebody_holds_open_gets_nothing(common: Path) -> None:
    place = common / "people.csv"
    place.touch(mode=0o666)
    with place.open("rb") as held:
        write(place)
        assert held.read() == b""

    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_nobody_can_foresee_the_name_of_what_is_not_done_yet(common: Path) -> None:
    names = set()
    for _ in range(2):
        with private_file(common / "people.csv"):
            (unfinished,) = [path for path in common.iterdir() if path.name != "people.csv"]
            assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
            names.add(unfinished.name)

    assert len(names) == 2


def test_what_fails_leaves_what_was_there_and_nothing_else(common: Path) -> None:
    (common / "people.csv").write_text("before")

    with pytest.raises(ZeroDivisionError), private_file(common / "people.csv") as file:
        file.write(bytes([1 // 0]))

    assert [path.read_text() for path in common.iterdir()] == ["before"]


@pytest.mark.parametrize("command", ["audience", "profile", "consent", "suppression"])
def test_every_export_of_people_is_its_owners_alone(shop: Author, command: str) -> None:
    shop.identify("ada", email="ada@home.example", plan="pro")
    shop.write("journeys/audiences/pro.yaml", "audience: pro\nwhere: profile.plan == 'pro'\n")
    shop.json("publish")
    theirs = shop.folder / "theirs"
    theirs.write_text("theirs")
    (shop.folder / "out.csv").symlink_to(theirs)
    whose = ["pro"] if command == "audience" else ["--all"] if command == "profile" else []
    before = os.umask(0)
    try:
        shop.run(command, "export", *whose, "-o", "out.csv")
    finally:
        os.umask(before)

    assert theirs.read_text() == "theirs"
    assert stat.S_IMODE((shop.folder / "out.csv").lstat().st_mode) == 0o600


def test_a_backup_is_written_through_no_link(postgres_url: str, common: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    for name in ("a.backup", "a.backup.part", ".a.backup.unfinished"):
        (common / name).symlink_to(theirs)

    dump(postgres_url, common / "a.backup")

    assert theirs.read_text() == "theirs"
    assert (common / "a.backup").read_bytes().startswith(b"PGDMP")


# --- project folders


NAMES = ("../out", "/tmp/out", "a/../../out", "..", "a\0b", ".", "")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["journey", "audience", "template"])
def test_no_name_of_a_definition_leads_out_of_an_export(tmp_path: Path, kind: str, name: str) -> None:
    files = export_files({(kind, name): '{"sms.txt": "Hi"}' if kind == "template" else "journey: a"})
    folder = tmp_path / "in" / "export"

    outside_of(tmp_path, folder, lambda: write_export(files, folder))


@pytest.mark.parametrize("file", ["../../../out", "../../../../out", "a/../../../../out"])
def test_no_file_of_a_template_leads_out_of_an_export(tmp_path: Path, file: str) -> None:
    files = export_files({("template", "t"): msgspec.json.encode({file: "Hi"}).decode()})
    folder = tmp_path / "in" / "export"

    with pytest.raises(OutsideError):
        write_export(files, folder)
    outside_of(tmp_path, folder, lambda: None)


def test_no_link_leads_an_export_out_of_its_folder(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "export", tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.mkdir()
    (folder / "journeys").symlink_to(elsewhere)

    with pytest.raises(OutsideError, match="link"):
        write_export({"journeys/a.yaml": b"journey: a"}, folder)

    assert list(elsewhere.iterdir()) == []


def test_no_manifest_makes_an_export_take_away_what_lies_elsewhere(tmp_path: Path) -> None:
    folder, precious = tmp_path / "export", tmp_path / "precious"
    precious.write_text("precious")
    folder.mkdir()
    digest = hashlib.sha256(b"precious").hexdigest()
    named = {"../precious": digest, str(precious): digest}
    (folder / MANIFEST).write_bytes(msgspec.json.encode(named))

    write_export({}, folder)

    assert precious.read_text() == "precious"


def outside_of(root: Path, folder: Path, work: Callable[[], object]) -> None:
    """Do it, whatever it says, and hold it to nothing outside the folder."""
    with suppress(OutsideError, ValueError, OSError):
        work()
    outside = [path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(folder)]
    assert outside == []
    assert not Path("/tmp/out").exists()


# --- spreadsheets


FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    "'=1",
)


@pytest.mark.parametrize("text", FORMULAS)
def test_neither_a_cell_nor_a_column_is_a_formula_and_both_come_back(text: str) -> None:
    written = io.BytesIO()
    writer = Writer(written, Format.CSV, ["a", text.strip()])
    writer.header()
    writer.row({"a": text, text.strip(): text})

    header, row = csv.reader(io.StringIO(written.getvalue().decode(), newline=""))
    (back,) = read_rows(io.BytesIO(written.getvalue()), Format.CSV)

    assert all(each.startswith("'") for each in (header[1], *row))
    assert back.values == {"a": text, text.strip(): text}


@given(st.text(min_size=1, max_size=20))
def test_no_cell_begins_as_a_formula_does(text: str) -> None:
    assert not cell(text).startswith(("=", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


def test_a_trait_that_is_called_like_a_formula_is_a_harmless_column(shop: Author) -> None:
    shop.identify("ada", **{"=HYPERLINK(1)": "x"})

    shop.run("profile", "export", "--all", "-o", "out.csv")

    header = (shop.folder / "out.csv").read_text().splitlines()[0]
    assert ",'=HYPERLINK(1)," in header
