"""The files of a project folder: found in a fixed order, bounded in number and size, never outside the folder."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engage.project.problem import Level, Problem
from engage.project.yaml.reader import MAX_BYTES

MAX_FILES = 20_000
MAX_DEPTH = 6
_BEGINNING = 65_536
"""Bytes in which a definition says its name, at the latest."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One text file; `path` is relative to the project, with forward slashes."""

    path: str
    text: str

    @property
    def stem(self) -> str:
        """The file's name without its folder and `.yaml`."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".yaml")


class ProjectFolder:
    """Reads files below a root; what cannot be read becomes a problem."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.problems: list[Problem] = []
        self.unread: dict[str, bytes] = {}
        """Files that are there and were not read, by path, each with its beginning."""
        self._count = 0

    def exists(self, relative: str) -> bool:
        """Return whether there is such a file or folder."""
        return (self.root / relative).exists()

    def yaml_files(self, relative: str) -> list[SourceFile]:
        """Return the `.yaml` files directly in a folder, by name; other files there are pointed out."""
        found = []
        for path in self._entries(relative):
            if path.is_dir():
                continue
            if path.suffix in (".yml", ".YAML", ".YML"):
                self._note(path, "this file is not read", "rename it to end in `.yaml`", Level.WARNING)
                self._leave(path)
            elif path.suffix == ".yaml":
                found.extend(self._read(path))
        return found

    def file(self, relative: str) -> SourceFile | None:
        """Return one file, or None if it is not there or cannot be read."""
        path = self.root / relative
        return next(iter(self._read(path)), None) if path.exists() else None

    def folders_below(self, relative: str) -> Iterator[tuple[str, list[SourceFile]]]:
        """Yield every folder below `relative` that holds files: its name (with slashes) and its files."""
        yield from self._below(relative, "", 0)

    def _below(self, relative: str, name: str, depth: int) -> Iterator[tuple[str, list[SourceFile]]]:
        folders, files = [], []
        for path in self._entries(relative):
            if path.is_dir():
                folders.append(path.name)
            elif name:
                files.extend(self._read(path))
            else:
                hint = "a template is a folder: `templates/<name>/sms.txt`"
                self._note(path, "this file is not used", hint, Level.WARNING)
        if files:
            yield name, files
        if depth == MAX_DEPTH and folders:
            self._note(self.root / relative, f"folders nested deeper than {MAX_DEPTH}", "move them up")
            return
        for folder in folders:
            below = f"{name}/{folder}" if name else folder
            yield from self._below(f"{relative}/{folder}", below, depth + 1)

    def _entries(self, relative: str) -> list[Path]:
        folder = self.root / relative
        if not folder.is_dir():
            return []
        found = []
        for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if path.name.startswith(".") or path.name.endswith("~"):
                continue
            if not path.resolve().is_relative_to(self.root):
                self._note(
                    path, "a link that leads out of the project is not followed", "copy what it points to"
                )
            elif not _NAME.match(path.name):
                self._note(
                    path,
                    f"`{path.name}` is no name for a file of a project",
                    "use letters, digits, `-` and `_`",
                )
                self._leave(path)
            else:
                found.append(path)
        return found

    def _read(self, path: Path) -> list[SourceFile]:
        self._count += 1
        if self._count > MAX_FILES:
            if self._count == MAX_FILES + 1:
                self._note(path, f"a project has at most {MAX_FILES:,} files")
            return []
        try:
            if path.stat().st_size > MAX_BYTES:
                self._note(path, f"the file is larger than {MAX_BYTES // 1_000_000} MB", "split it")
                self._leave(path)
                return []
            data = path.read_bytes()
            return [SourceFile(self._relative(path), data.decode("utf-8-sig"))]
        except UnicodeDecodeError as exc:
            line = data[: exc.start].count(b"\n") + 1
            column = exc.start - (data.rfind(b"\n", 0, exc.start) + 1) + 1
            self._note(path, "the file is not UTF-8 text", "save it as UTF-8", line=line, column=column)
            self._leave(path)
        except OSError as exc:
            self._note(path, f"the file cannot be read ({exc.strerror})")
            self._leave(path)
        return []

    def _leave(self, path: Path) -> None:
        """Remember a file that is not read: what names it is no second mistake."""
        begins = b""
        with suppress(OSError), path.open("rb") as file:
            begins = file.read(_BEGINNING)
        self.unread[self._relative(path)] = begins

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _note(
        self,
        path: Path,
        message: str,
        hint: str = "",
        level: Level = Level.ERROR,
        *,
        line: int = 1,
        column: int = 1,
    ) -> None:
        self.problems.append(
            Problem(
                path=self._relative(path), line=line, column=column, message=message, hint=hint, level=level
            )
        )
