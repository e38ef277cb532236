"""From a character of a value back to the line and column it was written at."""

import re
from collections.abc import Sequence

from engage.project.yaml.nodes import Position, Scalar

_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_BLANK_ESCAPES = frozenset({"\\n", "\\t", "\\r", "\\ ", "\\N", "\\_", "\\L", "\\P", "\\\n"})


def locate(scalar: Scalar, lines: Sequence[str], offset: int) -> Position:
    """Return where character `offset` of a text stands in the file.

    Folding and indentation only add or take away blanks, so the character is found by counting those that are not.
    """
    text = str(scalar.data)
    nth = sum(not character.isspace() for character in text[:offset])
    line, column = scalar.mark.line, scalar.mark.column
    if scalar.style in ("|", ">"):
        line, column = line + 1, 0
    elif scalar.style:
        column += 1
    last = scalar.end.line
    while line <= last and line < len(lines):
        end = scalar.end.column if line == last and scalar.style not in ("|", ">") else len(lines[line])
        for start, blank in _characters(lines[line], column, end, scalar.style):
            if blank:
                continue
            if nth == 0:
                return Position(line + 1, start + 1)
            nth -= 1
        line, column = line + 1, 0
    return scalar.position


def _characters(line: str, column: int, end: int, style: str) -> list[tuple[int, bool]]:
    """Return column and blankness of every character of the value that this part of the line stands for."""
    found: list[tuple[int, bool]] = []
    while column < end:
        width, blank = 1, line[column].isspace()
        if style == '"' and line[column] == "\\":
            escape = _ESCAPE.match(line, column)
            written = escape[0] if escape is not None else line[column]
            width, blank = len(written), written in _BLANK_ESCAPES or written == "\\"
        elif style == "'" and line.startswith("''", column):
            width = 2
        found.append((column, blank))
        column += width
    return found
