"""Folding: every aggregate of a statement becomes a column of one pass over the events of the people in question."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from engage.domain.expression import tree
from engage.domain.expression.functions import shifted
from engage.domain.expression.scope import WILDCARD
from engage.domain.expression.states import key_of
from engage.domain.expression.tree import Fold, Node
from engage.ports.storage import StorageRefusedError
from engage.storage.expression_sql.conversions import is_none, operand, seen_as
from engage.storage.expression_sql.filters import quotient
from engage.storage.expression_sql.fragments import (
    FALSE,
    PERHAPS,
    TRUE,
    UNKNOWN,
    Condition,
    Kind,
    Params,
    Sql,
    Value,
    all_of,
    any_of,
    both,
    negated,
    where_known,
)
from engage.storage.text_order import after_prefix

_OF_NUMBERS = {Fold.SUM: "sum", Fold.MIN: "min", Fold.MAX: "max"}


class OfEvents(Protocol):
    """What folding needs of the compiler."""

    def of_event(self) -> "OfEvents":
        """Return the compiler of conditions on single events."""

    def truth(self, node: Node) -> Condition:
        """Return whether the value of a node is true."""

    def value(self, node: Node) -> Value:
        """Return the value of a node."""

    @property
    def now(self) -> datetime:
        """The clock."""

    @property
    def params(self) -> Params:
        """The parameters of the statement."""


@dataclass(frozen=True, slots=True)
class Picked:
    """Which events an aggregate is about: by name, and as a condition on each."""

    named: Sql
    matches: Condition

    @property
    def surely(self) -> Sql:
        """Events that count, where all are known."""
        return all_of(self.named, self.matches.surely)

    @property
    def maybe(self) -> Sql:
        """Events that may count."""
        return all_of(self.named, self.matches.maybe)

    @property
    def unsure(self) -> Sql:
        """Events of which SQL does not know whether they count."""
        return FALSE if self.matches.exact else all_of(self.maybe, negated(self.matches.surely))


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept (`k`) of the events that an aggregate has counted; its columns are NULL where nothing is."""

    upto: Sql
    state: Sql

    @property
    def later(self) -> Condition:
        """Return whether an event is none of those."""
        return Condition.exactly(f"({self.upto} IS NULL OR e.timestamp > {self.upto})")

    @property
    def many(self) -> Sql:
        """How many there were."""
        return f"coalesce(({self.state} ->> 'n')::bigint, 0)"

    @property
    def number(self) -> Sql:
        """The number that was made of them."""
        return f"({self.state} ->> 'v')::numeric"

    @property
    def at(self) -> Sql:
        """When the one that matters happened."""
        return f"({self.state} ->> 'at')::timestamptz"

    @property
    def value(self) -> Sql:
        """The value of that one."""
        return f"nullif({self.state} -> 'v', 'null'::jsonb)"

    def added(self, column: Sql) -> Sql:
        """Return the sum of both; NULL is the sum of nothing."""
        return f"coalesce({column} + {self.number}, {column}, {self.number})"

    @property
    def out_of_bounds(self) -> Sql:
        """Whether their sum is beyond what arithmetic is exact in: a sum of nothing is 0 here."""
        return f"({self.state} IS NOT NULL AND {self.number} IS NULL)"


