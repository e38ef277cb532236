"""Texts with `{{ }}`: literal parts and expressions, joined."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from engage.domain.expression.compiled import Expression, compile_expression
from engage.domain.expression.errors import ExpressionError
from engage.domain.expression.places import Place
from engage.domain.expression.reads import Reads, union
from engage.domain.expression.scope import Scope, Value
from engage.domain.expression.values import text_of

_CACHED = 4_096
#: Inside `{{ }}`: a quoted text, the end, a second beginning, or one more character.
_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|-?\}\}|\{\{|.", re.DOTALL)
_BARE_NAME = re.compile(r"\s*(?:profile|entry|event|run)(?:\.[^\W\d]\w*)+\s*")
_OPEN, _CLOSE, _STATEMENT = "{{", "}}", "{%"


class Text:
    """One text, compiled. Immutable; equal if source and place are."""

    __slots__ = ("_parts", "place", "reads", "source")

    def __init__(self, source: str, place: Place, parts: tuple[str | Expression, ...]) -> None:
        self.source = source
        self.place = place
        self._parts = parts
        #: Everything the value can depend on.
        self.reads: Reads = union(part.reads for part in parts if isinstance(part, Expression))

    @property
    def is_single(self) -> bool:
        """Whether the text is exactly one `{{ }}`, whose value keeps its type."""
        return len(self._parts) == 1 and isinstance(self._parts[0], Expression)

    @property
    def constant(self) -> str | None:
        """The text itself if it has no `{{ }}`, else None."""
        if not self._parts:
            return ""
        only = self._parts[0]
        return only if len(self._parts) == 1 and isinstance(only, str) else None

    @property
    def parts(self) -> tuple[str | Expression, ...]:
        """Plain text and expressions, in order."""
        return self._parts

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions in order."""
        return tuple(part for part in self._parts if isinstance(part, Expression))

    def value(self, scope: Scope) -> Value:
        """Return the value of the single expression, else the text with its values filled in; none fills in nothing."""
        if len(self._parts) == 1:
            only = self._parts[0]
            return only if isinstance(only, str) else only.value(scope)
        return "".join(part if isinstance(part, str) else text_of(part.value(scope)) for part in self._parts)

    def text(self, scope: Scope) -> str:
        """Return the value as text."""
        return text_of(self.value(scope))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and (self.source, self.place) == (other.source, other.place)

    def __hash__(self) -> int:
        return hash((self.source, self.place))

    def __repr__(self) -> str:
        return f"Text({self.source!r}, {self.place})"


def compile_text(source: str, place: Place = Place.TEXT, *, audiences: Collection[str] | None = None) -> Text:
    """Return the text `source` that stands at `place`.

    Raises:
        ExpressionError: a `{{ }}` is not an expression or not closed, `{% %}` is used, or the whole text is a name
            that was meant to be an expression. The offset is that in the text.
    """
    text = _compiled(source, place)
    if audiences is not None:
        for expression in text.expressions:
            expression.check_audiences(audiences)
    return text


@lru_cache(maxsize=_CACHED)
def _compiled(source: str, place: Place) -> Text:
    if _BARE_NAME.fullmatch(source):
        name = source.strip()
        raise ExpressionError(f"`{name}` is only a text here", hint=f"did you mean `{{{{ {name} }}}}`?")
    parts: list[str | Expression] = []
    position, trims = 0, False
    while position < len(source):
        start = source.find(_OPEN, position)
        literal = source[position:] if start < 0 else source[position:start]
        _refuse_statements(literal, position)
        if trims:
            literal = literal.lstrip()
        trims_before = start >= 0 and source[start + 2 : start + 3] == "-"
        if trims_before:
            literal = literal.rstrip()
        if literal:
            parts.append(literal)
        if start < 0:
            break
        inside = start + len(_OPEN) + trims_before
        end, position, trims = _find_end(source, inside)
        parts.append(_expression(source[inside:end], inside, place))
    return Text(source, place, tuple(parts))


def _refuse_statements(literal: str, at: int) -> None:
    index = literal.find(_STATEMENT)
    if index >= 0:
        raise ExpressionError(
            "`{%` is for templates only", hint="here only `{{ }}` is filled in", offset=at + index
        )


def _find_end(source: str, inside: int) -> tuple[int, int, bool]:
    """Return the end of the expression, the end of its `}}`, and whether white space after it is dropped."""
    position = inside
    while match := _TOKEN.match(source, position):
        token = match.group()
        if token.endswith(_CLOSE) and token[0] not in "'\"":
            return match.start(), match.end(), token[0] == "-"
        if token == _OPEN:
            break
        position = match.end()
    raise ExpressionError("`{{` is not closed", hint="add `}}`", offset=inside - len(_OPEN))


def _expression(source: str, at: int, place: Place) -> Expression:
    if not source.strip():
        raise ExpressionError(
            "`{{ }}` is empty", hint="write for example `{{ profile.first_name }}`", offset=at
        )
    try:
        return compile_expression(source, place)
    except ExpressionError as exc:
        raise exc.moved(at) from exc
