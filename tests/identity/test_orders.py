"""Who is who, and what is known of them, does not depend on the order in which calls are digested."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from engage.domain.fact import Identifier, Kind
from engage.engine.canonical.call import lane_for
from engage.storage.migrations.apply import migrate
from engage.storage.postgres import PostgresStore
from tests.identity.town import Somebody, Town, anon, at, mail, user

RULES = (
    {"trait": "orders", "value": "count('Bought')"},
    {"trait": "spent", "value": "sum('Bought', 'total')"},
    {"audience": "buyers", "where": "count('Bought') >= 2"},
    {"audience": "pros", "where": "profile.plan == 'pro'"},
    {"audience": "big", "where": "in_audience('pros') and profile.spent >= 10"},
)
PLANS = ("free", "pro", None)
PEOPLE = 3
ALIASES = 3


@dataclass(frozen=True, kw_only=True)
class Said:
    """One call of an example; `minute` is when it happened, no two in the same."""

    person: int
    names: tuple[int, ...]
    """Which of the person's names it carries: 0 is the user id, 1..3 anonymous ids, 4 the e-mail."""
    kind: Kind
    plan: str | None
    minute: int


def name_of(person: int, number: int, salt: str) -> Identifier:
    """Return one of the names of a person; two people never share one."""
    if number == 0:
        return user(f"{salt}u{person}")
    return mail(f"{salt}p{person}@shop.example") if number == 4 else anon(f"{salt}a{person}-{number}")


def tell(town: Town, said: Said, salt: str) -> None:
    """Have the call come in."""
    names = tuple(dict.fromkeys(name_of(said.person, number, salt) for number in said.names))
    common: dict[str, Any] = {"timestamp": at(said.minute - 100), "message_id": f"{salt}m{said.minute}"}
    if said.kind is Kind.ALIAS:
        town.alias(
            name_of(said.person, 0, salt), f"{salt}a{said.person}-{said.names[0] % ALIASES + 1}", **common
        )
    elif said.kind is Kind.IDENTIFY:
        town.identify(*names, traits={"plan": said.plan}, **common)
    else:
        town.tell(*names, event="Bought", properties={"total": said.minute}, **common)


calls = st.lists(
    st.builds(
        Said,
        person=st.integers(0, PEOPLE - 1),
        names=st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True).map(tuple),
        kind=st.sampled_from((Kind.IDENTIFY, Kind.TRACK, Kind.ALIAS)),
        plan=st.sampled_from(PLANS),
        minute=st.integers(0, 60),
    ),
    min_size=2,
    max_size=10,
    unique_by=lambda said: said.minute,
)

PACES = st.sampled_from((timedelta(), timedelta(seconds=1)))


def everybody(town: Town, salt: str) -> dict[frozenset[Identifier], Somebody]:
    known = [name_of(person, number, salt) for person in range(PEOPLE) for number in range(5)]
    found = town.people(known, ["Bought"])
    return {
        frozenset(Identifier(one.kind, one.value.removeprefix(salt)) for one in who): Somebody(
            traits={name: str(value).removeprefix(salt) for name, value in what.traits.items()},
            changed={name: when for name, when in what.changed.items() if name in ("plan", "email")},
            events=tuple((event.removeprefix(salt), when) for event, when in what.events),
            audiences=what.audiences,
        )
        for who, what in found.items()
    }


def expected(said: Sequence[Said]) -> set[frozenset[Identifier]]:
    """The people by definition: names that some chain of calls connects."""
    groups: list[set[Identifier]] = []
    for one in said:
        names = {name_of(one.person, number, "") for number in one.names}
        if one.kind is Kind.ALIAS:
            names = {name_of(one.person, 0, ""), anon(f"a{one.person}-{one.names[0] % ALIASES + 1}")}
        joined = [group for group in groups if group & names]
        groups = [group for group in groups if not group & names] + [names.union(*joined)]
    return {frozenset(group) for group in groups}


