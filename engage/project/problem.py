"""A mistake in a project file, told as `path:line:column: message; hint`."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec


class Level(StrEnum):
    """How bad it is: an error keeps a definition from being published, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake at one place. `line` and `column` count from 1; `path` is relative to the project."""

    path: str
    line: int
    column: int
    message: str
    hint: str = ""
    level: Level = Level.ERROR

    def __str__(self) -> str:
        told = f"{self.message}; {self.hint}" if self.hint else self.message
        label = "warning: " if self.level is Level.WARNING else ""
        return f"{self.path}:{self.line}:{self.column}: {label}{told}"

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints for it."""
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "level": str(self.level),
            "message": self.message,
            "hint": self.hint,
        }


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return every different problem once, by path, then place; at one place errors come first."""
    return sorted(set(problems), key=_order)


def _order(problem: Problem) -> tuple[str, int, int, str, str]:
    return problem.path, problem.line, problem.column, problem.level, problem.message


def has_errors(problems: Iterable[Problem]) -> bool:
    """Return whether any of them is more than a warning."""
    return any(problem.level is Level.ERROR for problem in problems)
