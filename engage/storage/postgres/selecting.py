"""Selecting in PostgreSQL: rules judged for many people in one statement."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from engage.domain.expression import Expression
from engage.domain.ids import ProfileId
from engage.ports.selecting import Given, Holding, Rules, Standing, Stretch
from engage.storage.expression_sql import Params, Question
from engage.storage.expression_sql.question import Among
from engage.storage.postgres.session import Session, uuids
from engage.storage.postgres.standing import StandingSql, standing_sql

_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"
_STRETCH = """
SELECT (array_agg(id ORDER BY id DESC))[1], count(*)
FROM (SELECT id FROM profile WHERE id > %s::uuid ORDER BY id LIMIT %s) AS next
"""
_UPTO = "SELECT count(*) FROM profile WHERE id > %s::uuid AND id <= %s::uuid"
_MEMBERS = """
SELECT profile_id FROM membership WHERE audience = %s AND profile_id > %s::uuid ORDER BY profile_id LIMIT %s
"""
# The unique index of active runs, by ranges of people.
_WALKING = """
SELECT DISTINCT profile_id FROM run
WHERE profile_id > %s::uuid AND profile_id <= %s::uuid AND journey = %s AND ended_at IS NULL ORDER BY profile_id
"""
_SIZE = "SELECT greatest(reltuples, 0), relpages FROM pg_class WHERE oid = 'profile'::regclass"
# Many pages, and of each only some rows: neighbours in a page came at the same time and are alike.
_SAMPLE = """
SELECT id FROM profile TABLESAMPLE SYSTEM (%s)
WHERE mod(hashtext(id::text)::bigint + 2147483648, 1000000) < %s LIMIT %s
"""
_EVERYBODY = "SELECT id FROM profile ORDER BY id LIMIT %s"
_PAGES_A_SAMPLE = 6_000
_NOT_MANY_MORE = 2
_AT_ONCE = 50
"""Audiences of one statement."""


class PostgresSelection:
    """People by rule."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def stretch(self, after: ProfileId | None, limit: int) -> Stretch | None:
        """Return the next people in the order of their ids; None: there are none."""
        [(last, people)] = self._session.rows(_STRETCH, after or _BEFORE_ALL, limit)
        return None if not people else Stretch(after=after, upto=ProfileId(last), people=people)

    def upto(self, after: ProfileId | None, last: ProfileId) -> Stretch:
        """Return the people after one, up to another."""
        people = self._session.one(_UPTO, after or _BEFORE_ALL, last)
        return Stretch(after=after, upto=last, people=people)

    def members(self, audience: str, after: ProfileId | None, limit: int) -> list[ProfileId]:
        """Return the next members of an audience, in the order of their ids."""
        rows = self._session.rows(_MEMBERS, audience, after or _BEFORE_ALL, limit)
        return [profile for (profile,) in rows]

    def candidates(self, rule: Expression, given: Given, among: Stretch) -> list[ProfileId]:
        """Return those for whom the rule may hold, in the order of their ids."""
        question = Question(given)
        maybe = question.truth(rule.node).maybe
        people = question.people(_among(question.params, among))
        text = f"{people} SELECT p.id FROM {question.source} WHERE {maybe} ORDER BY p.id"  # noqa: S608 -- ours
        return [profile for (profile,) in self._session.asked(text, question.params.values)]

    def walking(self, journey: str, among: Stretch) -> list[ProfileId]:
        """Return those who are in a journey now, in the order of their ids."""
        rows = self._session.rows(_WALKING, among.after or _BEFORE_ALL, among.upto, journey)
        return [profile for (profile,) in rows]

    def standings(self, rules: Rules, given: Given, among: Stretch | Collection[ProfileId]) -> list[Standing]:
        """Return whoever is not as the rules ask for, in the order of their ids."""
        found: dict[ProfileId, Standing] = {}
        for some in _slices(rules):
            question = Question(given)
            asked = standing_sql(question, some)
            people = question.people(_among(question.params, among))
            for row in self._session.asked(asked.query(people, question.source), question.params.values):
                standing = _standing(asked, row)
                known = found.get(standing.profile)
                found[standing.profile] = standing if known is None else _together(known, standing)
        return [found[profile] for profile in sorted(found)]

    def sample(self, size: int) -> list[ProfileId]:
        """Return some people at random, about `size`; everybody, if there are not many more."""
        [(people, pages)] = self._session.rows(_SIZE)
        if people < size * _NOT_MANY_MORE:
            rows = self._session.rows(_EVERYBODY, size * _NOT_MANY_MORE + 1)
            if len(rows) <= size * _NOT_MANY_MORE:
                return [profile for (profile,) in rows]
            people = max(people, len(rows))
        share = min(1.0, _PAGES_A_SAMPLE / max(pages, 1))
        of_these = min(1.0, size / (people * share))
        rows = self._session.rows(_SAMPLE, 100 * share, round(1_000_000 * of_these), size * _NOT_MANY_MORE)
        return sorted(profile for (profile,) in rows)

    def holding(
        self, rules: Sequence[Expression], given: Given, among: Stretch | Collection[ProfileId]
    ) -> list[Holding]:
        """Return for whom each rule holds."""
        if not rules:
            return []
        question = Question(given)
        truths = [question.truth(rule.node) for rule in rules]
        columns = ", ".join(f"{truth.surely}, {truth.maybe}" for truth in truths)
        people = question.people(_among(question.params, among))
        text = f"{people} SELECT p.id, {columns} FROM {question.source}"  # noqa: S608 -- ours
        surely: list[set[ProfileId]] = [set() for _ in rules]
        perhaps: list[set[ProfileId]] = [set() for _ in rules]
        for profile, *answers in self._session.asked(text, question.params.values):
            for index, (sure, maybe) in enumerate(zip(answers[::2], answers[1::2], strict=True)):
                if maybe:
                    (surely if sure else perhaps)[index].add(profile)
        return [
            Holding(frozenset(sure), frozenset(maybe)) for sure, maybe in zip(surely, perhaps, strict=True)
        ]


