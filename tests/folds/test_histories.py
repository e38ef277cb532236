"""Whatever happens in whatever order, an aggregate over what is kept is the aggregate over everything that ever happened."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engage.domain.audience.folds import BEFORE_REMOVAL
from engage.domain.turn import turn
from engage.engine.digest import working_set
from engage.ports.selecting import Given
from engage.storage.postgres import PostgresStore
from tests.folds.histories import RULES, SETTINGS, VAGUE, History, documents, random_acts, standing
from tests.identity.town import Town


@contextmanager
def folding_at(events: int, before_removal: timedelta = BEFORE_REMOVAL) -> Iterator[None]:
    """Let so many events of a name be folded, and what is to be removed within that time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(working_set, "FOLDED_AT", events)
        patch.setattr(turn, "BEFORE_REMOVAL", before_removal)
        yield


def never() -> AbstractContextManager[None]:
    """Let nothing be folded, however long a history or however old a fact."""
    return folding_at(10**9, timedelta(days=-10_000))


def never_folding() -> Town:
    """A town that reads everything at each fact, and removes nothing."""
    town = Town(settings=SETTINGS)
    town.publish(*documents())
    return town


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(5, 60), st.integers(1, 6))
@example(5135, 9, 2)  # two whose audiences changed by the clock at one instant are the same person
def test_folds_and_what_is_kept_say_what_everything_would(seed: int, count: int, at: int) -> None:
    folding = Town(settings=SETTINGS)
    folding.publish(*documents())
    one, other = History(folding, removes=True), History(never_folding(), removes=False)

    for act in random_acts(Random(seed), count):
        with folding_at(at):
            one.let(act)
        with never():
            other.let(act)
        assert standing(folding) == standing(other.town), act


@pytest.fixture
def folding(postgres_store: PostgresStore) -> Town:
    """A town on PostgreSQL."""
    town = Town(postgres_store, settings=SETTINGS)
    town.publish(*documents())
    return town


@pytest.mark.live
@pytest.mark.parametrize("seed", range(4))
def test_postgresql_keeps_the_same_and_judges_the_same(seed: int, folding: Town) -> None:
    one, other = History(folding, removes=True), History(never_folding(), removes=False)

    for number, act in enumerate(random_acts(Random(seed), 80)):
        with folding_at(2):
            one.let(act)
        with never():
            other.let(act)
        if number % 8 == 7:
            assert standing(folding) == standing(other.town), act
            judge(folding)


def judge(town: Town) -> None:
    """Hold that SQL is sure of who is in each audience, where it can be, and that nobody is left out where it cannot."""
    members = standing(town)
    with town.store.transaction() as tx:
        catalog = town.compiled.catalog_of(tx)
        rules = [catalog.audiences[name].where for name in (*RULES, *VAGUE)]
        given = Given(now=town.now, settings=catalog.settings)
        answers = tx.selection.holding([rule for rule in rules if rule is not None], given, list(members))
    for name, holding in zip((*RULES, *VAGUE), answers, strict=True):
        inside = {key for key, (_, audiences) in members.items() if name in audiences}
        assert holding.surely <= inside <= holding.surely | holding.perhaps, name
