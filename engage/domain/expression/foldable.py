"""Foldable: an aggregate whose counted events need not be looked at again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from engage.domain.expression import tree
from engage.domain.expression.evaluate import compute
from engage.domain.expression.functions import Computed
from engage.domain.expression.scope import WILDCARD, EventFact, Scope
from engage.domain.expression.states import Family, State, family_of, key_of, state_of_aggregate

_Fact = TypeVar("_Fact", bound=EventFact)

#: A condition that lasts reads nothing of a scope.
_NOBODY = Scope(now=datetime(1970, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Foldable:
    """An aggregate with a state. Equal if they mean the same: they share the state."""

    key: str
    """Names the state: a checksum of the aggregate in its canonical spelling."""
    name: str
    """Which events it is about: a name, or `Prefix*`."""
    _family: Family = field(compare=False)
    _prop: tuple[str, ...] | None = field(compare=False)
    _where: Computed | None = field(compare=False)

    def concerns(self, event: str) -> bool:
        """Return whether it is about events of this name."""
        if self.name.endswith(WILDCARD):
            return event.startswith(self.name[: -len(WILDCARD)])
        return event == self.name

    def state_of(self, facts: Iterable[_Fact]) -> State:
        """Return the state of events in their order, all of which it is about."""
        where = self._where
        chosen: Sequence[_Fact] = [f for f in facts if where is None or where(_NOBODY, f.properties)]
        return self._family.of(chosen, self._prop)

    def unite(self, one: State, other: State) -> State:
        """Return the state of the events of both, which have none in common."""
        return self._family.unite(one, other)


def foldable(node: tree.Aggregate) -> Foldable | None:
    """Return the aggregate as one with a state; None: it has none."""
    named, key = state_of_aggregate(node), key_of(node)
    if named is None or key is None:
        return None
    where = named.events.where
    condition = None if where is None else compute(where)
    return Foldable(key, named.events.name, family_of(named), named.prop, condition)
