"""What retention removes stays counted."""

from datetime import timedelta

import pytest

from engage.domain.audience.folds import FOLDED_AT
from engage.domain.turn.changes import FoldState
from engage.engine.retain import Folded, Retain
from engage.storage.memory import MemoryStore
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.upkeep import keep_house
from tests.folds.histories import KEPT_DAYS, SETTINGS, remove, standing
from tests.identity.town import Town, anon

ADA = anon("ada")
DAY = timedelta(days=1)
KEPT = KEPT_DAYS * DAY
REGULARS = {"audience": "regulars", "where": "count('Order') >= 3"}
SPENT = {"trait": "spent", "value": "sum('Order', 'n')"}


@pytest.fixture(params=["memory", pytest.param("postgresql", marks=pytest.mark.live)])
def town(request: pytest.FixtureRequest) -> Town:
    """A town on either store that keeps events for sixty days."""
    store = MemoryStore() if request.param == "memory" else request.getfixturevalue("postgres_store")
    return Town(store, settings=SETTINGS)


def order(town: Town, days_ago: float, n: int = 1, imported: bool = False) -> None:
    """Let Ada have ordered so many days ago."""
    properties = {"n": n, "card": "4111"}
    town.tell(
        ADA, event="Order", properties=properties, timestamp=town.now - days_ago * DAY, imported=imported
    )
    town.rest()


def orders(town: Town) -> int:
    """Return how many orders of Ada's are kept as events."""
    (key,) = town.whose(ADA)
    assert key is not None
    with town.store.transaction() as tx:
        return len(tx.events.history([key], {"Order": None})[key])


def folds(town: Town) -> list[FoldState]:
    """Return what is kept of Ada."""
    (key,) = town.whose(ADA)
    assert key is not None
    with town.store.transaction() as tx:
        return tx.folds.of([key]).get(key, [])


def test_what_is_removed_stays_counted(town: Town) -> None:
    town.publish(REGULARS, SPENT)
    for days in (50, 40, 30):
        order(town, days, n=days)
    before = standing(town)

    town.now += 45 * DAY
    remove(town)
    town.publish({**REGULARS, "description": "the same"})  # everybody is judged anew

    assert orders(town) == 0
    assert standing(town) == before
    order(town, 0, n=5)
    assert town.profile(ADA).traits["spent"] == 125


def test_a_short_history_is_not_folded_and_a_long_one_is(town: Town) -> None:
    town.publish(REGULARS)
    for day in range(FOLDED_AT):
        order(town, 50 - day)
    assert folds(town) == []

    order(town, 0)

    assert [fold.state for fold in folds(town)] == [{"n": FOLDED_AT}]


def test_what_is_older_than_is_kept_counts_as_it_comes(town: Town) -> None:
    town.publish(REGULARS)
    for days in (100, 90, 80):
        order(town, days, imported=True)

    remove(town)
    order(town, 0)

    assert orders(town) == 1
    assert {audiences for _, audiences in standing(town).values()} == {frozenset({"regulars"})}


def test_a_rule_published_after_the_removal_sees_what_is_kept(town: Town) -> None:
    for days in (50, 40, 10):
        order(town, days)
    town.now += 30 * DAY
    remove(town)

    town.publish(
        {"audience": "all", "where": "count('Order') >= 3"}, {"audience": "one", "where": "did('Order')"}
    )

    assert {audiences for _, audiences in standing(town).values()} == {frozenset({"one"})}


def test_folds_of_a_rule_that_is_gone_are_dropped(town: Town) -> None:
    town.publish(REGULARS, SPENT)
    for days in (50, 40, 30):
        order(town, days)
    town.now += 45 * DAY
    remove(town)
    retain = Retain(town.store, town.compiled.catalog_of)
    assert (len(folds(town)), retain.drop()) == (2, 0)

    town.publish({"audience": "regulars", "where": "profile.x == 1"})

    assert retain.drop() == 1
    assert [fold.state for fold in folds(town)] == [{"n": 3, "v": 3}]


def test_what_comes_late_for_a_rule_that_is_gone_ends_its_fold(town: Town) -> None:
    town.publish(REGULARS, SPENT)
    for days in (50, 40, 30):
        order(town, days)
    town.now += 45 * DAY
    remove(town)
    town.publish({"audience": "regulars", "where": "profile.x == 1"})

    order(town, 100)

    assert [fold.state for fold in folds(town)] == [{"n": 4, "v": 4}]


def test_a_fold_keeps_nothing_sensitive(town: Town) -> None:
    town.settle({**SETTINGS, "sensitive": ["Order.card"]})
    town.publish({"trait": "cards", "value": "values('Order', 'card')"})

    order(town, 100)
    order(town, 101)

    assert [fold.state for fold in folds(town)] == [{"v": ["•••"]}]


def test_nothing_goes_that_another_release_may_count(town: Town) -> None:
    town.publish(REGULARS)
    source = '{"audience": "other", "where": "count(\'Order\') >= 3 from the future"}'
    town.publish_source("audience", "other", source)

    assert Retain(town.store, town.compiled.catalog_of).fold(town.now) == Folded(town.now, None)
    assert Retain(town.store, town.compiled.catalog_of).drop() == 0


def test_a_rule_that_comes_while_what_is_old_is_folded_has_it_begin_anew(town: Town) -> None:
    town.publish(REGULARS)
    order(town, 50)
    retain, cutoff = Retain(town.store, town.compiled.catalog_of), town.now
    begun = retain.fold(cutoff, batches=1)
    assert (begun.releases, begun.epoch is None) == (None, False)

    town.publish(SPENT)

    assert retain.fold(cutoff + DAY, begun) == Folded(cutoff, None)
    again = retain.fold(cutoff)
    assert again.releases is not None
    assert len(folds(town)) == 2


@pytest.mark.live
@pytest.mark.parametrize("wrong", [None, -1])
def test_events_stay_while_their_folds_are_not_those_of_this_epoch(
    postgres_store: PostgresStore, wrong: int | None
) -> None:
    town = Town(postgres_store, settings=SETTINGS)
    order(town, 800)
    with postgres_store.transaction() as tx:
        epoch = tx.definitions.epoch()

    keep_house(
        postgres_store,
        town.now,
        events=KEPT,
        bodies=KEPT,
        decisions=KEPT,
        epoch=None if wrong is None else epoch + wrong,
    )
    assert orders(town) == 1

    keep_house(postgres_store, town.now, events=KEPT, bodies=KEPT, decisions=KEPT, epoch=epoch)
    assert orders(town) == 0
