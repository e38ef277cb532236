"""Why a file is no YAML, in a marketer's words: what stands where it cannot, and how to quote it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import yaml

from engage.project.yaml.comments import CUT_OFF, QUOTE_IT
from engage.project.yaml.nodes import Scalar

_MAX_SHOWN = 60
_ENTRY = re.compile(r"^(?P<lead>\s*(?:-\s+)*)(?:(?P<key>[^\s'\"{\[#:][^:{\[]*):(?:\s+|$))?(?P<value>.*)$")
_STARTERS = {
    "{{": "`{{`",
    "*": "`*`",
    "&": "`&`",
    "!": "`!`",
    "%": "`%`",
    "@": "`@`",
    "`": "a backtick",
    ">": "`>`",
    "|": "`|`",
    "?": "`?`",
    "]": "`]`",
    "}": "`}`",
    ",": "`,`",
}


_DASHES = "–—−‐‑•"
_BLANKS = "\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff"
_LOOKALIKE = re.compile(rf"^[ \-]*(?:(?P<sign>[{_BLANKS}])|(?<![^ ])(?P<dash>[{_DASHES}])[ {_BLANKS}])")
_LOOK_BACK = 3
"""Lines above the error: YAML may read on for a while before it notices."""


@dataclass(frozen=True, slots=True)
class Told:
    """A syntax error at its place (from 1), in words."""

    line: int
    column: int
    message: str
    hint: str


def plain_quote(value: str) -> str:
    """Return `value` as a quoted YAML text, shortened if it is long."""
    value = value if len(value) <= _MAX_SHOWN else value[: _MAX_SHOWN - 1] + "…"
    if '"' not in value and "\\" not in value:
        return f'"{value}"'
    return "'" + value.replace("'", "''") + "'"


class _Place:
    """The line of the error, taken apart: its key, its value, and what stands at the mark."""

    def __init__(self, exc: yaml.MarkedYAMLError, lines: Sequence[str]) -> None:
        mark = exc.problem_mark or exc.context_mark
        self.lines = lines
        self.line = min(mark.line, len(lines) - 1) if mark is not None else 0
        self.column = min(mark.column, len(lines[self.line])) if mark is not None else 0
        self.context = exc.context_mark
        self.text = lines[self.line]
        entry = _ENTRY.match(self.text)
        assert entry is not None  # every part of the pattern may be empty
        self.key = (entry["key"] or "").rstrip()
        self.value = entry["value"].rstrip()
        self.value_column = entry.start("value")
        self.here = self.text[self.column : self.column + 1]

    def in_value(self) -> bool:
        """Return whether the mark stands inside (or just behind) the value of this line."""
        return bool(self.value) and self.column > self.value_column

    def told(self, message: str, hint: str, column: int | None = None, line: int | None = None) -> Told:
        return Told(
            (self.line if line is None else line) + 1,
            (self.column if column is None else column) + 1,
            message,
            hint,
        )

    def quote_hint(self, value: str | None = None) -> str:
        shown = plain_quote(self.value if value is None else value)
        if not self.key:
            return f"quote the whole value: {shown}"
        return f"quote the whole value, `{self.key}: {shown}`, or put it on a line of its own below `{self.key}: >-`"


def explain(exc: yaml.MarkedYAMLError, lines: Sequence[str], last: Scalar | None) -> Told:
    """Return what to tell about a syntax error; `last` is the last single value read before it."""
    place = _Place(exc, lines)
    problem, context = exc.problem or "", exc.context or ""
    return (
        _of_lookalikes(place)
        or _of_characters(place, problem, context)
        or _of_starts(place)
        or _of_quotes(place, problem, context, last)
        or _of_flow(place, context, last)
        or _of_lines(place, problem, last)
        or place.told(f"this is not valid YAML ({problem})", place.quote_hint() if place.in_value() else "")
    )


def _of_lookalikes(place: _Place) -> Told | None:
    """A sign that a word processor made of a dash or a blank, on the line of the error or just above it."""
    for number in range(place.line, max(place.line - _LOOK_BACK, -1), -1):
        found = _LOOKALIKE.match(place.lines[number])
        if found is not None:
            sign = found["sign"] or found["dash"]
            if sign in _DASHES:
                message, hint = f"`{sign}` is no dash that begins an item", "write `- `"
            else:
                message, hint = (
                    "an invisible sign stands here that is no blank",
                    "delete it, and type a blank",
                )
            return place.told(message, hint, found.start("sign" if found["sign"] else "dash"), number)
    return None


def _of_characters(place: _Place, problem: str, context: str) -> Told | None:
    if place.here == "\t" or "tab character" in problem:
        return place.told("a tab cannot indent", "use spaces")
    if "escape" in problem or ("quoted scalar" in context and "hexdecimal" in problem):
        found = re.compile(r"\\.?").search(place.text, max(place.column - 1, 0))
        escape = found[0] if found else "\\"
        return place.told(
            f"`{escape}` means nothing inside double quotes", f"use single quotes, or write `\\{escape}`"
        )
    if "directive" in problem or "directive" in context or "%YAML" in problem:
        return place.told("a line cannot begin with `%`", "put the value in quotes")
    return None


def _of_starts(place: _Place) -> Told | None:
    """A value whose first character means something to YAML."""
    if not place.value or place.column < place.value_column:
        return None
    for start, name in _STARTERS.items():
        if place.value.startswith(start):
            column = place.value_column
            return place.told(f"a value that begins with {name} stands in quotes", place.quote_hint(), column)
    if place.here and place.here in "@`%":
        rest = re.split(r"[,}\]]", place.text[place.column :])[0].rstrip()
        return place.told(
            f"a value that begins with {_STARTERS[place.here]} stands in quotes", f"write {plain_quote(rest)}"
        )
    return None


def _of_quotes(place: _Place, problem: str, context: str, last: Scalar | None) -> Told | None:
    if "quoted scalar" in context and place.context is not None:
        mark = place.context
        quote = place.lines[mark.line][mark.column : mark.column + 1] if mark.line < len(place.lines) else '"'
        twice = " (inside '…' a quote is written twice: '')" if quote == "'" else ""
        return place.told(
            "this quote is never closed", f"close it with {quote}{twice}", mark.column, mark.line
        )
    behind = last is not None and last.style in ("'", '"') and last.end.line == place.line
    if behind and last is not None and not place.text[last.end.column : place.column].strip(" "):
        return _after_quote(place, last)
    del problem
    return None


def _after_quote(place: _Place, last: Scalar) -> Told | None:
    if place.here in ("", "#") or (place.here == ":" and not place.in_value()):
        return None
    if last.mark.line != place.line:
        return place.told(
            "text after a closing quote",
            f"the quote was opened on line {last.mark.line + 1}: close it there, or quote the whole value",
        )
    whole = re.split(r"\s+#", place.text[last.mark.column :])[0].rstrip()
    value = whole if last.mark.column == place.value_column else _extent(whole)
    return place.told("text after a closing quote", place.quote_hint(value))


def _of_flow(place: _Place, context: str, last: Scalar | None) -> Told | None:
    if "flow" not in context:
        return None
    opened = place.context
    if opened is None:
        return None
    sign = (
        place.lines[opened.line][opened.column : opened.column + 1] if opened.line < len(place.lines) else ""
    )
    if sign not in ("{", "["):
        return place.told(
            "a `{` or `[` is never closed", "close it; a value that begins with one stands in quotes"
        )
    closing = "}" if sign == "{" else "]"
    if place.line != opened.line or not place.here:
        hidden = _hidden(place, closing)
        if hidden is not None:
            return hidden
        return place.told(
            f"`{sign}` is never closed",
            f"close it with `{closing}`; a value that holds `{sign}` or `{closing}` stands in quotes",
            opened.column,
            opened.line,
        )
    start = last.mark.column if last is not None and last.mark.line == place.line and not last.style else None
    value = place.text[start:].split(" #")[0].rstrip() if start is not None else ""
    return place.told(
        f"`{place.here}` cannot stand here inside `{sign}…{closing}`",
        "a value with brackets, quotes or commas in it stands in quotes"
        + (f", for instance {plain_quote(_extent(value))}" if value else ""),
    )


def _hidden(place: _Place, closing: str) -> Told | None:
    """Point out a comment that hides the bracket which would close what was opened before it."""
    assert place.context is not None  # somewhere it was opened
    for number in range(place.context.line, min(place.line + 1, len(place.lines))):
        found = re.search(r"\s#", place.lines[number])
        if found is not None and closing in place.lines[number][found.end() :]:
            return place.told(CUT_OFF, QUOTE_IT, found.end() - 1, number)
    return None


def _extent(text: str) -> str:
    """Return the part of `text` that was meant as one value: up to a comma or bracket that it does not open itself."""
    depth, quote = 0, ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ",)]}":
            if depth == 0:
                return text[:index].rstrip()
            depth -= character != ","
    return text.rstrip()


def _of_lines(place: _Place, problem: str, last: Scalar | None) -> Told | None:
    if "mapping values" in problem:
        if place.in_value() and place.key:
            return place.told("`: ` inside an unquoted value", place.quote_hint())
        if place.value and not place.key:
            return place.told("`: ` inside an unquoted value", place.quote_hint())
        return place.told(
            f"`{place.key}` is indented deeper than its neighbours",
            "keys of one mapping start in the same column",
        )
    if "sequence entries" in problem:
        return place.told(
            "a list cannot begin on the line of its key", "begin it on the next line, or write `[…]`"
        )
    if "could not find expected ':'" in problem:
        return _no_colon(place)
    if "document start" in problem:
        return place.told(
            "a second value begins here", "a document is one mapping; documents are separated by `---`"
        )
    if place.in_value() and place.value[:1] in "[{":
        return place.told("text after a closing bracket", place.quote_hint())
    if "did not find expected key" in problem or "'-' indicator" in problem or "block end" in problem:
        if last is not None and not last.style and _ends_at_comment(place, last):
            return _comment_above(place.told, place.line, place.column)
        return place.told(
            "this line does not line up with anything above it",
            "keys of one mapping, and items of one list, start in the same column",
        )
    return None


def _ends_at_comment(place: _Place, last: Scalar) -> bool:
    behind = place.lines[last.end.line][last.end.column :] if last.end.line < place.line else ""
    return last.end.line == place.line - 1 and behind.lstrip().startswith("#")


def _comment_above(told: Callable[[str, str, int, int], Told], line: int, column: int) -> Told:
    return told(
        "the value above ends at its ` #` comment",
        "move the comment to a line of its own, or put the value in quotes or below `>-`",
        column,
        line,
    )


def _no_colon(place: _Place) -> Told:
    line = place.context.line if place.context is not None else max(place.line - 1, 0)
    column = place.context.column if place.context is not None else 0
    above = place.lines[line - 1] if line else ""
    if re.search(r"\s#", above):
        return _comment_above(place.told, line, column)
    return place.told(
        "this line is neither `key: value` nor an item of a list",
        "add the `:`; a value of several lines goes below `>-`",
        column,
        line,
    )
