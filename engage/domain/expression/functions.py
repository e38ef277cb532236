"""The functions over a profile's events: which events match, and what is made of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, TypeAlias

from engage.domain.expression import tree
from engage.domain.expression.numbers import Number, divide, is_number, total
from engage.domain.expression.scope import EventFact, Scope, Value
from engage.domain.expression.tree import Fold
from engage.domain.expression.values import dig, opened, order_key

#: A compiled node: computes its value in a scope, while `event` is the event being looked at.
Computed: TypeAlias = Callable[[Scope, Mapping[str, Value] | None], Value]
Selected: TypeAlias = Callable[[Scope, Mapping[str, Value] | None], Sequence[EventFact]]

timestamp_of: Callable[[EventFact], datetime] = attrgetter("timestamp")
_in_order = attrgetter("timestamp", "arrival")
_NO_EVENTS: Sequence[EventFact] = ()
_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


def shifted(instant: datetime, by: timedelta) -> datetime:
    """Return the instant moved by elapsed time, in UTC; it stops at the ends of the calendar."""
    try:
        return instant.astimezone(UTC) + by
    except OverflowError:
        return _LAST_INSTANT if by > timedelta(0) else _FIRST_INSTANT


def selecting(events: tree.Events, compute: Callable[[tree.Node], Computed]) -> Selected:
    """Return what finds the events that match: by name, age < `within`, `since` <= timestamp < `before`, `where`.

    A `since` or `before` that is no instant matches nothing, as a comparison with none would.
    """
    name, within = events.name, events.within
    since = None if events.since is None else compute(events.since)
    before = None if events.before is None else compute(events.before)
    where = None if events.where is None else compute(events.where)
    if since is None and before is None and where is None:
        return _by_age(name, within)

    def select(scope: Scope, event: Mapping[str, Value] | None) -> Sequence[EventFact]:
        found = scope.history.matching(name)
        low, high = 0, len(found)
        if not high:
            return _NO_EVENTS
        if within is not None:
            low = bisect_right(found, shifted(scope.now, -within), key=timestamp_of)
        if since is not None:
            start = since(scope, event)
            if not isinstance(start, datetime):
                return _NO_EVENTS
            low = max(low, bisect_left(found, start, key=timestamp_of))
        if before is not None:
            end = before(scope, event)
            if not isinstance(end, datetime):
                return _NO_EVENTS
            high = bisect_left(found, end, key=timestamp_of)
        chosen = found[low:high]
        return chosen if where is None else [fact for fact in chosen if where(scope, fact.properties)]

    return select


def _by_age(name: str, within: timedelta | None) -> Selected:
    if within is None:
        return lambda scope, _event: scope.history.matching(name)
    oldest = -within

    def select(scope: Scope, _event: Mapping[str, Value] | None) -> Sequence[EventFact]:
        found = scope.history.matching(name)
        return found[bisect_right(found, shifted(scope.now, oldest), key=timestamp_of) :]

    return select


def folding(node: tree.Aggregate, select: Selected) -> Computed:
    """Return what computes the aggregate from the events that `select` finds."""
    if node.prop is None:
        return _of_events(node.fold, select)
    prop = node.prop
    if node.fold is Fold.FIRST:
        return lambda scope, event: _property(select(scope, event), 0, prop)
    if node.fold is Fold.LAST:
        return lambda scope, event: _property(select(scope, event), -1, prop)
    make = _OF_VALUES[node.fold]
    return lambda scope, event: make(values_of(select(scope, event), prop))


def _of_events(fold: Fold, select: Selected) -> Computed:
    if fold is Fold.COUNT:
        return lambda scope, event: len(select(scope, event))
    if fold is Fold.DID:
        return lambda scope, event: len(select(scope, event)) > 0
    index = 0 if fold is Fold.FIRST else -1
    return lambda scope, event: _instant(select(scope, event), index)


def _instant(facts: Sequence[EventFact], index: int) -> Value:
    return facts[index].timestamp.astimezone(UTC) if facts else None


def _property(facts: Sequence[EventFact], index: int, prop: tuple[str, ...]) -> Value:
    return dig(facts[index].properties, prop) if facts else None


def values_of(facts: Iterable[EventFact], prop: tuple[str, ...]) -> list[Any]:
    """Return the values of the property; of a list its elements, none left out."""
    found: list[Any] = []
    for fact in facts:
        value = dig(fact.properties, prop)
        if isinstance(value, list):
            found.extend(opened(value))
        elif value is not None:
            found.append(value)
    return found


def _numbers(values: list[Any]) -> list[Number]:
    return [value for value in values if is_number(value)]


def _sum(values: list[Any]) -> Value:
    numbers = _numbers(values)
    return total(numbers) if numbers else None


def _avg(values: list[Any]) -> Value:
    numbers = _numbers(values)
    whole = total(numbers) if numbers else None
    return None if whole is None else divide(whole, len(numbers))


def _min(values: list[Any]) -> Value:
    return min(_numbers(values), default=None)


def _max(values: list[Any]) -> Value:
    return max(_numbers(values), default=None)


def _distinct(values: list[Any]) -> Value:
    by_key = {order_key(value): value for value in reversed(values)}
    return [by_key[key] for key in sorted(by_key)]


def _mode(values: list[Any]) -> Value:
    counts: dict[tuple[int, Any], int] = {}
    by_key: dict[tuple[int, Any], Any] = {}
    for value in values:
        key = order_key(value)
        counts[key] = counts.get(key, 0) + 1
        by_key.setdefault(key, value)
    best = min(counts, key=lambda key: (-counts[key], key), default=None)
    return None if best is None else by_key[best]


_OF_VALUES: dict[Fold, Callable[[list[Any]], Value]] = {
    Fold.SUM: _sum,
    Fold.AVG: _avg,
    Fold.MIN: _min,
    Fold.MAX: _max,
    Fold.VALUES: _distinct,
    Fold.MODE: _mode,
}


def following(node: tree.Sequence, compute: Callable[[tree.Node], Computed]) -> Computed:
    """Return what tells whether the steps ever happened in order, the whole chain taking less than `within`.

    One event serves one step; events of one instant are in their order of arrival.
    """
    names = [step.name for step in node.steps]
    selects = [selecting(step, compute) for step in node.steps]
    within, last = node.within, len(names) - 1

    def happened(scope: Scope, event: Mapping[str, Value] | None) -> Value:
        marked: dict[int, tuple[EventFact, list[int]]] = {}
        for index, select in enumerate(selects):
            facts = select(scope, event)
            if not facts:
                return False
            for fact in facts:
                marked.setdefault(id(fact), (fact, []))[1].append(index)
        # The latest possible start of a chain that has come as far as each step.
        starts: list[datetime | None] = [None] * len(names)
        for fact, steps in sorted(marked.values(), key=lambda mark: _in_order(mark[0])):
            for index in reversed(steps):
                start = fact.timestamp if index == 0 else starts[index - 1]
                known = starts[index]
                if start is None or (known is not None and known >= start):
                    continue
                starts[index] = start
                if index == last and (within is None or fact.timestamp - start < within):
                    return True
        return False

    return happened
