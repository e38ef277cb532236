"""Question: one statement that judges rules for many people at once."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from engage.domain.expression.tree import Node
from engage.ports.selecting import Given
from engage.storage.expression_sql.changing import Changing, Moment
from engage.storage.expression_sql.compiler import Compiler
from engage.storage.expression_sql.folding import Folding
from engage.storage.expression_sql.fragments import Condition, Params, Sql, Value, any_of

#: Says which people are asked about, as a condition on the column that holds a profile's id.
Among: TypeAlias = Callable[[Sql], Sql]

_PERSON = re.compile(r"\bp\.")


@dataclass(slots=True)
class Question:
    """Collects conditions and values, then says how to ask for them: `WITH` what, `FROM` where."""

    given: Given
    params: Params = field(default_factory=Params)
    folding: Folding = field(default_factory=Folding)

    def truth(self, node: Node) -> Condition:
        """Return whether a rule holds for person `p`."""
        return self._compiler.truth(node)

    def value(self, node: Node) -> Value:
        """Return the value of an expression for person `p`."""
        return self._compiler.value(node)

    def next_change(self, node: Node) -> Moment:
        """Return when the clock alone will change an expression for person `p`; None: for nobody, ever."""
        return Changing(self._compiler, self.folding).of(node)

    @property
    def _compiler(self) -> Compiler:
        return Compiler(self.given, self.params, self.folding)

    def people(self, among: Among) -> Sql:
        """Return the common table expressions that `source` names. Only after every condition was asked for.

        The events of these people are read once, whatever the number of rules and aggregates.
        """
        person = (
            "person AS MATERIALIZED (SELECT id, lane, bucket_key, traits, trait_times FROM profile"
            f" WHERE {among('id')})"
        )
        if not self.folding.columns:
            return f"WITH {person}"
        kept, with_kept = self._kept(among), ""
        if kept:
            with_kept = " LEFT JOIN kept k ON k.id = e.profile_id"
        made = ", ".join(f"{sql} AS {name}" for sql, name in self.folding.columns.items())
        looks_at_people = any(_PERSON.search(sql) for sql in self.folding.columns)
        source = "event e JOIN person p ON p.id = e.profile_id" if looks_at_people else "event e"
        return (
            f"WITH {person}{kept}, fact AS (SELECT e.profile_id AS id, {made} FROM {source}{with_kept}"
            f" WHERE {among('e.profile_id')} AND e.type <> 'reserved' AND {self._read()} GROUP BY e.profile_id)"
        )

    @property
    def source(self) -> Sql:
        """What stands after FROM."""
        facts = " LEFT JOIN fact f ON f.id = p.id" if self.folding.columns else ""
        return (
            "person p" + facts + (" LEFT JOIN kept k ON k.id = p.id" if facts and self.folding.kept else "")
        )

    def _kept(self, among: Among) -> Sql:
        """Return the common table expression of what aggregates keep of these people, a column each."""
        if not self.folding.kept:
            return ""
        columns: list[Sql] = []
        for key, kept in self.folding.kept.items():
            named = f"FILTER (WHERE key = {self.params.text(key)})"
            upto, state = kept.upto.removeprefix("k."), kept.state.removeprefix("k.")
            columns.append(f"max(upto) {named} AS {upto}, (array_agg(state) {named})[1] AS {state}")
        return (
            f", kept AS MATERIALIZED (SELECT profile_id AS id, {', '.join(columns)} FROM fold"
            f" WHERE {among('profile_id')} GROUP BY profile_id)"
        )

    def _read(self) -> Sql:
        """Return which events are read at all."""
        return any_of(
            *(
                name if oldest is None else f"({name} AND e.timestamp >= {self.params.instant(oldest)})"
                for name, oldest in self.folding.names.items()
            )
        )
