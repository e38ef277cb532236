"""Collect: paths as somebody names them become scenarios, each with the project it stands in."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engage.project.load import Project, load_project
from engage.project.problem import Problem
from engage.project.scenario import Scenario, ScenarioReader
from engage.project.yaml.nodes import Document, Mapping
from engage.project.yaml.reader import read
from engage.testing.errors import UnusablePathError

TESTS = Path("journeys", "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One document of a file: a scenario, or everything that is wrong with it."""

    file: str
    """As the report names it."""
    name: str
    line: int
    scenario: Scenario | None
    root: Path | None
    """The project it stands in."""
    problems: tuple[Problem, ...] = ()


class Projects:
    """Project folders, each read once."""

    def __init__(self) -> None:
        self._read: dict[Path, Project] = {}

    def at(self, root: Path | None) -> Project | None:
        """Return the project of a folder; none for no folder."""
        if root is None:
            return None
        if root not in self._read:
            self._read[root] = load_project(root, scenarios=False, warnings=False)
        return self._read[root]


def files_of(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Return the files of scenarios that paths name, each once: a project, a folder of tests, or a file.

    Raises:
        UnusablePathError: there is no such path, or no scenario in it.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise UnusablePathError(f"{path}: no such file or folder")
        files = list(_files(path)) if path.is_dir() else [path]
        if not files:
            raise UnusablePathError(f"{path}: no scenarios here; they stand in `{TESTS}/*.yaml`")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _files(folder: Path) -> Iterator[Path]:
    inner = folder / TESTS if (folder / TESTS).is_dir() else folder
    if folder.name == "journeys" and (folder / "tests").is_dir():
        inner = folder / "tests"
    yield from sorted(path for path in inner.rglob("*.yaml") if path.is_file())


def project_root(file: Path) -> Path | None:
    """Return the nearest folder above a file that holds `journeys/`."""
    for folder in file.resolve().parents:
        if (folder / "journeys").is_dir():
            return folder
    return None


def scenarios_in(files: Iterable[Path]) -> Iterator[Found]:
    """Yield every document of these files in order; a file that cannot be read is one that is wrong."""
    for file in files:
        root = project_root(file)
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as exc:
            problem = Problem(path=str(file), line=1, column=1, message=f"the file cannot be read: {exc}")
            yield _broken(file, root, problem)
            continue
        yield from _documents(file, root, text)


def _documents(file: Path, root: Path | None, text: str) -> Iterator[Found]:
    documents, problems = read(text, str(file))
    for document in documents:
        reader = ScenarioReader(document)
        scenario = reader.read()
        name, line = _name(document)
        yield Found(
            file=str(file),
            name=name or file.stem,
            line=line,
            scenario=scenario,
            root=root,
            problems=tuple(reader.problems),
        )
    for problem in problems:
        yield _broken(file, root, problem)
    if not documents and not problems:
        empty = Problem(
            path=str(file), line=1, column=1, message="the file is empty", hint="it should hold a scenario"
        )
        yield _broken(file, root, empty)


def _broken(file: Path, root: Path | None, problem: Problem) -> Found:
    return Found(
        file=str(file), name=file.stem, line=problem.line, scenario=None, root=root, problems=(problem,)
    )


def _name(document: Document) -> tuple[str, int]:
    node = document.root
    name = node.data.get("scenario") if isinstance(node, Mapping) else None
    return (str(name) if name is not None else ""), node.position.line
