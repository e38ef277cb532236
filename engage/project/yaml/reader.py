"""Strict YAML: the 1.2 core schema without timestamps, merge keys, anchors, aliases and tags, positions kept.

Built on PyYAML's event parser (the C one where there is one); every rule of language.md §1 about plain values
is ours, because PyYAML itself speaks YAML 1.1 (`on`, `10:00` and `010` would not be text).
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import yaml

from engage.project.problem import Problem
from engage.project.yaml.comments import CommentTrap, is_open
from engage.project.yaml.nodes import Document, ListNode, Mapping, Mark, Node, Scalar, ScalarValue
from engage.project.yaml.syntax import explain, plain_quote

MAX_BYTES = 1_000_000
MAX_DEPTH = 100
MAX_DIGITS = 100

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?\Z")
_WORDS: dict[str, ScalarValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# YAML 1.1, which the parser speaks, breaks lines at these three; YAML 1.2 reads them as ordinary characters.
_BREAKS_OF_1_1 = {0x85: 0xF0085, 0x2028: 0xF2028, 0x2029: 0xF2029}
_BREAKS_BACK = {there: here for here, there in _BREAKS_OF_1_1.items()}

_Parser: Callable[[str], Any] = getattr(yaml, "CLoader", yaml.Loader)


def read(text: str, path: str) -> tuple[list[Document], list[Problem]]:
    """Read every document of a file.

    Returns the documents that could be read and everything that is wrong with the file as YAML. A syntax error ends
    reading; documents before it are returned. Never raises for what the text is.
    """
    lines = _lines(text)
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return [], [_whole_file(path, f"the file is larger than {MAX_BYTES // 1_000_000} MB", "split it")]
    text = text.removeprefix("\ufeff")
    swapped = text.translate(_BREAKS_OF_1_1) if any(chr(c) in text for c in _BREAKS_OF_1_1) else text
    builder = _Builder(path, lines, swapped is not text)
    try:
        parser = _Parser(swapped)
        try:
            builder.build(parser.get_event)
        finally:
            parser.dispose()
    except yaml.MarkedYAMLError as exc:
        builder.syntax_error(exc)
    except (yaml.reader.ReaderError, UnicodeError) as exc:
        builder.problems.append(_unreadable(exc, swapped, path))
    return builder.documents, builder.problems


def scalar_of(text: str) -> ScalarValue:
    """Return what an unquoted value means: none, a boolean, an exact number, or the text itself."""
    first = text[:1]
    if first in "-0123456789":
        found = _NUMBER.match(text)
        if found is not None and first:
            return int(text) if found[1] is None else Decimal(text)
    return _WORDS.get(text, text)


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\n|\r", text)


def _whole_file(path: str, message: str, hint: str) -> Problem:
    return Problem(path=path, line=1, column=1, message=message, hint=hint)


def _unreadable(exc: Exception, text: str, path: str) -> Problem:
    position = getattr(exc, "position", getattr(exc, "start", 0))
    before = text[:position]
    line = len(_lines(before))
    column = len(_lines(before)[-1]) + 1
    return Problem(
        path=path,
        line=line,
        column=column,
        message="a character that no text file may hold",
        hint='delete it, or write it as an escape inside double quotes, for instance "\\u0007"',
    )


class _TooDeepError(Exception):
    """Nesting beyond `MAX_DEPTH`; the problem has been noted."""


class _Builder:
    """Makes nodes of events and notes every breach of the rules on the way."""

    def __init__(self, path: str, lines: list[str], swapped: bool) -> None:
        self.path = path
        self.lines = lines
        self.documents: list[Document] = []
        self.problems: list[Problem] = []
        self._swapped = swapped
        self._trap = CommentTrap(lines)
        self._broken: set[Node] = set()
        self._last: Scalar | None = None

    def build(self, get_event: Callable[[], Any]) -> None:
        """Consume the events of all documents."""
        self._next = get_event
        try:
            while True:
                event = get_event()
                if type(event) is yaml.DocumentStartEvent:
                    self._document()
                elif type(event) is yaml.StreamEndEvent:
                    return
        except _TooDeepError:
            return

    def _document(self) -> None:
        root = self._node(self._next(), 1)
        if isinstance(root, Scalar) and root.data is None and not root.style:
            return
        document = Document(self.path, root, self.lines)
        document.broken, self._broken = self._broken, set()
        self.documents.append(document)

    def _node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if kind is yaml.AliasEvent:
            return self._alias(event)
        if depth > MAX_DEPTH:
            self._problem(event.start_mark, f"nested deeper than {MAX_DEPTH} levels", "split the file")
            raise _TooDeepError
        return self._mapping(event, depth) if kind is yaml.MappingStartEvent else self._list(event, depth)

    def _mapping(self, start: Any, depth: int) -> Mapping:
        mapping = Mapping(start.start_mark, bool(start.flow_style))
        if start.anchor is not None or start.tag is not None:
            self._decorated(start, mapping)
        data, children, following = mapping.data, mapping.children, self._next
        while True:
            event = following()
            kind = type(event)
            key: str | None = None
            if kind is yaml.ScalarEvent:
                key = self._key(mapping, event)
            elif kind is yaml.MappingEndEvent:
                return mapping
            else:
                self._no_key(mapping, self._node(event, depth + 1))
            node = self._node(following(), depth + 1)
            if key is not None:
                if node.data is None and mapping.flow:
                    self._cut_by_comma(mapping, key, node)
                data[key] = node.data
                children[key] = node

    def _list(self, start: Any, depth: int) -> ListNode:
        found = ListNode(start.start_mark)
        if start.anchor is not None or start.tag is not None:
            self._decorated(start, found)
        data, children, following = found.data, found.children, self._next
        while True:
            event = following()
            if type(event) is yaml.SequenceEndEvent:
                return found
            node = self._node(event, depth + 1)
            data.append(node.data)
            children.append(node)

    def _scalar(self, event: Any) -> Scalar:
        text: str = event.value
        mark = event.start_mark
        style = event.style or ""
        if self._swapped:
            text = text.translate(_BREAKS_BACK)
        value: ScalarValue = text
        if style == "\0" or not style:
            style = ""
            if len(text) > MAX_DIGITS and _NUMBER.match(text):
                self._problem(
                    mark, f"a number of more than {MAX_DIGITS} digits", "put it in quotes to make it text"
                )
            else:
                value = scalar_of(text)
        scalar = self._last = Scalar(value, mark, event.end_mark, style)
        if event.anchor is not None or event.tag is not None:
            self._decorated(event, scalar)
        elif not style and self._trap.armed:
            self._comment(scalar)
        return scalar

    def _comment(self, scalar: Scalar) -> None:
        caught = self._trap.caught(scalar)
        if caught is not None:
            self.problems.append(caught.at(self.path))
            if caught.breaks:
                self._broken.add(scalar)

    def _key(self, mapping: Mapping, event: Any) -> str | None:
        text: str = event.value
        if self._swapped:
            text = text.translate(_BREAKS_BACK)
        mark = event.start_mark
        if event.anchor is not None or event.tag is not None:
            self._decorated(event, mapping)
            return None
        if text == "<<" and event.implicit[0]:
            self._problem(mark, "merge keys (`<<`) are not part of the language", "write the keys out")
            return None
        if text in mapping.keys:
            first = mapping.keys[text].line + 1
            self._problem(
                mark, f"duplicate key `{text}`", f"the first one is on line {first}; keep one of them"
            )
            return None
        if mark.line == event.end_mark.line and self._trap.armed and event.implicit[0]:
            self._comment(Scalar(text, mark, event.end_mark, ""))
        mapping.keys[text] = mark
        return text

    def _cut_by_comma(self, mapping: Mapping, key: str, node: Node) -> None:
        """Point out a value within braces that a comma of its own cuts off: the rest has become a key."""
        before = next(reversed(mapping.children.values()), None)
        if not isinstance(before, Scalar) or before.style or not is_open(str(before.data)):
            return
        rest = mapping.keys[key]
        written = f"{before.data}, {key}"
        if rest.line == before.mark.line:
            written = self.lines[rest.line][before.mark.column : rest.column + len(key)]
        self._broken.update((before, node))
        self._problem(
            before.mark,
            "a `,` ends an unquoted value inside `{…}`",
            f"put the whole value in quotes: {plain_quote(written)}",
        )

    def _no_key(self, mapping: Mapping, node: Node) -> None:
        """Say why something that is no text cannot be a key; most often it is an unquoted `{{ … }}`."""
        if isinstance(node, Scalar):
            return  # an alias, which has been told
        outer, inner = mapping.mark, node.mark
        if (
            mapping.flow
            and (inner.line, inner.column) == (outer.line, outer.column + 1)
            and isinstance(node, Mapping)
        ):
            line = self.lines[outer.line]
            value = line[outer.column :].split(" #")[0].rstrip()
            if re.search(r"[{\[]", line[: outer.column]):
                # Inside braces of its own: what follows belongs to them.
                value = re.sub(r"(?<=\}\}).*", "", value)
            self._broken.add(mapping)
            self._problem(
                outer, "a value that begins with `{{` stands in quotes", f"write {plain_quote(value)}"
            )
        else:
            self._problem(inner, "a key is text, not a list or a mapping", 'put it in quotes: "…"')

    def _alias(self, event: Any) -> Scalar:
        scalar = Scalar(None, event.start_mark, event.end_mark, "*")
        written = self._written(event.start_mark)
        self._problem(
            event.start_mark,
            f"`*{event.anchor}` would be a YAML alias, which the language does not have",
            f"a value that begins with `*` stands in quotes: {plain_quote(written)}",
        )
        self._broken.add(scalar)
        return scalar

    def _decorated(self, event: Any, node: Node) -> None:
        what, sign = ("anchor", "&") if event.anchor is not None else ("tag", "!")
        written = self._written(event.start_mark)
        self._problem(
            event.start_mark,
            f"a value that begins with `{sign}` would be a YAML {what}, which the language does not have",
            f"put it in quotes: {plain_quote(written)}",
        )
        self._broken.add(node)

    def _written(self, mark: Mark) -> str:
        return self.lines[mark.line][mark.column :].rstrip() if mark.line < len(self.lines) else ""

    def _problem(self, mark: Mark, message: str, hint: str) -> None:
        self.problems.append(
            Problem(path=self.path, line=mark.line + 1, column=mark.column + 1, message=message, hint=hint)
        )

    def syntax_error(self, exc: yaml.MarkedYAMLError) -> None:
        """Note why the parser gave up, unless something on that very line has already been said."""
        told = explain(exc, self.lines, self._last)
        if any(problem.line == told.line for problem in self.problems):
            return
        self.problems.append(
            Problem(path=self.path, line=told.line, column=told.column, message=told.message, hint=told.hint)
        )
