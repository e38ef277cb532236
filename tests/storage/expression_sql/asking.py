"""Asking PostgreSQL and Python the same: random people written to both, one expression judged by each."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from engage.domain.expression import Expression, Scope
from engage.domain.fact import Identifier
from engage.domain.ids import EventId, ProfileId, uuid7
from engage.domain.profile.person import Person
from engage.domain.profile.profile import Event, Profile
from engage.domain.profile.trait_times import TraitTimes
from engage.domain.project_settings import ProjectSettings
from engage.domain.turn.changes import Changes, MembershipChange
from engage.ports.selecting import Given
from engage.storage.expression_sql import Question
from engage.storage.postgres.session import Connection
from engage.storage.postgres.store import PostgresTransaction
from tests.domain.expression.asking import NOW
from tests.domain.expression.sources import AGES

SETTINGS = ProjectSettings()

#: What PostgreSQL can hold: no half characters, no U+0000.
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20),
    st.sampled_from(
        [Decimal("1e400"), Decimal("1e-400"), Decimal("2.50"), Decimal("0.0"), 1772366400, 10**11 + 1]
    ),
    st.sampled_from(["", "a", "b", "A1", " a ", "12.5", "-3", "\u00e9\u0130\u00df", "\U0001f600", "\uffff"]),
    st.sampled_from(
        ["2026-02-27", "2026-03-02T12:00:00Z", "2026-03-01T12:00:00.000001+02:00", "2026-02-30T12:00:00Z"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "at", "n"]), inner, max_size=3)
    ),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "at", "n"]), JSON, max_size=4)


@dataclass(frozen=True, kw_only=True)
class Somebody:
    """A random person: traits, when they changed, events by age, audiences."""

    traits: dict[str, Any]
    changed: timedelta | None = None
    events: Sequence[tuple[str, timedelta, dict[str, Any]]] = ()
    audiences: frozenset[str] = frozenset()
    key: str = "key"


PEOPLE = st.builds(
    Somebody,
    traits=OBJECTS,
    changed=st.none() | AGES,
    events=st.lists(st.tuples(st.sampled_from(["A", "AB", "B"]), AGES, OBJECTS), max_size=6),
    audiences=st.frozensets(st.just("x")),
    key=st.sampled_from(["key", "other", "\u00e9"]),
)


@dataclass
class World:
    """People as both sides know them."""

    persons: dict[ProfileId, Person] = field(default_factory=dict)


def settle(connection: Connection, people: Sequence[Somebody]) -> World:
    """Make these the only people in the database."""
    return settle_persons(connection, [person_of(number, somebody) for number, somebody in enumerate(people)])


def settle_persons(connection: Connection, persons: Sequence[Person]) -> World:
    """Make these the only people in the database."""
    for table in ("event", "membership", "identifier", "profile"):
        connection.execute(f"DELETE FROM {table}")
    PostgresTransaction(connection).write(changes_of(persons))
    connection.commit()
    return World({person.id: person for person in persons})


def changes_of(people: Sequence[Person]) -> Changes:
    """Return what writes these people as they are."""
    changes = Changes()
    for person in people:
        changes.profiles[person.id] = person.profile
        changes.runs.update({run.id: deepcopy(run) for run in person.runs})
        changes.identifiers += [(name, person.id) for name in person.profile.identifiers]
        changes.events += [event for event in person.history.matching("*") if isinstance(event, Event)]
        changes.memberships += [
            MembershipChange(profile=person.id, audience=name, member=True, at=NOW)
            for name in person.audiences
        ]
    return changes


def person_of(number: int, somebody: Somebody) -> Person:
    """Return a random person as the core knows them."""
    key = ProfileId(uuid7(NOW, "somebody", str(number)))
    times = {} if somebody.changed is None else {"a": TraitTimes(NOW, NOW - somebody.changed)}
    profile = Profile(
        id=key,
        bucket_key=somebody.key,
        created_at=NOW,
        lane=0,
        traits={name: value for name, value in somebody.traits.items() if value is not None},
        trait_times=times,
        identifiers=[Identifier("user_id", f"u{number}"), Identifier("user_id", f"v{number}")],
    )
    history = [
        Event(
            id=EventId(f"{number}-{place}"),
            profile=key,
            name=name,
            type="track",
            timestamp=NOW - age,
            received_at=NOW,
            arrival=place,
            properties=properties,
        )
        for place, (name, age, properties) in enumerate(somebody.events)
    ]
    return Person(profile, audiences=set(somebody.audiences), history=history)


def scope_of(person: Person, now: datetime, entry: Mapping[str, Any] | None = None) -> Scope:
    """Return what Python sees."""
    return person.scope(SETTINGS, now, entry=None if entry is None else dict(entry))


Pair = tuple[bool, bool]


def judged(
    connection: Connection,
    expressions: Sequence[Expression],
    now: datetime,
    entry: Mapping[str, Any] | None = None,
) -> dict[ProfileId, list[Pair]]:
    """Return for everybody in the store whether each rule holds surely and maybe, as PostgreSQL says in one statement."""
    question = Question(Given(now=now, settings=SETTINGS, entry=entry))
    conditions = [question.truth(expression.node) for expression in expressions]
    columns = ", ".join(f"{condition.surely}, {condition.maybe}" for condition in conditions)
    people = question.people(lambda column: f"{column} IS NOT NULL")
    text = f"{people} SELECT p.id::text, {columns} FROM {question.source}"
    rows = connection.execute(text.encode(), question.params.values, prepare=False).fetchall()
    connection.rollback()
    return {ProfileId(row[0]): list(zip(row[1::2], row[2::2], strict=True)) for row in rows}


def foreseen(
    connection: Connection, expressions: Sequence[Expression], now: datetime
) -> dict[ProfileId, list[tuple[bool, datetime | None]]]:
    """Return for everybody whether PostgreSQL knows when each rule changes next, and when."""
    question = Question(Given(now=now, settings=SETTINGS))
    moments = [question.next_change(expression.node) for expression in expressions]
    columns = ", ".join("true, NULL" if m is None else f"{m.known}, {m.sql}" for m in moments)
    people = question.people(lambda column: f"{column} IS NOT NULL")
    text = f"{people} SELECT p.id::text, {columns} FROM {question.source}"
    rows = connection.execute(text.encode(), question.params.values, prepare=False).fetchall()
    connection.rollback()
    return {ProfileId(row[0]): list(zip(row[1::2], row[2::2], strict=True)) for row in rows}
