"""Issue 4's measure: who is in which audience is, at every instant, what a recomputation from everything kept says.

Facts are digested and timers fire by the rooms on PostgreSQL; nobody looks at anybody between two facts, so that what
changes with the clock alone must be changed by the one timer planned for it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.catalog import Catalog
from engage.domain.fact import Call, Identifier, Kind, NewFact, encode
from engage.domain.ids import LANES, ProfileId, lane_of
from engage.domain.profile.person import Person
from engage.engine.digest.digest import Digest
from engage.storage.postgres import PostgresStore
from tests.domain.expression.asking import NOW

pytestmark = pytest.mark.live

SPAN = timedelta(days=12)
# No beginning of these is one of `Audience Entered`, or a rule would count what follows from itself.
EVENTS = ("Tea", "Teapot", "Bun")
_WINDOWS = ("1 hour", "1 day", "2 days", "5 days")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is tried."""

    people: int
    rules: int
    instants: int
    facts_a_head: int = 8


def rule(random: Random, number: int) -> str:
    """Return a random rule; some read the rules before them."""
    window, name = random.choice(_WINDOWS), random.choice((*EVENTS, "Tea*"))
    op, limit = random.choice((">=", "==", "<", ">")), random.randint(0, 3)
    forms = [
        f"count('{name}', within='{window}') {op} {limit}",
        f"count('{name}', within='{window}', where=event.n > {limit}) >= 1 and profile.a == 'x'",
        f"did('{name}', since=ago('{window}')) and not did('Bun', within='1 hour')",
        f"sum('{name}', 'n', within='{window}') {op} {limit * 3}",
        f"last('{name}') < ago('{window}')",
        f"profile.a == 'x' or profile.n {op} {limit}",
        f"changed_at('a') > ago('{window}')",
        f"profile.total {op} {limit * 2}",
        f"sequence('Tea', 'Bun', within='{window}')",
        f"count('{name}', before=ago('{window}')) {op} {limit}",
        f"'x' in values('{name}', 'a', within='{window}') or first('{name}', 'a') == 'y'",
    ]
    if number:
        forms += [f"in_audience('rule-{random.randrange(number)}') and profile.a != 'y'"] * 2
    return random.choice(forms)


def catalog_of(random: Random, count: int) -> Catalog:
    """Return random rules and a computed trait some of them read."""
    rules = [
        Audience.model_validate({"audience": f"rule-{number}", "where": rule(random, number)})
        for number in range(count)
    ]
    total = ComputedTrait.model_validate({"trait": "total", "value": "sum('Tea', 'n', within='2 days')"})
    return Catalog(epoch=1, audiences=rules, traits=[total])


def facts_of(random: Random, size: Size) -> list[NewFact]:
    """Return the facts of everybody, in the order in which they arrive; some tell late of what happened."""
    facts = []
    for number in range(size.people * size.facts_a_head):
        user = f"u{random.randrange(size.people)}"
        at = NOW + SPAN * random.random()
        happened = at - timedelta(hours=random.choice((0, 0, 0, 1, 30)))
        properties: dict[str, Any] = {"a": random.choice("xyz"), "n": random.randint(0, 4)}
        kind = random.choice((Kind.TRACK, Kind.TRACK, Kind.TRACK, Kind.IDENTIFY))
        call = Call(
            kind=kind,
            message_id=f"m{number}",
            timestamp=happened,
            identifiers=(Identifier("user_id", user),),
            event=random.choice(EVENTS) if kind is Kind.TRACK else None,
            properties=properties if kind is Kind.TRACK else {},
            traits={} if kind is Kind.TRACK else properties,
        )
        facts.append(
            NewFact(
                lane=lane_of(user),
                source="test",
                message_id=call.message_id,
                received_at=at,
                payload=encode(call),
            )
        )
    return sorted(facts, key=lambda fact: fact.received_at)


def everybody(store: PostgresStore) -> list[ProfileId]:
    """Return everybody there is."""
    with store.transaction() as tx:
        return tx.people.page(None, 1_000_000)


def recomputed(
    store: PostgresStore, catalog: Catalog, people: list[ProfileId], now: datetime
) -> dict[ProfileId, set[str]]:
    """Return the audiences of everybody, from traits and all events kept, by the rules alone."""
    found: dict[ProfileId, set[str]] = {}
    with store.transaction() as tx:
        history = tx.events.history(people, {"*": None})
        profiles = tx.people.lock(people)
    for key, profile in profiles.items():
        person = Person(profile, history=history[key])
        profile.traits.pop("total", None)
        for followed in catalog.followed:
            scope = person.scope(catalog.settings, now)
            if isinstance(followed, ComputedTrait):
                value = followed.value.value(scope)
                if value is not None:
                    profile.traits[followed.name] = value
            elif followed.where is not None and followed.where.truth(scope):
                person.audiences.add(followed.name)
        found[key] = person.audiences
    return found


def check(store: PostgresStore, size: Size, seed: int) -> None:
    """Let time pass, and compare at random instants."""
    random = Random(seed)
    catalog, facts = catalog_of(random, size.rules), facts_of(random, size)
    digest = Digest(store, lambda _tx: catalog)
    instants = sorted(NOW + SPAN * 1.5 * random.random() for _ in range(size.instants))
    told, inside = 0, 0
    for now in instants:
        arrived = [fact for fact in facts[told:] if fact.received_at <= now]
        told += len(arrived)
        with store.transaction() as tx:
            tx.inbox.add(arrived)
        while digest.turn(range(LANES), now).more:
            pass
        people = everybody(store)
        with store.transaction() as tx:
            members = tx.people.memberships(people)
        expected = recomputed(store, catalog, people, now)
        wrong = {
            (key, name): [
                str(audience.where) for audience in catalog.audiences.values() if audience.name == name
            ]
            for key in people
            for name in members[key] ^ expected[key]
        }
        assert wrong == {}, f"seed {seed} at {now}"
        inside += sum(len(audiences) for audiences in members.values())
    assert told > size.people
    assert size.people < inside < size.people * size.rules * size.instants


@pytest.mark.parametrize("seed", range(3))
def test_memberships_are_those_of_a_recomputation(postgres_store: PostgresStore, seed: int) -> None:
    check(postgres_store, Size(people=60, rules=20, instants=25), seed)


@pytest.mark.slow
def test_memberships_of_a_thousand_people_by_thirty_rules_at_two_hundred_instants(
    postgres_store: PostgresStore,
) -> None:
    check(postgres_store, Size(people=1_000, rules=30, instants=200), seed=4)
