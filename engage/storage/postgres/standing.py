"""Standing: where a person's memberships and timers are, and where the rules want them, as columns of one statement."""

from dataclasses import dataclass, field

from engage.domain.expression.tree import Node
from engage.domain.turn.changes import TimerKind
from engage.ports.selecting import Rules
from engage.storage.expression_sql import Params, Question
from engage.storage.expression_sql.conversions import as_json
from engage.storage.expression_sql.fragments import Sql, all_of, any_of, negated

# Whoever walks through a journey, or may still reach its goal: what changes for them has consequences there.
_IN_A_JOURNEY = "EXISTS (SELECT FROM run r WHERE r.profile_id = p.id AND (r.ended_at IS NULL OR r.goal_until IS NOT NULL))"
_NEVER = "NULL::timestamptz"
_LAST_INSTANT = "timestamptz '9999-12-31 23:59:59.999999+00'"
"""Of the calendar, as Python has it."""


@dataclass(slots=True)
class StandingSql:
    """The columns, in pairs: what the rule says and what is stored."""

    audiences: list[str] = field(default_factory=list)
    timed: list[str] = field(default_factory=list)
    unsure: Sql = "false"
    truths: list[tuple[Sql, Sql]] = field(default_factory=list)
    timers: list[tuple[Sql, Sql]] = field(default_factory=list)

    def query(self, people: Sql, source: Sql) -> Sql:
        """Return the statement; only people who are not as they should be are among its rows."""
        pairs = [*self.truths, *self.timers]
        columns = "".join(f", {wanted} AS w{n}, {there} AS t{n}" for n, (wanted, there) in enumerate(pairs))
        differs = any_of("unsure", *(f"w{n} IS DISTINCT FROM t{n}" for n in range(len(pairs))))
        return (
            f"{people} SELECT * FROM (SELECT p.id, p.lane, {self.unsure} AS unsure{columns} FROM {source}) AS judged"  # noqa: S608 -- ours
            f" WHERE {differs} ORDER BY id"
        )


def standing_sql(question: Question, rules: Rules) -> StandingSql:
    """Return the columns for these rules."""
    asked, unsure = StandingSql(), [_IN_A_JOURNEY] if rules.walking else []
    params = question.params
    for trait in rules.traits:
        unsure.append(_trait_differs(question, trait.name, trait.value.node))
        if trait.value.reads.now:
            moment = question.next_change(trait.value.node)
            there = _timer(params, TimerKind.TRAIT, trait.name)
            wanted = _NEVER if moment is None else moment.sql
            unsure.append(f"({wanted}) IS DISTINCT FROM {there}")
            unsure.append("false" if moment is None else negated(moment.known))
    for audience in rules.audiences:
        assert audience.where is not None
        truth = question.truth(audience.where.node)
        unsure.append(negated(truth.known))
        member = _member(params, audience.name)
        asked.audiences.append(audience.name)
        asked.truths.append((truth.surely, member))
        if audience.name in rules.watched:
            unsure.append(f"({truth.surely} <> {member})")
        if audience.where.reads.now:
            moment = question.next_change(audience.where.node)
            if moment is not None:
                unsure.append(negated(moment.known))
            asked.timed.append(audience.name)
            there = _timer(params, TimerKind.AUDIENCE, audience.name)
            due = (
                _NEVER
                if moment is None
                else f"CASE WHEN {moment.sql} > {_LAST_INSTANT} THEN {_LAST_INSTANT} ELSE {moment.sql} END"
            )
            asked.timers.append((due, there))
    if not rules.walking:
        changes = any_of(*(f"({wanted} <> {member})" for wanted, member in asked.truths))
        unsure.append(all_of(changes, _IN_A_JOURNEY))
    judged = dict(zip(asked.audiences, (wanted for wanted, _ in asked.truths), strict=True))
    unsure += [judged.get(name) or _member(params, name) for name in rules.inside]
    unsure += [negated(judged.get(name) or _member(params, name)) for name in rules.outside]
    unsure += [f"(p.traits -> {params.text(name)}) IS NOT NULL" for name in rules.dated]
    unsure += [_clock(params, name) for name in rules.clocks]
    asked.unsure = any_of(*unsure)
    return asked


def _trait_differs(question: Question, name: str, node: Node) -> Sql:
    value = as_json(question.value(node))
    stored = f"nullif(p.traits -> {question.params.text(name)}, 'null'::jsonb)"
    return any_of(negated(value.known), f"({value.sql} IS DISTINCT FROM {stored})")


def _member(params: Params, audience: str) -> Sql:
    return (
        "EXISTS (SELECT FROM membership m WHERE m.profile_id = p.id"
        f" AND m.audience = {params.text(audience)})"
    )


def _clock(params: Params, journey: str) -> Sql:
    return (
        f"EXISTS (SELECT FROM timer t WHERE t.profile_id = p.id AND t.kind = '{TimerKind.CLOCK}'"
        f" AND starts_with(t.ref, {params.text(journey + '|')}))"
    )


def _timer(params: Params, kind: TimerKind, ref: str) -> Sql:
    return (
        "(SELECT t.due_at FROM timer t WHERE t.profile_id = p.id"  # noqa: S608 -- placeholders
        f" AND t.kind = '{kind}' AND t.ref = {params.text(ref)})"
    )
