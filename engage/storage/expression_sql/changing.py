"""Changing: when the clock alone will change a condition, as SQL — the twin of `engage.domain.expression.change`."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeAlias, TypeGuard

from engage.domain.expression import tree
from engage.domain.expression.numbers import is_number
from engage.domain.expression.tree import Fold, Node, Op
from engage.storage.expression_sql.compiler import Compiler
from engage.storage.expression_sql.folding import Folding, Picked
from engage.storage.expression_sql.fragments import (
    FALSE,
    TRUE,
    Kind,
    Sql,
    Value,
    all_of,
    any_of,
    kept_short,
    negated,
)

#: An instant at which the value may change, NULL for never; None: the clock never changes it, for nobody.
Moment: TypeAlias = Value | None

_SOME_TIME = Value(sql="NULL::timestamptz", kind=Kind.INSTANT, known=FALSE)
_TICK = timedelta(microseconds=1)
_TURNED = {Op.LT: Op.GT, Op.GT: Op.LT, Op.LE: Op.GE, Op.GE: Op.LE}


class Changing:
    """Compiles the next change of expressions of one statement."""

    def __init__(self, compiler: Compiler, folding: Folding) -> None:
        """Use the compiler and the columns of that statement."""
        self._compiler, self._folding = compiler, folding
        self._now = compiler.params.instant(compiler.now)

    def of(self, node: Node) -> Moment:
        """Return the next change of `node`."""
        match node:
            case tree.Clock():
                return _SOME_TIME
            case tree.Both():
                return self._joint(node.items, ends_on=False)
            case tree.Either():
                return self._joint(node.items, ends_on=True)
            case tree.Choice():
                return self._choice(node)
            case tree.Compare():
                return self._compare(node)
            case tree.Aggregate():
                return self._events(node.events, self._last_one if node.fold is Fold.DID else self._first_one)
            case tree.Sequence():
                return _earliest([self._events(step, self._first_one) for step in node.steps])
            case _:
                return _earliest([self.of(child) for child in tree.children(node)])

    def _joint(self, items: Sequence[Node], *, ends_on: bool) -> Moment:
        """`and` (`ends_on` false) and `or`: as long as one item decides, only the last of those can change it."""
        changes = [self.of(item) for item in items]
        if all(change is None for change in changes):
            return None
        truths = [self._compiler.truth(item) for item in items]
        decides = [truth.surely if ends_on else negated(truth.maybe) for truth in truths]
        never = Value(sql="NULL::timestamptz", kind=Kind.INSTANT)
        moments = [never if change is None else change for change in changes]
        pairs = list(zip(decides, moments, strict=True))
        stuck = any_of(*(all_of(d, TRUE if m is never else f"({m.sql}) IS NULL") for d, m in pairs))
        latest = ", ".join(f"CASE WHEN {d} THEN {m.sql} END" for d, m in pairs if m is not never)
        sql = (
            f"(CASE WHEN NOT {any_of(*decides)} THEN {_least([m for _, m in pairs if m is not never])}"
            f" WHEN {stuck} THEN NULL ELSE greatest({latest}) END)"
        )
        known = all_of(*(truth.known for truth in truths), *(moment.known for moment in moments))
        return kept_short(Value(sql=sql, kind=Kind.INSTANT, known=known))

    def _choice(self, node: tree.Choice) -> Moment:
        condition, then, otherwise = self.of(node.condition), self.of(node.then), self.of(node.otherwise)
        if condition is None and then is None and otherwise is None:
            return None
        truth = self._compiler.truth(node.condition)
        branches = ["NULL::timestamptz" if branch is None else branch.sql for branch in (then, otherwise)]
        picked = Value(
            sql=f"(CASE WHEN {truth.surely} THEN {branches[0]} ELSE {branches[1]} END)",
            kind=Kind.INSTANT,
            known=all_of(truth.known, *(branch.known for branch in (then, otherwise) if branch is not None)),
        )
        return _earliest([condition, kept_short(picked)])

    def _compare(self, node: tree.Compare) -> Moment:
        left, right = node.left, node.right
        if isinstance(left, tree.Clock) and isinstance(right, tree.Clock):
            return None
        if isinstance(left, tree.Clock):
            return self._against_clock(right, left.shift)
        if isinstance(right, tree.Clock):
            return self._against_clock(left, right.shift)
        for counted, limit, op in ((left, right, node.op), (right, left, _TURNED.get(node.op, node.op))):
            if _is_count(counted) and isinstance(limit, tree.Literal):
                return self._events(counted.events, self._compared(op, limit.value))
        return _earliest([self.of(left), self.of(right)])

    def _against_clock(self, node: Node, shift: timedelta) -> Moment:
        change, instant = self.of(node), self._compiler.value(node)
        if instant.kind is not Kind.INSTANT:
            passing = Value(sql="NULL::timestamptz", kind=Kind.INSTANT, known=instant.known)
        else:
            sql = self._next(f"({instant.sql} - {self._span(shift)})")
            passing = kept_short(Value(sql=sql, kind=Kind.INSTANT, known=instant.known))
        return _earliest([change, passing])

    def _next(self, reached: Sql) -> Sql:
        """Return the first of an instant and the tick after it that lies after now."""
        tick = self._span(_TICK)
        return (
            f"(CASE WHEN {reached} > {self._now} THEN {reached}"
            f" WHEN {reached} + {tick} > {self._now} THEN {reached} + {tick} END)"
        )

    def _span(self, by: timedelta) -> Sql:
        return self._compiler.params.add(by, "interval")

    def _events(self, events: tree.Events, gone: "Gone") -> Moment:
        """Return when an event comes into or falls out of the window, so that it makes a difference."""
        bounds = [bound for bound in (events.since, events.before) if bound is not None]
        clocks = [bound for bound in bounds if isinstance(bound, tree.Clock)]
        moving = any(self.of(bound) is not None for bound in bounds if not isinstance(bound, tree.Clock))
        if moving or (events.where is not None and self.of(events.where) is not None):
            return _SOME_TIME
        if not clocks:
            return self._closing(events, gone)
        return self._sliding(events, clocks)

    def _closing(self, events: tree.Events, gone: "Gone") -> Moment:
        """Only `within` moves: events fall out one by one, the oldest first."""
        if events.within is None:
            return None
        picked = self._folding.pick(events, self._compiler)
        if picked is None:
            return _SOME_TIME
        leaves = gone(picked)
        if leaves is None:
            return Value(sql="NULL::timestamptz", kind=Kind.INSTANT)
        sql = f"({leaves} + {self._span(events.within)})"
        return kept_short(Value(sql=sql, kind=Kind.INSTANT, known=self._folding.known(picked)))

    def _sliding(self, events: tree.Events, clocks: Sequence[tree.Clock]) -> Moment:
        """`since` or `before` move with the clock: every event is looked at."""
        free = tree.Events(events.at, events.name, within=events.within, where=events.where)
        picked = self._folding.pick(free, self._compiler)
        if picked is None:
            return _SOME_TIME
        # The window itself must not narrow what the pass reads: an event may still come into it.
        earliest = min(clock.shift for clock in clocks) - _TICK
        self._folding.pick(
            tree.Events(events.at, events.name, since=tree.Clock(events.at, earliest, "ago")), self._compiler
        )
        crossings = [self._next(f"(e.timestamp - {self._span(clock.shift)})") for clock in clocks]
        if events.within is not None:
            crossings.append(f"(e.timestamp + {self._span(events.within)})")
        sql = self._folding.column(f"min(least({', '.join(crossings)})) FILTER (WHERE {picked.surely})")
        return kept_short(Value(sql=sql, kind=Kind.INSTANT, known=self._folding.known(picked)))

    def _first_one(self, picked: Picked) -> Sql:
        return self._folding.instants(picked, "min")

    def _last_one(self, picked: Picked) -> Sql:
        return self._folding.instants(picked, "max")

    def _compared(self, op: Op, limit: object) -> "Gone":
        """Return which event must go before a count compares otherwise with a limit."""

        def gone(picked: Picked) -> Sql | None:
            if not is_number(limit) or op in (Op.IN, Op.NOT_IN):
                return None  # it compares the same with any number of events
            count, whole = self._folding.count(picked), limit == int(limit)
            # How many may be left at most for the comparison to turn out otherwise.
            left = int(limit // 1)
            match op:
                case Op.EQ | Op.NE:
                    if not whole:
                        return None
                    turned = (
                        f"CASE WHEN {count} > {left} THEN {left} WHEN {count} = {left} THEN {left - 1} END"
                    )
                case Op.GT | Op.LE:
                    turned = f"CASE WHEN {count} > {left} THEN {left} END"
                case _:
                    fewer = left - 1 if whole else left
                    turned = f"CASE WHEN {count} > {fewer} THEN {fewer} END"
            return self._folding.nth(
                picked, f"(CASE WHEN ({turned}) >= 0 THEN {count} - ({turned}) END)::integer"
            )

        return gone


#: Says which of the events that match must fall out of the window first, by its instant; None: none ever matters.
Gone: TypeAlias = Callable[[Picked], Sql | None]


def _is_count(node: Node) -> TypeGuard[tree.Aggregate]:
    return isinstance(node, tree.Aggregate) and node.fold is Fold.COUNT


def _earliest(moments: Sequence[Moment]) -> Moment:
    found = [moment for moment in moments if moment is not None]
    if len(found) <= 1:
        return found[0] if found else None
    known = all_of(*(moment.known for moment in found))
    return kept_short(Value(sql=_least(found), kind=Kind.INSTANT, known=known))


def _least(moments: Sequence[Value]) -> Sql:
    return f"least({', '.join(moment.sql for moment in moments)})"
