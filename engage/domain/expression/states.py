"""States: what is kept of the events an aggregate has counted, so that it needs none of them again.

A state is plain JSON. States of two sets of events that have none in common unite into the state of both, whatever the
order in which they came; numbers stay exact. A state is as large as what the aggregate tells: one number, one value, or
for `values` and `mode` every different value.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from engage.domain.expression import numbers, tree
from engage.domain.expression.functions import Computed, Selected, timestamp_of, values_of
from engage.domain.expression.numbers import is_number
from engage.domain.expression.render import render
from engage.domain.expression.scope import EventFact, Scope, Value
from engage.domain.expression.tree import FilterName, Fold, Node, Root
from engage.domain.expression.values import dig, order_key

State = dict[str, Any]

#: Aggregates that are told by one state, by the one it is named after.
_NAMED_AFTER = {Fold.DID: Fold.COUNT, Fold.AVG: Fold.SUM}
#: What a condition may be made of, so that it says the same of an event for everybody and for ever.
_LASTING = (
    tree.Literal,
    tree.ListOf,
    tree.Path,
    tree.Member,
    tree.Both,
    tree.Either,
    tree.Not,
    tree.Compare,
    tree.Arithmetic,
    tree.Negate,
    tree.Choice,
    tree.Filtered,
    tree.Tested,
)


def state_of_aggregate(node: tree.Aggregate) -> tree.Aggregate | None:
    """Return the aggregate whose state tells this one; None: no state does, for it looks through a window, or at more
    than the event itself."""
    events = node.events
    if events.within is not None or events.since is not None or events.before is not None:
        return None
    if events.where is not None and not _lasts(events.where):
        return None
    return replace(node, fold=_NAMED_AFTER.get(node.fold, node.fold))


def key_of(node: tree.Aggregate) -> str | None:
    """Return the name of the state that tells an aggregate, the same for all that mean the same; None: there is none."""
    named = state_of_aggregate(node)
    return None if named is None else hashlib.sha256(render(named).encode()).hexdigest()[:32]


def _lasts(node: Node) -> bool:
    if not isinstance(node, _LASTING):
        return False
    if isinstance(node, tree.Path) and node.root is not Root.EVENT:
        return False
    if isinstance(node, tree.Filtered) and node.name is FilterName.DATE:
        return False  # a bare date is midnight where the person lives now
    return all(map(_lasts, tree.children(node)))


@dataclass(frozen=True, slots=True)
class Family:
    """How the states of one kind of aggregate are made, united and told."""

    of: Callable[[Sequence[EventFact], tuple[str, ...] | None], State]
    """Makes the state of events that match, in order."""
    unite: Callable[[State, State], State]
    """Makes one state of two; changes neither."""
    tell: Callable[[State, tree.Aggregate], Value]


def _counted(facts: Sequence[EventFact], _prop: tuple[str, ...] | None) -> State:
    return {"n": len(facts)}


def _count_both(a: State, b: State) -> State:
    return {"n": a["n"] + b["n"]}


def _tell_count(state: State, node: tree.Aggregate) -> Value:
    number: int = state["n"]
    return number > 0 if node.fold is Fold.DID else number


def _numbers(facts: Sequence[EventFact], prop: tuple[str, ...] | None) -> list[numbers.Number]:
    return [value for value in values_of(facts, prop or ()) if is_number(value)]


def _summed(facts: Sequence[EventFact], prop: tuple[str, ...] | None) -> State:
    found = _numbers(facts, prop)
    return {"n": len(found), "v": numbers.total(found)}


def _sum_both(a: State, b: State) -> State:
    out_of_bounds = a["v"] is None or b["v"] is None
    return {"n": a["n"] + b["n"], "v": None if out_of_bounds else numbers.add(a["v"], b["v"])}


def _tell_sum(state: State, node: tree.Aggregate) -> Value:
    whole: numbers.Number | None = state["v"] if state["n"] else None
    if node.fold is Fold.SUM or whole is None:
        return whole
    return numbers.divide(whole, state["n"])


def _extreme(pick: Callable[..., Any]) -> Family:
    def of(facts: Sequence[EventFact], prop: tuple[str, ...] | None) -> State:
        return {"v": pick(_numbers(facts, prop), default=None)}

    def unite(a: State, b: State) -> State:
        return {"v": pick((v for v in (a["v"], b["v"]) if v is not None), default=None)}

    return Family(of, unite, _tell_value)


def _tell_value(state: State, _node: tree.Aggregate) -> Value:
    value: Value = state.get("v")
    return value


def _edge(pick: Callable[..., Any], index: int) -> Family:
    def of(facts: Sequence[EventFact], prop: tuple[str, ...] | None) -> State:
        if not facts:
            return {}
        fact = facts[index]
        place = {
            "at": fact.timestamp.astimezone(UTC).isoformat(),
            "arrival": fact.arrival,
            "id": getattr(fact, "id", ""),
        }
        return place if prop is None else {**place, "v": dig(fact.properties, prop)}

    def unite(a: State, b: State) -> State:
        found: State = pick((state for state in (a, b) if state), key=_place, default={})
        return found

    return Family(of, unite, _tell_edge)


def _place(state: State) -> tuple[datetime, int, str]:
    return datetime.fromisoformat(state["at"]), state["arrival"], state["id"]


def _tell_edge(state: State, node: tree.Aggregate) -> Value:
    if node.prop is not None or not state:
        return _tell_value(state, node)
    return datetime.fromisoformat(state["at"])


def _distinct(facts: Sequence[EventFact], prop: tuple[str, ...] | None) -> State:
    return {"v": _different(values_of(facts, prop or ()))}


def _different(values: Sequence[Any]) -> list[Any]:
    by_key = {order_key(value): value for value in reversed(values)}
    return [by_key[key] for key in sorted(by_key)]


def _distinct_both(a: State, b: State) -> State:
    return {"v": _different([*a["v"], *b["v"]])} if b["v"] else a


def _often(facts: Sequence[EventFact], prop: tuple[str, ...] | None) -> State:
    return {"v": _added([[value, 1] for value in values_of(facts, prop or ())])}


def _often_both(a: State, b: State) -> State:
    return {"v": _added([*a["v"], *b["v"]])} if b["v"] else a


def _added(pairs: Sequence[list[Any]]) -> list[list[Any]]:
    counts: dict[tuple[int, Any], list[Any]] = {}
    for value, count in pairs:
        known = counts.setdefault(order_key(value), [value, 0])
        known[1] += count
    return list(counts.values())


def _tell_often(state: State, _node: tree.Aggregate) -> Value:
    best = min(state["v"], key=lambda pair: (-pair[1], order_key(pair[0])), default=None)
    value: Value = None if best is None else best[0]
    return value


FAMILIES: dict[Fold, Family] = {
    Fold.COUNT: Family(_counted, _count_both, _tell_count),
    Fold.SUM: Family(_summed, _sum_both, _tell_sum),
    Fold.MIN: _extreme(min),
    Fold.MAX: _extreme(max),
    Fold.FIRST: _edge(min, 0),
    Fold.LAST: _edge(max, -1),
    Fold.VALUES: Family(_distinct, _distinct_both, _tell_value),
    Fold.MODE: Family(_often, _often_both, _tell_often),
}


def family_of(node: tree.Aggregate) -> Family:
    """Return how the states of an aggregate are made, united and told."""
    return FAMILIES[_NAMED_AFTER.get(node.fold, node.fold)]


def told(node: tree.Aggregate, select: Selected, plain: Computed) -> Computed:
    """Return what computes an aggregate of the events that `select` finds, and of what is kept of earlier ones; `plain`
    does where nothing is kept."""
    key = key_of(node)
    if key is None:
        return plain
    family, prop = family_of(node), node.prop

    def tell(scope: Scope, event: Mapping[str, Value] | None) -> Value:
        kept = scope.folds.get(key)
        if kept is None:
            return plain(scope, event)
        facts = select(scope, event)
        later = facts[bisect_right(facts, kept.upto, key=timestamp_of) :]
        return family.tell(family.unite(kept.state, family.of(later, prop)) if later else kept.state, node)

    return tell