@given(said=calls, data=st.data())
def test_any_order_gives_the_same_people(said: list[Said], data: st.DataObject) -> None:
    outcomes = []
    for order in (said, data.draw(st.permutations(said))):
        town = Town()
        town.pace = data.draw(PACES)
        town.publish(*RULES)
        for one in order:
            tell(town, one, "")
            if data.draw(st.booleans()):
                lanes = data.draw(st.permutations(town.waiting()))
                town.rest(lanes, limit=data.draw(st.sampled_from((1, 2, 500))))
        town.rest()
        outcomes.append(everybody(town, ""))

    assert set(outcomes[0]) == expected(said)
    assert outcomes[0] == outcomes[1]


@given(said=calls, data=st.data())
def test_rules_are_as_if_everything_had_always_been_one_persons(
    said: list[Said], data: st.DataObject
) -> None:
    town = Town()
    town.pace = data.draw(PACES)
    town.publish(*RULES)
    for one in data.draw(st.permutations(said)):
        tell(town, one, "")
        if data.draw(st.booleans()):
            town.rest(data.draw(st.permutations(town.waiting())))
    town.rest()

    for who, somebody in everybody(town, "").items():
        bought = [when for _, when in somebody.events]
        spent = sum(one.minute for one in said if at(one.minute - 100) in bought)
        pro = somebody.traits.get("plan") == "pro"
        assert somebody.traits["orders"] == str(len(bought)), who
        assert somebody.traits.get("spent") == (str(spent) if bought else None)
        assert ("buyers" in somebody.audiences) is (len(bought) >= 2)
        assert ("big" in somebody.audiences) is (pro and bool(bought) and spent >= 10)


@pytest.fixture(scope="module")
def identity_town(postgres_url: str) -> Iterator[Town]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("identity")))
    url = psycopg.conninfo.make_conninfo(postgres_url, dbname="identity")
    migrate(url)
    store = PostgresStore(url, min_size=1, max_size=6)
    town = Town(store)
    town.publish(*RULES)
    yield town
    store.close()


SALTS = count()


@pytest.mark.live
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(said=calls, data=st.data())
def test_any_order_on_several_workers_at_once_gives_the_same_people(
    identity_town: Town, said: list[Said], data: st.DataObject
) -> None:
    outcomes = []
    identity_town.pace = data.draw(PACES)
    for order in (said, data.draw(st.permutations(said))):
        salt = f"x{next(SALTS)}-"
        for one in order:
            tell(identity_town, one, salt)
        lanes = identity_town.waiting()
        with ThreadPoolExecutor(4) as workers:
            list(workers.map(lambda lane: identity_town.rest([lane], limit=2), lanes))
        identity_town.rest()
        outcomes.append(everybody(identity_town, salt))

    assert set(outcomes[0]) == expected(said)
    assert outcomes[0] == outcomes[1]


def since(writes: dict[datetime, str | None]) -> tuple[str | None, datetime]:
    """The last value, and since when, by definition."""
    times = sorted(writes)
    value = writes[times[-1]]
    for index in range(len(times) - 1, 0, -1):
        if writes[times[index - 1]] != value:
            return value, times[index]
    return value, times[0]


@given(
    writes=st.dictionaries(st.integers(0, 30), st.sampled_from(PLANS), min_size=1, max_size=10),
    data=st.data(),
)
def test_a_trait_has_its_last_value_since_it_took_it_in_whatever_order_it_was_told(
    writes: dict[int, str | None], data: st.DataObject
) -> None:
    by_time = {at(minute - 60): plan for minute, plan in writes.items()}
    value, changed = since(by_time)
    town = Town()
    for when in data.draw(st.permutations(list(by_time))):
        who = (
            (user("ada"), anon("a"))
            if data.draw(st.booleans())
            else (data.draw(st.sampled_from((user("ada"), anon("a")))),)
        )
        town.identify(*who, traits={"plan": by_time[when]}, timestamp=when)
        town.rest()
    town.alias(user("ada"), "a")
    town.rest()

    profile = town.profile(user("ada"))
    assert profile.traits.get("plan") == value
    assert profile.trait_times["plan"].changed == changed
    assert profile.trait_times["plan"].written == max(by_time)


def test_lanes_are_what_accept_says() -> None:
    town = Town()
    town.tell(user("ada"), anon("a"), event="E")

    assert town.waiting() == [lane_for((user("ada"),))]
