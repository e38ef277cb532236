"""Prove: break the engine in one place, and see that something which holds the promise fails.

Run it as `python -m tests.coverage.prove` (`scripts/mutants` does) in a copy of the tree: it changes files and restores
them. `python -m tests.coverage.prove ROW` only runs what holds one promise; it exits 1 as soon as something fails.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engage.testing.collect import Projects, files_of, scenarios_in
from engage.testing.rendering import Renderers
from engage.testing.run import in_memory, play_scenario
from tests.coverage import TESTS, Held, Sentence, sentences
from tests.coverage.mutant import Mutant
from tests.coverage.mutants import MUTANTS
from tests.project.gallery import pieces

ROOT = TESTS.parent
SECONDS = 120
"""An engine that no longer comes to an end is broken too."""


def row_of(mutant: Mutant) -> Sentence:
    """Return the promise a mutant breaks.

    Raises:
        LookupError: there is none that begins so, or several.
    """
    found = [sentence for sentence in sentences() if sentence.says.startswith(mutant.row)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} promises begin with {mutant.row!r}")
    return found[0]


def something_fails(sentence: Sentence) -> bool:
    """Run what holds a promise, scenarios first, until something fails."""
    names = {held.name for held in sentence.held if held.kind == "scenario"}
    projects, renderers = Projects(), Renderers()
    files = files_of([TESTS / "scenarios", ROOT / "journeys" / "tests"])
    for found in scenarios_in(files):
        if found.name in names:
            if found.scenario is None:
                return True
            if play_scenario(found.scenario, projects.at(found.root), in_memory, renderers):
                return True
    return any(_pytest_fails(held) for held in sentence.held if held.kind != "scenario")


def _pytest_fails(held: Held) -> bool:
    code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *_tests_of(held)])
    return (
        code == pytest.ExitCode.TESTS_FAILED
    )  # one that could not be found or was left out has noticed nothing


def _tests_of(held: Held) -> list[str]:
    """Return what to tell pytest: of the gallery the one piece that is named, of a file the one test, if any is."""
    if held.kind == "gallery":
        whole = any(piece.title == held.name for piece in pieces("projects"))
        test = (
            "test_a_wrong_project_is_told_file_by_file"
            if whole
            else "test_a_wrong_file_is_told_at_its_place_in_words"
        )
        return [f"tests/project/test_gallery.py::{test}[{held.name}]"]
    path, _, test = f"tests/{held.name}".partition("::")
    return [path, *(["-k", test] if test else [])]  # by name alone: some stand in classes


def proofs(root: Path, mutants: Sequence[Mutant] = MUTANTS) -> Iterator[tuple[Mutant, Sentence, bool]]:
    """Yield mutants, the promise of each, and whether it was noticed; `root` is a tree that may be changed."""
    for mutant in mutants:
        sentence, file = row_of(mutant), root / mutant.file
        sound = file.read_text(encoding="utf-8")
        file.write_text(sound.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            fails = _fails(root, sentence, SECONDS)
        finally:
            file.write_text(sound, encoding="utf-8")
        # Without an end it is the mutant's doing only if the sound engine comes to one much sooner.
        yield mutant, sentence, _fails(root, sentence, SECONDS // 4) is False if fails is None else fails


def _fails(root: Path, sentence: Sentence, seconds: int) -> bool | None:
    """Return whether something that holds a promise fails; None: not everything came to an end in time."""
    command = [sys.executable, "-m", "tests.coverage.prove", sentence.id]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.returncode != 0


def main(arguments: list[str]) -> int:
    """Try every mutant and write `tests/coverage/proven.txt`; or run what holds one promise."""
    if arguments:
        (sentence,) = (sentence for sentence in sentences() if sentence.id == arguments[0])
        return int(something_fails(sentence))
    proven: set[str] = set()
    missed: list[str] = []
    for mutant, sentence, noticed in proofs(Path.cwd()):
        print("noticed" if noticed else "MISSED ", sentence.id, mutant.file, mutant.row, flush=True)
        proven |= {sentence.says} if noticed else set()
        missed += [] if noticed else [mutant.row]
    lines = [sentence.says for sentence in sentences() if sentence.says in proven]
    Path("tests/coverage/proven.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(f"{len(MUTANTS)} mutants, {len(missed)} missed; {len(lines)} promises proven")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
