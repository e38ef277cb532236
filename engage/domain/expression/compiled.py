"""Expressions ready to be evaluated, and the cache that makes each of them once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache

from engage.domain.expression import tree
from engage.domain.expression.change import Change, change_of
from engage.domain.expression.check import Checked, Type, check
from engage.domain.expression.errors import ExpressionError
from engage.domain.expression.evaluate import compute
from engage.domain.expression.hints import did_you_mean
from engage.domain.expression.parse import parse
from engage.domain.expression.places import Place
from engage.domain.expression.reads import Reads
from engage.domain.expression.render import render
from engage.domain.expression.scope import Scope, Value
from engage.domain.expression.tree import Node

_CACHED = 4_096


class Expression:
    """One expression, parsed, checked and compiled. Immutable; equal if source and place are."""

    __slots__ = ("_change", "_checked", "_compute", "_seen", "node", "place", "source")

    def __init__(self, source: str, place: Place, node: Node, checked: Checked) -> None:
        self.source = source
        self.place = place
        #: The tree: what another compiler (SQL) starts from.
        self.node = node
        self._checked = checked
        self._compute = compute(node)
        self._change: Change | None = change_of(node) if checked.reads.now else None
        self._seen: tuple[tuple[str, Expression], ...] | None = None

    @property
    def reads(self) -> Reads:
        """Everything the value can depend on."""
        return self._checked.reads

    @property
    def type(self) -> Type:
        """What is known of the value before there is one."""
        return self._checked.type

    @property
    def meaning(self) -> str:
        """The canonical spelling: equal for sources that differ in layout, quotes or numbers' zeros only."""
        return render(self.node)

    def value(self, scope: Scope) -> Value:
        """Return the value. Never raises, whatever the data."""
        return self._compute(scope, scope.event)

    def truth(self, scope: Scope) -> bool:
        """Return whether the value is true: none, false, 0, '', [] and {} are not."""
        return bool(self._compute(scope, scope.event))

    def next_change(self, scope: Scope) -> datetime | None:
        """Return an instant after `scope.now` until which the clock alone cannot change the value.

        It may be earlier than the first change, never later; None: the clock never changes it.
        """
        return None if self._change is None else self._change(scope, scope.event)

    def seen(self, scope: Scope) -> dict[str, Value]:
        """Return every name and function in the expression with its value: what a decision was based on.

        Secrets are left out, as are names inside `where=` (they belong to the counted events).
        """
        if self._seen is None:
            leaves = {render(leaf): leaf for leaf in _leaves(self.node)}
            self._seen = tuple((name, _part(self, leaf)) for name, leaf in leaves.items())
        return {name: leaf.value(scope) for name, leaf in self._seen}

    def check_audiences(self, known: Collection[str]) -> None:
        """Refuse audiences that do not exist.

        Raises:
            ExpressionError: with the place of the first unknown one.
        """
        for audience, at in self._checked.audiences:
            if audience not in known:
                hint = did_you_mean(audience, known) or "audiences are defined in `journeys/audiences/`"
                raise ExpressionError(f"there is no audience `{audience}`", hint=hint, offset=at)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and (self.source, self.place) == (other.source, other.place)

    def __hash__(self) -> int:
        return hash((self.source, self.place))

    def __repr__(self) -> str:
        return f"Expression({self.source!r}, {self.place})"


def _part(whole: Expression, leaf: Node) -> Expression:
    return Expression(render(leaf), whole.place, leaf, Checked(Type.ANY, Reads(), ()))


_LEAVES = (
    tree.Path,
    tree.EntryEvent,
    tree.Aggregate,
    tree.Sequence,
    tree.InAudience,
    tree.Subscribed,
    tree.ChangedAt,
    tree.Bucket,
)


def _leaves(node: Node) -> list[Node]:
    if isinstance(node, _LEAVES):
        return [node]
    return [leaf for child in tree.children(node) for leaf in _leaves(child)]


@lru_cache(maxsize=_CACHED)
def _compiled(source: str, place: Place) -> Expression:
    node = parse(source)
    return Expression(source, place, node, check(node, place))


def compile_expression(source: str, place: Place, *, audiences: Collection[str] | None = None) -> Expression:
    """Return the expression `source` that stands at `place`; the same one for the same arguments.

    If `audiences` is given, every audience it asks for must be among them.

    Raises:
        ExpressionError: it is not an expression, or not one that may stand there.
    """
    expression = _compiled(source, place)
    if audiences is not None:
        expression.check_audiences(audiences)
    return expression
