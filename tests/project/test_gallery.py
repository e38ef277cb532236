"""A gallery of wrong files: every mistake is told at its place, in words, with what to write instead."""

from pathlib import Path

import pytest

from engage.cli.project import load_checked
from engage.project.kinds import Kind, read_definition
from engage.project.load import read_scenarios
from engage.project.problem import Problem, in_order
from engage.project.yaml.reader import read
from tests.project.gallery import Piece, pieces, write


def _problems(kind: str, text: str) -> list[Problem]:
    if kind == "yaml":
        return in_order(read(text, "x")[1])
    if kind == "scenario":
        return read_scenarios(text, "x")[1]
    return read_definition(Kind(kind), "a", text, "x")[1]


@pytest.mark.parametrize(
    "piece", [*pieces("yaml"), *pieces("forms"), *pieces("scenarios")], ids=lambda piece: piece.title
)
def test_a_wrong_file_is_told_at_its_place_in_words(piece: Piece) -> None:
    problems = _problems(piece.title.split(":")[0], piece.text)

    assert [str(problem).removeprefix("x:") for problem in problems] == piece.told


@pytest.mark.parametrize("piece", pieces("projects"), ids=lambda piece: piece.title)
def test_a_wrong_project_is_told_file_by_file(piece: Piece, tmp_path: Path) -> None:
    project = load_checked(write(tmp_path, piece.files()))

    assert [str(problem) for problem in project.problems] == piece.told


def test_the_gallery_is_large() -> None:
    assert sum(len(pieces(room)) for room in ("yaml", "forms", "scenarios", "projects")) >= 100