def _slices(rules: Rules) -> Iterator[Rules]:
    """Yield the rules some at a time: one statement has no room for the columns of hundreds."""
    yield replace(rules, audiences=rules.audiences[:_AT_ONCE])
    for start in range(_AT_ONCE, len(rules.audiences), _AT_ONCE):
        some = rules.audiences[start : start + _AT_ONCE]
        yield replace(rules, audiences=some, traits=(), inside=(), outside=())


def _together(one: Standing, other: Standing) -> Standing:
    if one.unsure or other.unsure:
        return one if one.unsure else other
    return replace(one, members={**one.members, **other.members}, due={**one.due, **other.due})


def _among(params: Params, among: Stretch | Collection[ProfileId]) -> Among:
    if isinstance(among, Stretch):
        after = params.add(among.after or _BEFORE_ALL, "uuid")
        upto = params.add(among.upto, "uuid")
        return lambda column: f"{column} > {after} AND {column} <= {upto}"
    wanted = params.add(uuids(among), "uuid[]")
    return lambda column: f"{column} = ANY({wanted})"


def _standing(asked: StandingSql, row: tuple[Any, ...]) -> Standing:
    profile, lane, unsure, *cells = row
    if unsure:
        return Standing(profile=ProfileId(profile), lane=lane, unsure=True)
    members: dict[str, bool] = {}
    due: dict[str, datetime | None] = {}
    for audience, (holds, member) in zip(
        asked.audiences, _pairs(cells[: 2 * len(asked.audiences)]), strict=True
    ):
        if holds is not member:
            members[audience] = holds
    for audience, (planned, known) in zip(
        asked.timed, _pairs(cells[2 * len(asked.audiences) :]), strict=True
    ):
        if planned != known:
            due[audience] = planned
    return Standing(profile=ProfileId(profile), lane=lane, unsure=False, members=members, due=due)


def _pairs(cells: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(cells[::2], cells[1::2], strict=True))
