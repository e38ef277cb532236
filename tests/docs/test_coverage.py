"""Every promise of the language is held by something that exists."""

import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

from engage.testing.collect import files_of, scenarios_in
from tests.coverage import TESTS, Held, Sentence, page, sentences
from tests.coverage.mutant import Mutant
from tests.coverage.mutants import MUTANTS
from tests.coverage.prove import proofs, row_of
from tests.project.gallery import pieces

REPOSITORY = TESTS.parent
FOUND = list(sentences())
PORTION = 10
"""Mutants a test tries in a tree of its own: at two minutes each, and in every process a few."""


@lru_cache(maxsize=1)
def scenarios() -> frozenset[str]:
    return frozenset(
        found.name
        for found in scenarios_in(files_of([TESTS / "scenarios", REPOSITORY / "journeys" / "tests"]))
    )


@lru_cache(maxsize=1)
def gallery() -> frozenset[str]:
    return frozenset(
        piece.title for room in ("yaml", "forms", "scenarios", "projects") for piece in pieces(room)
    )


def is_there(held: Held) -> bool:
    if held.kind == "scenario":
        return held.name in scenarios()
    if held.kind == "gallery":
        return held.name in gallery()
    path, _, name = held.name.partition("::")
    place = TESTS / path
    if held.kind != "test" or not place.exists():
        return False
    return not name or re.search(rf"def {re.escape(name)}\(", place.read_text(encoding="utf-8")) is not None


@pytest.mark.parametrize("sentence", FOUND, ids=lambda sentence: sentence.id)
def test_a_promise_is_held_by_something_that_is_there(sentence: Sentence) -> None:
    missing = [f"{held.kind} {held.name}" for held in sentence.held if not is_there(held)]

    assert sentence.held, sentence.says
    assert missing == [], sentence.says


def test_no_promise_is_told_twice() -> None:
    told = [(sentence.page, sentence.section, sentence.says) for sentence in FOUND]

    assert len(told) == len(set(told))


def test_the_page_is_what_the_list_says() -> None:
    assert (REPOSITORY / "docs/reference/coverage.md").read_text(encoding="utf-8") == page(), (
        "run scripts/reference"
    )


def test_what_is_not_there_would_be_noticed() -> None:
    assert not is_there(Held("scenario", "nobody wrote this one"))
    assert not is_there(Held("test", "project/test_gallery.py::test_nobody_wrote_this_one"))
    assert not is_there(Held("gallery", "yaml: nobody wrote this one"))
    assert Path(TESTS / "project").is_dir()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.row)
def test_a_mutant_fits_its_promise_and_its_place(mutant: Mutant) -> None:
    source = (REPOSITORY / mutant.file).read_text(encoding="utf-8")

    assert row_of(mutant).says.startswith(mutant.row)
    assert source.count(mutant.old) == 1
    compile(source.replace(mutant.old, mutant.new), mutant.file, "exec")


@pytest.mark.slow
@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="the list of files is git's")
@pytest.mark.parametrize("first", range(0, len(MUTANTS), PORTION))
def test_every_mutant_is_noticed(first: int, tmp_path: Path) -> None:
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    for file in filter(None, files):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / file, tmp_path / file)

    tried = proofs(tmp_path, MUTANTS[first : first + PORTION])

    assert [mutant.row for mutant, _, noticed in tried if not noticed] == []
