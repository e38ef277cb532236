"""An estimate says between what the number lies, and lies there."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.audience.audience import Audience
from engage.domain.catalog import Catalog
from engage.domain.ids import ProfileId, uuid7
from engage.domain.profile.profile import Profile
from engage.domain.turn.changes import Changes
from engage.engine.publish import preview
from engage.engine.publish.preview import Estimate, count_audience, estimate_audiences
from engage.ports.storage import Store
from engage.storage.memory import MemoryStore
from engage.storage.postgres import PostgresStore
from tests.domain.expression.asking import NOW

pytestmark = pytest.mark.live

RULES = {
    "third": "profile.n < 1",
    "matched": "profile.word is matching('^a') and profile.n < 2",
    "both": "in_audience('third') or profile.double > 3",
}
CATALOG = Catalog(
    audiences=[Audience.model_validate({"audience": name, "where": rule}) for name, rule in RULES.items()]
)
PEOPLE = 300


def fill(store: Store) -> dict[str, int]:
    """Write people, and return how many are in each audience."""
    people = [
        Profile(
            id=ProfileId(uuid7(NOW, str(number))),
            bucket_key=str(number),
            created_at=NOW,
            lane=0,
            traits={"n": number % 3, "word": "abc"[number % 2], "double": number % 5},
        )
        for number in range(PEOPLE)
    ]
    with store.transaction() as tx:
        tx.write(Changes(profiles={person.id: person for person in people}))
    numbers = range(PEOPLE)
    return {
        "third": sum(n % 3 < 1 for n in numbers),
        "matched": sum(n % 2 == 0 and n % 3 < 2 for n in numbers),
        "both": sum(n % 3 < 1 or n % 5 > 3 for n in numbers),
    }


@pytest.mark.parametrize("kind", ["memory", "postgres"])
def test_everybody_is_counted_where_there_are_not_many(postgres_store: PostgresStore, kind: str) -> None:
    store: Store = MemoryStore() if kind == "memory" else postgres_store
    sizes = fill(store)
    estimates = estimate_audiences(store, CATALOG, RULES, NOW)
    for name, size in sizes.items():
        *_, last = count_audience(store, CATALOG, name, NOW)
        assert (last.matching, last.done, last.total) == (size, PEOPLE, PEOPLE)
    if kind == "postgres":
        assert {name: estimate.about for name, estimate in estimates.items()} == sizes
        assert all(estimate.exact for estimate in estimates.values())


@pytest.mark.parametrize("kind", ["memory", "postgres"])
def test_the_number_lies_within_the_bounds_of_an_estimate(postgres_store: PostgresStore, kind: str) -> None:
    store: Store = MemoryStore() if kind == "memory" else postgres_store
    sizes = fill(store)
    for name, estimate in estimate_audiences(store, CATALOG, RULES, NOW, at_most=100).items():
        low, high = estimate.between
        assert estimate.looked_at < estimate.everybody == PEOPLE
        assert low <= sizes[name] <= high
        assert high - low < PEOPLE // 2


@pytest.mark.parametrize("kind", ["memory", "postgres"])
def test_a_count_that_was_stopped_goes_on_where_it_stood(
    postgres_store: PostgresStore, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "STRETCH", 100)
    store: Store = MemoryStore() if kind == "memory" else postgres_store
    sizes = fill(store)
    stopped = count_audience(store, CATALOG, "matched", NOW)
    begun = [next(stopped), next(stopped)]
    del stopped

    again = list(count_audience(store, CATALOG, "matched", NOW + timedelta(minutes=5)))
    other = next(count_audience(store, CATALOG, "third", NOW))
    late = next(count_audience(store, CATALOG, "matched", NOW + timedelta(hours=2)))

    assert begun[0].done == 0
    assert again[0].done == begun[1].done > 0
    assert (again[-1].matching, again[-1].done) == (sizes["matched"], PEOPLE)
    assert (other.done, late.done) == (0, 0)
    with store.transaction() as tx:
        assert {job.kind for job in tx.jobs.unfinished()} == {"preview"}


@pytest.mark.parametrize("kind", ["memory", "postgres"])
def test_two_who_count_at_once_help_each_other_and_count_nobody_twice(
    postgres_store: PostgresStore, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "STRETCH", 50)
    store: Store = MemoryStore() if kind == "memory" else postgres_store
    size = fill(store)["both"]
    one, two = count_audience(store, CATALOG, "both", NOW), count_audience(store, CATALOG, "both", NOW)

    last = [counted for pair in zip(one, two, strict=False) for counted in pair][-1]
    rest = [*one, *two, last]

    assert rest[-1].done <= PEOPLE
    assert max(counted.matching for counted in rest) == size


@given(st.integers(1, 5_000), st.data())
def test_bounds_hold_the_estimate_and_no_more_than_everybody(looked_at: int, data: st.DataObject) -> None:
    matching = data.draw(st.integers(0, looked_at))
    everybody = data.draw(st.integers(looked_at, 10**7))
    estimate = Estimate(matching, looked_at, everybody)
    low, high = estimate.between
    assert 0 <= low <= estimate.about <= high <= everybody
    assert not estimate.exact or low == high == matching
