"""Random expressions and data, for properties that hold for all of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from engage.domain.expression import MapHistory, PastEvent, Scope
from tests.domain.expression.asking import NOW

SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["", "a", "b", "A1", "2026-02-27", "2026-03-02T12:00:00Z", "12.5", "é\u0130ß", "\ud800"]
    )
    | st.text(max_size=5)
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "at", "n"]), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "at", "n"]), JSON, max_size=4)

_DURATIONS = st.sampled_from(["1 second", "1 hour", "1 day", "2 days", "3 days"])
_EVENTS = st.sampled_from(["A", "B", "A*", "*", "Never"])
_NAMES = st.sampled_from(["a", "b", "at", "n", "a.b", "missing"])


def _quoted(text: str) -> str:
    return f"'{text}'"


_CLOCKS = st.builds("{}('{}')".format, st.sampled_from(["ago", "ahead"]), _DURATIONS)
_PATHS = st.builds("profile.{}".format, _NAMES)
_LITERALS = st.sampled_from(
    ["1", "0", "2.5", "'a'", "''", "none", "true", "false", "[]", "['a', 1]", "'2026-02-28'", "1772366400"]
)


@st.composite
def _bounds(draw: st.DrawFn) -> str:
    parts = []
    if draw(st.booleans()):
        parts.append(f", within='{draw(_DURATIONS)}'")
    for name in ("since", "before"):
        if draw(st.booleans()):
            bound = draw(_CLOCKS | st.just("(profile.at | date)") | st.just("last('B', within='2 days')"))
            parts.append(f", {name}={bound}")
    if draw(st.integers(0, 2)) == 0:
        condition = draw(
            st.sampled_from(
                [
                    "event.a",
                    "event.n == 1",
                    "event.n == profile.n",
                    "event.at | date > ago('1 day')",
                    "did('B', within='1 day')",
                    "true",
                ]
            )
        )
        parts.append(f", where={condition}")
    return "".join(parts)


_INSTANTS = (
    st.builds("({} | date)".format, _PATHS)
    | st.builds("{}('{}'{})".format, st.sampled_from(["first", "last"]), _EVENTS, _bounds())
    | st.just("changed_at('a')")
)
_AGGREGATES = (
    st.builds("{}('{}'{})".format, st.sampled_from(["count", "did"]), _EVENTS, _bounds())
    | st.builds(
        "{}('{}', '{}'{})".format,
        st.sampled_from(["sum", "avg", "min", "max", "first", "last", "values", "mode"]),
        _EVENTS,
        _NAMES,
        _bounds(),
    )
    | st.builds("sequence('{}', '{}', within='{}')".format, _EVENTS, _EVENTS, _DURATIONS)
)
_AGAINST_CLOCK = st.builds(
    "({} {} {})".format, _INSTANTS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _CLOCKS
)
_COUNTED = st.builds(
    "(count('{}', within='{}') {} {})".format,
    _EVENTS,
    _DURATIONS,
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.integers(0, 4),
)
_ATOMS = (
    _LITERALS
    | _PATHS
    | _AGGREGATES
    | _AGAINST_CLOCK
    | _COUNTED
    | st.just("in_audience('x')")
    | st.just("bucket('s')")
)
_FILTERS = st.sampled_from(
    [
        "lower", "upper", "trim", "length", "number", "default(1)", "round", "round(2)", "abs", "join(',')",
        "head(2)", "tail(profile.n)", "extract('[a-z]+')", "date",
    ]
)  # fmt: skip
_TESTS = st.sampled_from(
    [
        "defined",
        "none",
        "empty",
        "present",
        "string",
        "number",
        "starting_with('a')",
        "containing('a')",
        "matching('^a')",
        "not present",
    ]
)
_OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in", "+", "-", "*", "/", "and", "or"])

#: Expressions for an audience; some are refused by the check of types.
TIMED_SOURCES: st.SearchStrategy[str] = st.recursive(
    _ATOMS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, _OPS, inner)
        | st.builds("(not {})".format, inner)
        | st.builds("(-({}))".format, inner)
        | st.builds("(({}) | {})".format, inner, _FILTERS)
        | st.builds("(({}) is {})".format, inner, _TESTS)
        | st.builds("({} if {} else {})".format, inner, inner, inner)
        | st.builds("[{}, {}]".format, inner, inner)
        | st.builds("({}).a".format, inner)
    ),
    max_leaves=6,
)
FREE_SOURCES = TIMED_SOURCES | st.builds(
    "{} {} {}".format,
    st.sampled_from(["now", "event.a", "entry", "run.a", "entry_event"]),
    _OPS,
    TIMED_SOURCES,
)

_DAYS = [timedelta(seconds=1), timedelta(hours=1), *(timedelta(days=days) for days in (1, 2, 3))]
#: Ages near and at the bounds of the windows above, the future not left out.
AGES = st.builds(
    lambda days, part, micros: days * part + timedelta(microseconds=micros),
    st.sampled_from(_DAYS),
    st.sampled_from([-0.5, 0, 0.25, 0.5, 0.75, 1, 1.1]),
    st.integers(-1, 1),
)


@st.composite
def scopes(draw: st.DrawFn, objects: st.SearchStrategy[dict[str, Any]] = OBJECTS) -> Scope:
    """A scope with data of `objects` and a history of the last days."""
    facts = draw(st.lists(st.tuples(st.sampled_from(["A", "AB", "B"]), AGES, objects), max_size=6))
    changed = draw(st.none() | AGES)
    return Scope(
        now=NOW,
        profile=draw(objects),
        profile_ids={"id": "p"},
        event=draw(st.none() | objects),
        entry=draw(st.none() | objects),
        run=draw(st.none() | objects),
        entry_event=draw(st.none() | st.text(max_size=3)),
        history=MapHistory(
            PastEvent(name=name, timestamp=NOW - age, properties=properties, arrival=number)
            for number, (name, age, properties) in enumerate(facts)
        ),
        changed_at=lambda _trait: None if changed is None else NOW - changed,
        bucket_key="key",
    )


#: Conditions in which the clock decides, and data that makes it decide often.
_TICKING = (
    _AGAINST_CLOCK
    | _COUNTED
    | st.builds("({}('{}'{}))".format, st.sampled_from(["count", "did"]), _EVENTS, _bounds())
    | st.builds("({}('{}', 'n'{}))".format, st.sampled_from(["sum", "last", "values"]), _EVENTS, _bounds())
    | st.just("(last('A', within='1 day') < ago('1 hour'))")
    | st.just("((last('A', within='1 day') | default(last('B'))) > ago('2 days'))")
    | st.just("sequence('A', step('B', where=event.at | date > ago('1 day')))")
    | st.sampled_from(["profile.n", "true", "false"])
)
TICKING_SOURCES: st.SearchStrategy[str] = st.recursive(
    _TICKING,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or", "=="]), inner)
        | st.builds("({} and {} and {})".format, inner, inner, inner)
        | st.builds("(not {})".format, inner)
        | st.builds("({} if {} else {})".format, inner, inner, inner)
    ),
    max_leaves=5,
)
TICKING_OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(0, 2),
        "at": AGES.map(lambda age: (NOW - age).isoformat()),
        "a": st.booleans(),
    },
)


def moments(at: Scope) -> list[timedelta]:
    """Every distance from now at which a clock may cross something in this scope, with a tick around each."""
    facts = at.history.matching("*")
    texts = [at.profile.get("at"), *(fact.properties.get("at") for fact in facts)]
    instants = [fact.timestamp for fact in facts] + [
        datetime.fromisoformat(text) for text in texts if isinstance(text, str) and text.startswith("2026-0")
    ]
    changed = at.changed_at("a")
    shifts = [timedelta(0), *_DAYS, *(-days for days in _DAYS)]
    crossings = [instant + shift - NOW for instant in [*instants, changed or NOW] for shift in shifts]
    return sorted(
        {crossing + tick * timedelta(microseconds=1) for crossing in crossings for tick in (-1, 0, 1)}
    )
