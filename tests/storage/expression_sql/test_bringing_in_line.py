"""A backfill by SQL writes what a backfill by the core alone writes: memberships, timers, events."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.catalog import Catalog, LiveJourney
from engage.domain.ids import ProfileId, RunId, uuid7
from engage.domain.journey.journey import Journey
from engage.domain.journey.run import Run
from engage.domain.profile.person import Person
from engage.domain.project_settings import ProjectSettings
from engage.engine.publish.backfill import Backfill
from engage.ports.storage import Job, Store
from engage.storage.memory import MemoryStore
from engage.storage.postgres import selecting
from engage.storage.postgres.session import Connection
from tests.domain.expression.asking import DAY, NOW
from tests.domain.expression.sources import AGES, TICKING_SOURCES, TIMED_SOURCES
from tests.storage.conftest import empty
from tests.storage.expression_sql.asking import PEOPLE, Somebody, changes_of, person_of
from tests.storage.expression_sql.test_agreement import PLAIN, PLAIN_PEOPLE, compiled

pytestmark = pytest.mark.live

TOTAL = ComputedTrait.model_validate({"trait": "total", "value": "sum('A', 'n', within='2 days')"})
EXAMPLES = settings().max_examples // 5


def brought_in_line(
    store: Store, people: list[Person], catalogs: list[Catalog], data: list[dict[str, Any]], now: datetime
) -> dict[str, Any]:
    """Write people, let jobs run with one catalog after the other, and return what stands in the tables."""
    with store.transaction() as tx:
        tx.write(changes_of(people))
    for number, (catalog, job) in enumerate(zip(catalogs, data, strict=True)):
        with store.transaction() as tx:
            tx.jobs.save(Job(name=f"backfill:{number}", kind="backfill", data=job))
        room = Backfill(store, lambda _tx, catalog=catalog: catalog)  # type: ignore[misc]  # bound at once
        while (progress := room.turn(f"backfill:{number}", now)) is not None and not progress.finished:
            pass
    return standing_in(store, [person.id for person in people])


def standing_in(store: Store, people: list[ProfileId]) -> dict[str, Any]:
    """Return memberships, timers, events of ours and computed traits."""
    with store.transaction() as tx:
        events = tx.events.history(people, {"Audience Entered": None, "Audience Exited": None})
        return {
            "members": tx.people.memberships(people),
            "timers": {(t.profile, t.kind, t.ref): (t.due_at, t.lane) for t in tx.runs.timers(people)},
            "events": {
                key: sorted((e.id, e.name, e.timestamp, sorted(e.properties.items()), e.epoch) for e in found)
                for key, found in events.items()
            },
            "traits": {key: profile.traits for key, profile in tx.people.lock(people).items()},
            "runs": {
                key: sorted((run.id, run.journey, run.step) for run in found)
                for key, found in tx.runs.open(people, NOW).items()
            },
        }


def audiences(sources: list[str]) -> list[Audience]:
    """Return an audience for each source."""
    return [
        Audience.model_validate({"audience": f"rule-{number}", "where": rule.source})
        for number, rule in enumerate(compiled(sources))
    ]


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=EXAMPLES
)
@given(
    sources=st.lists(
        st.sampled_from([*PLAIN, "in_audience('rule-0')", "profile.total >= 2", "profile.total is none"])
        | TICKING_SOURCES
        | TIMED_SOURCES,
        min_size=1,
        max_size=5,
    ),
    people=st.lists(PEOPLE | PLAIN_PEOPLE, min_size=1, max_size=6),
    computed=st.booleans(),
    later=AGES,
)
def test_sql_and_the_core_write_the_same(
    own_store: Store,
    connection: Connection,
    sources: list[str],
    people: list[Somebody],
    computed: bool,
    later: timedelta,
) -> None:
    rules = audiences(sources)
    assume(rules)
    connection.rollback()
    empty(connection)
    first = Catalog(epoch=1, audiences=rules[:1])
    then = Catalog(epoch=2, audiences=rules, traits=[TOTAL] if computed else [])
    jobs: list[dict[str, Any]] = [
        {"cause": "backfill", "rules": ["rule-0"], "everything": False},
        {"cause": "backfill", "rules": [*(rule.name for rule in rules[1:]), "total"], "everything": False},
    ]
    persons = [person_of(number, somebody) for number, somebody in enumerate(people)]
    by_core = brought_in_line(MemoryStore(), persons, [first, then], jobs, NOW + later)
    assert brought_in_line(own_store, persons, [first, then], jobs, NOW + later) == by_core


CHECKED = Somebody(traits={"a": "x"}, events=[("A", DAY, {"n": 1})])
OTHER = Somebody(traits={"a": "y"})


def test_who_is_inside_already_enters_where_a_journey_takes_them_in(
    own_store: Store, connection: Connection
) -> None:
    connection.rollback()
    empty(connection)
    journey = Journey.model_validate(
        {
            "journey": "welcome",
            "trigger": {"audience": {"entered": "rule-0"}, "existing": "include"},
            "steps": [{"wait": "1 day"}],
        }
    )
    rules = audiences(["profile.a == 'x'"])
    first = Catalog(epoch=1, audiences=rules)
    then = Catalog(epoch=2, audiences=rules, journeys=[LiveJourney(journey, 1)])
    jobs: list[dict[str, Any]] = [
        {"cause": "backfill", "rules": ["rule-0"], "everything": False},
        {"cause": "backfill", "journeys": ["welcome"], "everything": False},
    ]
    people = [person_of(number, somebody) for number, somebody in enumerate([CHECKED, OTHER, CHECKED])]
    by_core = brought_in_line(MemoryStore(), people, [first, then], jobs, NOW)
    by_sql = brought_in_line(own_store, people, [first, then], jobs, NOW)
    assert by_sql == by_core
    assert [len(runs) for runs in by_sql["runs"].values()] == [1, 0, 1]


BIRTHDAY = {"trait": "birthday", "every": "year"}


@pytest.mark.parametrize(
    "trigger",
    [
        {"date": BIRTHDAY},
        {"schedule": {"cron": "0 9 * * mon", "zone": "person", "audience": "rule-0"}},
        {"schedule": {"cron": "0 9 * * mon", "zone": "person"}},
    ],
    ids=["a day of theirs", "an audience's", "everybody's"],
)
def test_clocks_are_wound_for_whom_they_strike_and_follow_the_house_s_zone(
    own_store: Store, connection: Connection, trigger: dict[str, Any]
) -> None:
    connection.rollback()
    empty(connection)
    journey = Journey.model_validate({"journey": "yearly", "trigger": trigger, "steps": [{"wait": "1 day"}]})
    rules, live = audiences(["profile.a == 'x'"]), [LiveJourney(journey, 1)]
    berlin = ProjectSettings.model_validate({"timezone": "Europe/Berlin"})
    catalogs = [
        Catalog(epoch=1, audiences=rules),
        Catalog(epoch=2, audiences=rules, journeys=live),
        Catalog(epoch=3, audiences=rules, journeys=live, settings=berlin),
    ]
    jobs: list[dict[str, Any]] = [
        {"cause": "backfill", "rules": ["rule-0"], "everything": False},
        {"cause": "backfill", "journeys": ["yearly"], "everything": False},
        {"cause": "backfill", "rules": [], "journeys": [], "everything": True},
    ]
    some = [Somebody(traits={"a": "x", "birthday": "1990-05-01"}), Somebody(traits={"a": "y"}), CHECKED]
    people = [person_of(number, somebody) for number, somebody in enumerate(some)]
    wound = {}
    for until in (2, 3):
        connection.rollback()
        empty(connection)
        by_core = brought_in_line(MemoryStore(), people, catalogs[:until], jobs[:until], NOW)
        by_sql = brought_in_line(own_store, people, catalogs[:until], jobs[:until], NOW)
        assert by_sql == by_core
        wound[until] = {place: due for place, (due, _) in by_sql["timers"].items() if place[1] == "clock"}
    assert wound[2]
    assert len(wound[3]) == len(wound[2])
    assert set(wound[3].values()).isdisjoint(wound[2].values()), "the house's clock was moved"


def test_a_second_look_changes_nothing(own_store: Store, connection: Connection) -> None:
    connection.rollback()
    empty(connection)
    rules = audiences(["count('A', within='2 days') >= 1", "profile.a == 'y'"])
    catalog, job = Catalog(epoch=1, audiences=rules), {"cause": "backfill", "everything": True}
    people = [person_of(number, somebody) for number, somebody in enumerate([CHECKED, OTHER])]
    once = brought_in_line(own_store, people, [catalog], [job], NOW)
    assert once["members"] == {people[0].id: {"rule-0"}, people[1].id: {"rule-1"}}
    assert once["timers"] == {(people[0].id, "audience", "rule-0"): (NOW + DAY, 0)}
    with own_store.transaction() as tx:
        tx.jobs.save(Job(name="again", kind="backfill", data=dict(job)))
    progress = Backfill(own_store, lambda _tx: catalog).turn("again", NOW + timedelta(hours=1))
    assert progress is not None
    assert (progress.finished, progress.done) == (True, 2)
    assert standing_in(own_store, [person.id for person in people]) == once


def test_more_audiences_than_one_statement_has_room_for_are_judged(
    own_store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "_AT_ONCE", 2)
    connection.rollback()
    empty(connection)
    rules = audiences(
        [
            "profile.a == 'x'",
            "profile.a == 'y'",
            "did('A', within='2 days')",
            "in_audience('rule-0')",
            "did('A')",
        ]
    )
    catalog, job = Catalog(epoch=1, audiences=rules), {"cause": "backfill", "everything": True}
    people = [person_of(number, somebody) for number, somebody in enumerate([CHECKED, OTHER])]
    by_core = brought_in_line(MemoryStore(), people, [catalog], [job], NOW)
    assert brought_in_line(own_store, people, [catalog], [job], NOW) == by_core
    assert by_core["members"][people[0].id] == {"rule-0", "rule-2", "rule-3", "rule-4"}


def test_a_timer_beyond_the_calendar_is_one_at_its_end(own_store: Store, connection: Connection) -> None:
    connection.rollback()
    empty(connection)
    rules = audiences(["did('A', within='365000 days')"])
    late = Somebody(traits={}, events=[("A", -timedelta(days=365_000) * 7.9, {})])
    catalog, job = Catalog(epoch=1, audiences=rules), {"cause": "backfill", "everything": True}
    people = [person_of(0, late)]
    by_core = brought_in_line(MemoryStore(), people, [catalog], [job], NOW)
    assert brought_in_line(own_store, people, [catalog], [job], NOW) == by_core
    [(due, _)] = by_core["timers"].values()
    assert due.year == 9999


def test_a_membership_that_changes_ends_the_run_that_waits_for_it(
    own_store: Store, connection: Connection
) -> None:
    connection.rollback()
    empty(connection)
    journey = Journey.model_validate(
        {
            "journey": "wait",
            "trigger": {"event": "Never"},
            "entry": {"reentry": "always"},
            "exit_when": [{"when": "in_audience('rule-1')", "reason": "inside"}],
            "steps": [{"wait": "9 days"}],
        }
    )
    rules = audiences(["profile.a == 'z'", "profile.a == 'x'"])
    live = LiveJourney(journey, 1)
    first = Catalog(epoch=1, audiences=rules[:1], journeys=[live])
    then = Catalog(epoch=2, audiences=rules, journeys=[live])
    jobs: list[dict[str, Any]] = [
        {"cause": "backfill", "rules": ["rule-0"], "everything": False},
        {"cause": "backfill", "rules": ["rule-1"], "everything": False},
    ]
    people = [person_of(number, somebody) for number, somebody in enumerate([CHECKED, OTHER, CHECKED])]
    for person in people[:2]:
        person.runs = [
            Run(
                id=RunId(uuid7(NOW, "run", person.id)),
                profile=person.id,
                journey="wait",
                version=1,
                entered_at=NOW - DAY,
                since=NOW - DAY,
                step="0",
                due_at=NOW + DAY,
            )
        ]
    by_core = brought_in_line(MemoryStore(), people, [first, then], jobs, NOW)
    assert brought_in_line(own_store, people, [first, then], jobs, NOW) == by_core
    assert [len(runs) for runs in by_core["runs"].values()] == [0, 1, 0]
    assert [bool(members) for members in by_core["members"].values()] == [True, False, True]
