"""The comment trap: ` #` inside an unquoted value silently cuts the value off there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engage.project.problem import Level, Problem
from engage.project.yaml.nodes import Scalar

_COMMENT = re.compile(r"([ \t]+)#(.?)")
_KEY = re.compile(r"(?:^|[{,\s-])([A-Za-z_]\w*):\s+$")
_PROSE = frozenset({"text", "body", "subject", "preheader", "say", "prompt", "title", "description"})
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))


CUT_OFF = "` #` begins a comment here: the value ends before it"
QUOTE_IT = "put the whole value in quotes; a comment that is meant: two spaces, `#`, a space"


@dataclass(frozen=True, slots=True)
class Caught:
    """A value that a comment cuts off. `breaks`: what is left of it makes no sense by itself."""

    line: int
    column: int
    breaks: bool
    level: Level

    def at(self, path: str) -> Problem:
        """Return it as a problem of that file."""
        return Problem(
            path=path,
            line=self.line,
            column=self.column,
            message=CUT_OFF,
            hint=QUOTE_IT,
            level=self.level,
        )


class CommentTrap:
    """Looks for values that were meant to go on behind ` #`.

    A comment is taken as meant when it stands off by two spaces, or begins with `# ` behind something that is not prose.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._suspects = frozenset(
            number for number, line in enumerate(lines) if " #" in line or "\t#" in line
        )
        self.armed = bool(self._suspects)

    def caught(self, scalar: Scalar) -> Caught | None:
        """Return the trap into which an unquoted value has fallen, if any."""
        end = scalar.end
        if end.line not in self._suspects:
            return None
        line = self._lines[end.line]
        found = _COMMENT.match(line, end.column)
        if found is None:
            return None
        breaks = is_open(str(scalar.data))
        glued = found[1] == " " and found[2] not in ("", " ", "#", "!", "-", "=")
        prose = found[1] == " " and self._is_prose(scalar)
        if not (breaks or glued or prose):
            return None
        level = Level.ERROR if breaks or glued else Level.WARNING
        return Caught(end.line + 1, found.end(1) + 1, breaks, level)

    def _is_prose(self, scalar: Scalar) -> bool:
        key = _KEY.search(self._lines[scalar.mark.line][: scalar.mark.column])
        return key is not None and key[1] in _PROSE


def is_open(text: str) -> bool:
    """Return whether a quote or bracket is opened in `text` and not closed (an apostrophe in a word is no quote)."""
    bare = re.sub(r"(?<=\w)'(?=\w)", "", text)
    if any(bare.count(quote) % 2 for quote in ("'", '"')):
        return True
    return any(bare.count(opening) > bare.count(closing) for opening, closing in _PAIRS)
