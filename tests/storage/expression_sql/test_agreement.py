"""SQL and Python agree on every expression, every person, every clock."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engage.domain.expression import Expression, ExpressionError, Place, compile_expression
from engage.storage.postgres.session import Connection
from tests.domain.expression.asking import DAY, NOW
from tests.domain.expression.sources import AGES, TICKING_SOURCES, TIMED_SOURCES
from tests.storage.expression_sql.asking import PEOPLE, Somebody, foreseen, judged, scope_of, settle

pytestmark = pytest.mark.live

EXAMPLES = settings().max_examples * 2 // 5
"""Of ten rules and four people each; 800 in `make nightly`."""


def compiled(sources: list[str]) -> list[Expression]:
    """Return the sources that are expressions for an audience."""
    found = []
    for source in sources:
        with suppress(ExpressionError):
            found.append(rule_of(source))
    return found


def rule_of(source: str) -> Expression:
    """Return an expression for an audience."""
    return compile_expression(source, Place.AUDIENCE)


def disagreements(
    connection: Connection,
    expressions: list[Expression],
    people: list[Somebody],
    later: timedelta = timedelta(0),
) -> list[tuple[Any, ...]]:
    """Return where PostgreSQL says what Python does not, with what decided it."""
    world, now = settle(connection, people), NOW + later
    return [
        (rule.source, surely, rule.truth(scope), maybe, world.persons[key].profile.traits)
        for key, pairs in judged(connection, expressions, now).items()
        for scope in [scope_of(world.persons[key], now)]
        for rule, (surely, maybe) in zip(expressions, pairs, strict=True)
        if not surely <= rule.truth(scope) <= maybe
    ]


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=EXAMPLES)
@given(
    sources=st.lists(TIMED_SOURCES | TICKING_SOURCES, min_size=1, max_size=10),
    people=st.lists(PEOPLE, min_size=1, max_size=4),
    later=AGES,
)
def test_what_sql_is_sure_of_is_so_and_what_is_so_sql_thinks_possible(
    connection: Connection,
    sources: list[str],
    people: list[Somebody],
    later: timedelta,
) -> None:
    assume(rules := compiled(sources))
    assert disagreements(connection, rules, people, later) == []


#: What people write: of these SQL must be sure for everybody whose data is plain.
PLAIN = [
    "profile.a == 'x'",
    "profile.a != 'x' and profile.n >= 3",
    "profile.n in [1, 2, 'x']",
    "profile.a is present and not (profile.b is defined)",
    "profile.a | lower == 'x'",
    "profile.a | trim | length > 2",
    "profile.n * 2 - 1 > 3 or profile.n / 3 < 1",
    "(profile.n | round(1)) == 2.5",
    "profile.at | date < ago('1 day')",
    "count('A', within='2 days') >= 2",
    "count('A', where=event.n > 1 and event.a != 'no') == 1",
    "count('A*', since=ago('3 days'), before=ago('1 hour')) > 0",
    "did('B') and not did('A', within='1 hour')",
    "sum('A', 'n') > 2",
    "avg('A', 'n', within='3 days') >= 1.5",
    "min('A', 'n') < 2 and max('A', 'n') > 1",
    "last('A') > ago('1 day')",
    "first('A', 'a') == 'x'",
    "last('A', 'n', within='3 days') > 1",
    "'x' in values('A', 'a')",
    "count('A', where=event.n > profile.n) > 0",
    "in_audience('x') or bucket('s') < 50",
    "changed_at('a') > ago('2 days')",
    "profile.user_id == 'v0' or profile.id == 'nobody'",
    "(profile.a | default('x')) is starting_with('x')",
    "profile.a is containing('x') and profile.a is ending_with('x')",
    "(1 if profile.a is string else 2) == 2",
    "'x' in profile.things.a or profile.things.a | length > 1",
    "count('A', where='x' in event.things.a) > 0",
    "profile.things.n == 2",
]
_PLAIN_VALUES = {
    "a": st.sampled_from(["x", "X", " x ", "no", "xx"]),
    "n": st.integers(0, 4) | st.sampled_from([Decimal("2.5"), Decimal("1.45"), Decimal("2.449")]),
    "at": AGES.map(lambda age: (NOW - age).isoformat()),
}
_THINGS = st.fixed_dictionaries({}, optional={name: _PLAIN_VALUES[name] for name in ("a", "n")})
_PLAIN_OBJECTS = st.fixed_dictionaries(
    {}, optional={**_PLAIN_VALUES, "things": _THINGS | st.lists(_THINGS, max_size=3)}
)
PLAIN_PEOPLE = st.builds(
    Somebody,
    traits=_PLAIN_OBJECTS,
    changed=st.none() | AGES,
    events=st.lists(st.tuples(st.sampled_from(["A", "AB", "B"]), AGES, _PLAIN_OBJECTS), max_size=8),
    audiences=st.frozensets(st.just("x")),
    key=st.sampled_from(["key", "other"]),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=EXAMPLES // 2,
)
@given(people=st.lists(PLAIN_PEOPLE, min_size=4, max_size=8), later=AGES)
def test_of_plain_rules_and_plain_data_sql_is_sure(
    connection: Connection,
    people: list[Somebody],
    later: timedelta,
) -> None:
    rules, now = [rule_of(source) for source in PLAIN], NOW + later
    world = settle(connection, people)
    for key, pairs in judged(connection, rules, now).items():
        scope = scope_of(world.persons[key], now)
        for rule, pair in zip(rules, pairs, strict=True):
            assert pair == (rule.truth(scope), rule.truth(scope)), rule.source


@pytest.mark.parametrize(
    "entry", [{"sku": "x", "n": 2, "more": {"a": "x"}}, {}, {"sku": None}, {"sku": "\0"}]
)
def test_people_of_a_signal_are_found_by_what_the_signal_says(
    connection: Connection, entry: dict[str, Any]
) -> None:
    people = [
        Somebody(traits={"a": "x"}, events=[("A", DAY, {"a": "x", "n": 1})]),
        Somebody(traits={"a": "y"}, events=[("A", DAY, {"a": "y", "n": 3}), ("A", DAY, {"a": ["x"]})]),
        Somebody(traits={"n": 2}, events=[("A", DAY, {})]),
        Somebody(traits={}),
    ]
    sources = [
        "entry.sku in values('A', 'a', within='90 days')",
        "profile.a == entry.sku",
        "entry.more.a == profile.a",
        "count('A', where=event.n > entry.n) > 0",
        "entry_event == 'Restocked'",
        "profile.n == entry.n",
    ]
    rules = [compile_expression(source, Place.PEOPLE) for source in sources]
    world = settle(connection, people)
    certain = 0
    for key, pairs in judged(connection, rules, NOW, entry).items():
        scope = scope_of(world.persons[key], NOW, entry)
        for rule, (surely, maybe) in zip(rules, pairs, strict=True):
            assert surely <= rule.truth(scope) <= maybe, rule.source
            certain += surely is maybe
    assert certain >= (len(people) - 1) * len(rules) or "\0" in str(entry.get("sku"))


@pytest.mark.parametrize(
    "source",
    [
        'profile.a == "o\'; DROP TABLE event; --"',
        "profile['a%sb'] == '%(p0)s'",
        "count('%s*', where=event['{}'] == '$1') > 0",
        "profile.a == '\\u0000'",
        "in_audience('%') or bucket('%s') < 0",
        " + ".join(["profile.n"] * 40) + " > 1",
        "not (" + " and ".join(f"count('A', where=event.n == {n}) == 0" for n in range(60)) + ")",
    ],
)
def test_no_text_of_an_expression_becomes_sql(connection: Connection, source: str) -> None:
    people = [
        Somebody(traits={"a": "o'; DROP TABLE event; --", "a%sb": "%(p0)s", "n": 1}),
        Somebody(traits={"a": "%"}, events=[("A", DAY, {"n": 3, "{}": "$1"})], audiences=frozenset({"%"})),
    ]
    assert disagreements(connection, [rule_of(source)], people) == []


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=EXAMPLES)
@given(
    sources=st.lists(TICKING_SOURCES | st.sampled_from(PLAIN), min_size=1, max_size=10),
    people=st.lists(PEOPLE | PLAIN_PEOPLE, min_size=1, max_size=5),
    later=AGES,
)
def test_sql_foresees_the_instant_that_python_foresees(
    connection: Connection, sources: list[str], people: list[Somebody], later: timedelta
) -> None:
    rules, now = compiled(sources), NOW + later
    assume(rules)
    world = settle(connection, people)
    for key, moments in foreseen(connection, rules, now).items():
        scope = scope_of(world.persons[key], now)
        for rule, (known, moment) in zip(rules, moments, strict=True):
            if known:
                assert moment == (rule.next_change(scope) if rule.reads.now else None), rule.source


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=EXAMPLES // 2)
@given(people=st.lists(PLAIN_PEOPLE, min_size=4, max_size=8), later=AGES)
def test_of_plain_rules_and_plain_data_sql_knows_when_they_change(
    connection: Connection, people: list[Somebody], later: timedelta
) -> None:
    settle(connection, people)
    for moments in foreseen(connection, [rule_of(source) for source in PLAIN], NOW + later).values():
        assert [source for source, (known, _) in zip(PLAIN, moments, strict=True) if not known] == []