@dataclass(slots=True)
class Folding:
    """Collects the columns, and which events the pass must read."""

    columns: dict[Sql, str] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    """What aggregates keep, by key."""
    names: dict[Sql, datetime | None] = field(default_factory=dict)
    """Conditions on an event's name, each with the oldest instant that matters (none: all)."""

    def column(self, sql: Sql) -> Sql:
        """Return the name of a column; equal ones are computed once."""
        return "f." + self.columns.setdefault(sql, f"a{len(self.columns)}")

    def did(self, node: tree.Aggregate, compiler: OfEvents) -> Condition:
        """Return whether any event matches."""
        kept = self._kept(node)
        picked = self.pick(node.events, compiler, kept)
        if picked is None:
            return PERHAPS
        before = FALSE if kept is None else f"({kept.many} > 0)"
        return Condition(any_of(before, self._any(picked.surely)), any_of(before, self._any(picked.maybe)))

    def sequence(self, node: tree.Sequence, compiler: OfEvents) -> Condition:
        """Return whether a sequence may have happened: every step did; in which order is left to Python."""
        steps = [self.pick(step, compiler) for step in node.steps]
        return Condition(FALSE, all_of(*(self._any(step.maybe) for step in steps if step is not None)))

    def value(self, node: tree.Aggregate, compiler: OfEvents) -> Value:
        """Return the value of an aggregate."""
        kept = self._kept(node)
        picked = self.pick(node.events, compiler, kept)
        if picked is None:
            return UNKNOWN
        if node.prop is None:
            return self._of_events(node.fold, picked, kept)
        prop = compiler.of_event().value(tree.Path(node.at, tree.Root.EVENT, node.prop))
        if node.fold in (Fold.FIRST, Fold.LAST):
            return self._edge(node.fold, picked, prop, kept)
        return self._of_values(node.fold, picked, prop, kept)

    def _kept(self, node: tree.Aggregate) -> Kept | None:
        key = key_of(node)
        if key is None:
            return None
        number = len(self.kept)
        return self.kept.setdefault(key, Kept(f"k.u{number}", f"k.s{number}"))

    def pick(self, events: tree.Events, compiler: OfEvents, kept: Kept | None = None) -> Picked | None:
        """Return the events that an aggregate is about; None if PostgreSQL cannot hold their name."""
        params, inner = compiler.params, compiler.of_event()
        try:
            named = _named(params, events.name)
        except StorageRefusedError:
            return None
        conditions: list[Condition] = [] if kept is None else [kept.later]
        oldest: datetime | None = None
        if events.within is not None:
            oldest = shifted(compiler.now, -events.within)
            conditions.append(Condition.exactly(f"(e.timestamp > {params.instant(oldest)})"))
        if events.since is not None:
            conditions.append(_bound(inner.value(events.since), ">="))
            if isinstance(events.since, tree.Clock):
                start = shifted(compiler.now, events.since.shift)
                oldest = start if oldest is None else max(oldest, start)
        if events.before is not None:
            conditions.append(_bound(inner.value(events.before), "<"))
        if events.where is not None:
            conditions.append(inner.truth(events.where))
        known = self.names.get(named, oldest)
        self.names[named] = None if known is None or oldest is None else min(known, oldest)
        return Picked(named, both(*conditions))

    def instants(self, picked: Picked, fold: str) -> Sql:
        """Return the first (`min`) or last (`max`) instant of the events that match."""
        return self.column(f"{fold}(e.timestamp) FILTER (WHERE {picked.surely})")

    def nth(self, picked: Picked, place: Sql) -> Sql:
        """Return the instant of the event at a place, from 1, in the order of time."""
        ordered = self.column(f"array_agg(e.timestamp ORDER BY e.timestamp) FILTER (WHERE {picked.surely})")
        return f"({ordered})[{place}]"

    def count(self, picked: Picked) -> Sql:
        """Return how many events match."""
        return f"coalesce({self.column(f'count(*) FILTER (WHERE {picked.surely})')}, 0)"

    def known(self, picked: Picked) -> Sql:
        """Return where it is known of every event whether it matches."""
        return negated(self._any(picked.unsure))

    def _any(self, condition: Sql) -> Sql:
        if condition == FALSE:
            return FALSE
        return f"coalesce({self.column(f'bool_or({condition})')}, false)"

    def _of_events(self, fold: Fold, picked: Picked, kept: Kept | None) -> Value:
        known = self.known(picked)
        if fold is Fold.COUNT:
            count = self.count(picked) if kept is None else f"({self.count(picked)} + {kept.many})"
            return Value(sql=f"{count}::numeric", kind=Kind.NUMBER, known=known, small=True)
        edge = self.instants(picked, "min" if fold is Fold.FIRST else "max")
        if kept is not None:
            edge = f"{'least' if fold is Fold.FIRST else 'greatest'}({edge}, {kept.at})"
        return Value(sql=edge, kind=Kind.INSTANT, known=known)

    def _edge(self, fold: Fold, picked: Picked, prop: Value, kept: Kept | None) -> Value:
        """Return the property of the first or the last event."""
        order = "" if fold is Fold.FIRST else " DESC"
        ordered = f"e.timestamp{order}, e.arrival{order}, e.id{order}"

        def of_edge(sql: Sql) -> Sql:
            return (
                f"({self.column(f'array_agg({sql} ORDER BY {ordered}) FILTER (WHERE {picked.surely})')})[1]"
            )

        known = self.known(picked)
        if not prop.is_known:
            known = all_of(known, f"coalesce({of_edge(prop.known)}, true)")
        edge = of_edge(prop.sql)
        if kept is not None:
            # Everything that is kept happened before the events that are read.
            is_kept = f"{kept.at} IS NOT NULL" if fold is Fold.FIRST else f"{self.count(picked)} = 0"
            edge = f"(CASE WHEN {is_kept} THEN {kept.value} ELSE {edge} END)"
        return Value(sql=edge, kind=Kind.JSON, known=known)

    def _of_values(self, fold: Fold, picked: Picked, prop: Value, kept: Kept | None) -> Value:
        """Return what is made of the values of a property; of lists Python takes the elements, and SQL leaves it to it."""
        is_list = f"coalesce(jsonb_typeof({prop.sql}) = 'array', false)"
        doubtful = any_of(negated(prop.known), is_list)
        if fold in (Fold.VALUES, Fold.MODE):
            doubtful = any_of(doubtful, f"coalesce(jsonb_typeof({prop.sql}) = 'object', false)")
        else:
            number = operand(prop)
            doubtful = any_of(doubtful, negated(number.known))
        known = negated(any_of(self._any(picked.unsure), self._any(all_of(picked.surely, doubtful))))
        if fold is Fold.VALUES:
            known = known if kept is None else all_of(known, f"({kept.state} IS NULL)")
            present = all_of(picked.surely, negated(is_none(prop).maybe))
            distinct = self.column(f"jsonb_agg(DISTINCT {prop.sql}) FILTER (WHERE {present})")
            return Value(sql=f"coalesce({distinct}, '[]'::jsonb)", kind=Kind.SET, known=known)
        if fold is Fold.MODE:
            return UNKNOWN
        number = operand(prop)
        filtered = f"FILTER (WHERE {picked.surely})"
        if fold is Fold.AVG:
            return self._average(number, filtered, known, kept)
        made = self.column(f"{_OF_NUMBERS[fold]}({number.sql}) {filtered}")
        if kept is None:
            return Value(sql=made, kind=Kind.NUMBER, known=known)
        if fold is Fold.SUM:
            known = all_of(known, negated(kept.out_of_bounds))
            of_any = f"(CASE WHEN {made} IS NOT NULL OR {kept.many} > 0 THEN {kept.added(made)} END)"
            return Value(sql=of_any, kind=Kind.NUMBER, known=known)
        pick = "least" if fold is Fold.MIN else "greatest"
        return Value(sql=f"{pick}({made}, {kept.number})", kind=Kind.NUMBER, known=known)

    def _average(self, number: Value, filtered: Sql, known: Sql, kept: Kept | None) -> Value:
        whole, count = (
            self.column(f"sum({number.sql}) {filtered}"),
            self.column(f"count({number.sql}) {filtered}"),
        )
        if kept is not None:
            whole, count = kept.added(whole), f"(coalesce({count}, 0) + {kept.many})"
            known = all_of(known, negated(kept.out_of_bounds))
        many = Value(sql=f"{count}::numeric", kind=Kind.NUMBER, small=True)
        made = quotient(Value(sql=whole, kind=Kind.NUMBER, small=True), many)
        return Value(sql=made.sql, kind=Kind.NUMBER, known=known)


def _named(params: Params, name: str) -> Sql:
    if not name.endswith(WILDCARD):
        return f"(e.name = {params.text(name)})"
    prefix = name[: -len(WILDCARD)]
    if not prefix:
        return TRUE
    return f"(e.name >= {params.text(prefix)} AND e.name < {params.text(after_prefix(prefix))})"


def _bound(value: Value, op: str) -> Condition:
    """Return whether an event lies on the right side of an instant; one that is no instant has nothing on any side."""
    instant = seen_as(value, Kind.INSTANT)
    if instant is None:
        return where_known(FALSE, value)
    return where_known(f"coalesce(e.timestamp {op} {instant}, false)", value)
