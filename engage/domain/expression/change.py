"""When the clock alone can change a value: windows that close, instants that are passed.

What is computed here may be too early, never too late, so that one timer per expression, planned again when it fires,
keeps the value true without polling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from engage.domain.expression import tree
from engage.domain.expression.evaluate import compare_values, compute
from engage.domain.expression.functions import selecting, shifted
from engage.domain.expression.scope import EventFact, Scope, Value
from engage.domain.expression.tree import Fold, Node, Op

_Event = Mapping[str, Value] | None
#: Returns the earliest instant after the scope's now at which the value may change; None: never.
Change: TypeAlias = Callable[[Scope, _Event], datetime | None]

_TICK = timedelta(microseconds=1)
_ZERO = timedelta(0)


def change_of(node: Node) -> Change | None:
    """Return what tells the next change of `node`; None if the clock never changes it."""
    match node:
        case tree.Clock():
            return lambda scope, _event: shifted(scope.now, _TICK)
        case tree.Both():
            return _joint(node.items, ends_on=False)
        case tree.Either():
            return _joint(node.items, ends_on=True)
        case tree.Choice():
            return _choice(node)
        case tree.Compare():
            return _compare(node)
        case tree.Aggregate():
            return _events(node.events, _until_fewer(node.fold) if node.fold is Fold.DID else None)
        case tree.Sequence():
            return _earliest([change for step in node.steps if (change := _events(step, None))])
        case _:
            return _earliest(_changes(tree.children(node)))


def _changes(nodes: Iterable[Node]) -> list[Change]:
    return [change for node in nodes if (change := change_of(node)) is not None]


def _earliest(changes: Sequence[Change]) -> Change | None:
    if len(changes) <= 1:
        return changes[0] if changes else None
    return lambda scope, event: _min(change(scope, event) for change in changes)


def _min(instants: Iterable[datetime | None]) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _joint(items: Sequence[Node], *, ends_on: bool) -> Change | None:
    """`and` (`ends_on` false) and `or` (true): as long as one item decides, only the last of those can change it."""
    changes = [change_of(item) for item in items]
    if not any(changes):
        return None
    pairs = list(zip([compute(item) for item in items], changes, strict=True))

    def joint(scope: Scope, event: _Event) -> datetime | None:
        deciding = [change for value, change in pairs if bool(value(scope, event)) is ends_on]
        if not deciding:
            return _min(change(scope, event) for _, change in pairs if change is not None)
        latest: datetime | None = None
        for change in deciding:
            instant = None if change is None else change(scope, event)
            if instant is None:
                return None
            latest = instant if latest is None else max(latest, instant)
        return latest

    return joint


def _choice(node: tree.Choice) -> Change | None:
    condition, then, otherwise = change_of(node.condition), change_of(node.then), change_of(node.otherwise)
    if condition is None and then is None and otherwise is None:
        return None
    is_then = compute(node.condition)

    def choice(scope: Scope, event: _Event) -> datetime | None:
        branch = then if is_then(scope, event) else otherwise
        return _min(change(scope, event) for change in (condition, branch) if change is not None)

    return choice


def _compare(node: tree.Compare) -> Change | None:
    if isinstance(node.left, tree.Clock) and isinstance(node.right, tree.Clock):
        return None
    if isinstance(node.left, tree.Clock):
        return _against_clock(node.right, node.left.shift)
    if isinstance(node.right, tree.Clock):
        return _against_clock(node.left, node.right.shift)
    for counted, limit, is_left in ((node.left, node.right, True), (node.right, node.left, False)):
        if (
            isinstance(counted, tree.Aggregate)
            and counted.fold is Fold.COUNT
            and isinstance(limit, tree.Literal)
        ):
            return _events(counted.events, _until_compared(node.op, limit.value, is_left=is_left))
    return _earliest(_changes((node.left, node.right)))


def _against_clock(other: Node, shift: timedelta) -> Change:
    """`instant <op> now + shift`: the clock reaches the instant once, and has passed it one tick later."""
    instant_of, change = compute(other), change_of(other)

    def passing(scope: Scope, event: _Event) -> datetime | None:
        instants = [] if change is None else [change(scope, event)]
        instant = instant_of(scope, event)
        if isinstance(instant, datetime):
            instants.append(_next(scope.now, shifted(instant, -shift)))
        return _min(instants)

    return passing


def _next(now: datetime, reached: datetime) -> datetime | None:
    """Return the first of `reached` and the tick after it that lies after now."""
    if reached > now:
        return reached
    passed = shifted(reached, _TICK)
    return passed if passed > now else None


#: Whether a number of events gives another value than the number there is now.
_Differs: TypeAlias = Callable[[int, int], bool]


def _until_fewer(_fold: Fold) -> _Differs:
    return lambda count, present: (count > 0) != (present > 0)


def _until_compared(op: Op, limit: Value, *, is_left: bool) -> _Differs:
    def holds(count: int) -> bool:
        return compare_values(op, count, limit) if is_left else compare_values(op, limit, count)

    return lambda count, present: holds(count) != holds(present)


def _always(_count: int, _present: int) -> bool:
    return True


def _events(events: tree.Events, differs: _Differs | None) -> Change | None:
    """Return the change of an aggregate over `events`: when one of them comes into or falls out of the window."""
    bounds = [bound for bound in (events.since, events.before) if bound is not None]
    clocks = [bound for bound in bounds if isinstance(bound, tree.Clock)]
    moving = _changes([bound for bound in bounds if not isinstance(bound, tree.Clock)])
    where = None if events.where is None else change_of(events.where)
    if not clocks and where is None:
        return _closing(events, moving, differs or _always)
    return _sliding(events, clocks, moving, where)


def _closing(events: tree.Events, moving: Sequence[Change], differs: _Differs) -> Change | None:
    """Only `within` moves: events fall out one by one, the oldest first."""
    others = _earliest(moving)
    if events.within is None:
        return others
    within, select = events.within, selecting(events, compute)

    def closing(scope: Scope, event: _Event) -> datetime | None:
        other = None if others is None else others(scope, event)
        facts = select(scope, event)
        for gone, fact in enumerate(facts, start=1):
            if differs(len(facts) - gone, len(facts)):
                return _min((other, shifted(fact.timestamp, within)))
        return other

    return closing


def _sliding(
    events: tree.Events, clocks: Sequence[tree.Clock], moving: Sequence[Change], where: Change | None
) -> Change:
    """`since` or `before` move with the clock, or the condition does: every event is looked at."""
    name, within = events.name, events.within
    condition = None if events.where is None else compute(events.where)

    def of_fact(scope: Scope, fact: EventFact) -> Iterable[datetime | None]:
        if within is not None:
            leaves = shifted(fact.timestamp, within)
            if leaves <= scope.now:
                return
            yield leaves
        for clock in clocks:
            yield _next(scope.now, shifted(fact.timestamp, -clock.shift))
        if where is not None:
            yield where(scope, fact.properties)

    def sliding(scope: Scope, event: _Event) -> datetime | None:
        instants = [change(scope, event) for change in moving]
        for fact in scope.history.matching(name):
            if where is None and condition is not None and not condition(scope, fact.properties):
                continue
            instants.extend(of_fact(scope, fact))
        return _min(instants)

    return sliding
