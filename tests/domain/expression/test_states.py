"""Which aggregates are told by a state, and that states of parts unite into the state of the whole."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.expression import Foldable, Kept, MapHistory, Place, Scope, compile_expression
from engage.domain.ids import EventId, ProfileId
from engage.domain.profile.profile import Event

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def folds(source: str, place: Place = Place.AUDIENCE) -> frozenset[Foldable]:
    """Return the aggregates of an expression that are told by a state."""
    return compile_expression(source, place).reads.folds


@pytest.mark.parametrize(
    "source",
    [
        "count('A')",
        "did('A*')",
        "sum('A', 'n') + avg('A', 'n') > 1",
        "first('A') < ago('3 days')",
        "last('A', 'x.y') == 1",
        "values('A', 'x') and mode('A', 'x')",
        "count('A', where=event.n > 2 and (event.x | lower) in ['a', 'b'] and event.y is matching('^a'))",
    ],
)
def test_the_whole_history_is_told_by_a_state(source: str) -> None:
    found = compile_expression(source, Place.AUDIENCE).reads

    assert found.folds
    assert all(read.folded for read in found.events)


@pytest.mark.parametrize(
    "source",
    [
        "count('A', within='3 days')",
        "count('A', since=ago('3 days'))",
        "did('A', before=first('B', within='3 days'))",
        "count('A', where=event.n > profile.limit)",
        "count('A', where=(event.at | date) < ago('3 days'))",
        "count('A', where=(event.at | date) == ('2026-01-01' | date))",
        "count('A', where=did('B', within='3 days'))",
        "count('A', where=bucket('x') < 3)",
        "sequence('A', 'B')",
    ],
)
def test_what_depends_on_the_clock_or_on_more_than_the_event_is_not(source: str) -> None:
    assert not folds(source)


def test_all_that_mean_the_same_share_a_state() -> None:
    same = folds("count('A', where=event.n == 1.0) > 2 or not did( \"A\" , where = event.n==1)")
    others = folds("count('A') + count('B') + count('A', where=event.n == 2) > sum('A', 'n') + avg('A', 'n')")

    assert (len(same), len(others)) == (1, 4)
    assert same.isdisjoint(others)


PROPERTIES = st.fixed_dictionaries(
    {
        "n": st.one_of(
            st.integers(-3, 3),
            st.decimals("-2", "2", places=2),
            st.sampled_from([None, True, "1", [1, [2, None]], {"a": Decimal("1.0")}]),
        ),
        "x": st.sampled_from(["a", "b"]),
    }
)
FACTS = st.lists(st.tuples(st.integers(-4, 4), PROPERTIES, st.booleans()), max_size=12)
AGGREGATES = (
    "count('A')",
    "did('A', where=event.x == 'a')",
    "sum('A', 'n')",
    "avg('A', 'n', where=event.x == 'a')",
    "min('A', 'n')",
    "max('A*', 'n')",
    "first('A')",
    "last('A', where=event.x == 'a')",
    "first('A', 'n', where=event.x == 'b')",
    "last('A', 'n')",
    "values('A', 'n')",
    "mode('A', 'n')",
)


@pytest.mark.parametrize("source", AGGREGATES)
@given(facts=FACTS, upto=st.integers(-5, 5))
def test_a_state_and_what_came_later_say_what_everything_would(
    source: str, facts: list[tuple[int, dict[str, Any], bool]], upto: int
) -> None:
    expression = compile_expression(source, Place.AUDIENCE)
    [fold] = expression.reads.folds
    events = [
        Event(
            id=EventId(f"{place:02}"),
            profile=ProfileId("p"),
            name="A",
            type="track",
            timestamp=NOON + hour * HOUR,
            received_at=NOON,
            arrival=place,
            properties=properties,
        )
        for place, (hour, properties, _) in enumerate(facts)
    ]
    in_order = sorted(events, key=lambda event: (event.timestamp, event.arrival))
    kept = [event for event in in_order if event.timestamp <= NOON + upto * HOUR]
    punctual = [event for event in kept if facts[event.arrival][2]]
    state = fold.state_of(punctual)
    for event in kept:
        if event not in punctual:  # some came late, one by one
            state = fold.unite(state, fold.state_of([event]))

    told = expression.value(
        Scope(
            now=NOON,
            history=MapHistory(event for event in in_order if event not in kept),
            folds={fold.key: Kept(NOON + upto * HOUR, state)},
        )
    )

    assert told == expression.value(Scope(now=NOON, history=MapHistory(in_order)))
