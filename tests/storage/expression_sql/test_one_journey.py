"""Archiving and resuming are about who is in the journey: the cost does not grow with everybody else."""

import pytest

from engage.domain.catalog import Catalog, LiveJourney
from engage.domain.journey.journey import Journey
from engage.domain.turn.changes import Changes
from engage.engine.publish.backfill import Backfill
from engage.ports.storage import Job, Store
from engage.storage.memory import MemoryStore
from engage.storage.postgres import PostgresStore
from tests.storage.contract.given import NOON, profile, profile_id, run, runs, write

pytestmark = pytest.mark.live

WELCOME = LiveJourney(
    Journey.model_validate({"journey": "welcome", "trigger": {"event": "Hi"}, "steps": [{"wait": "1d"}]}), 1
)
PEOPLE = 1_200


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest, postgres_store: PostgresStore) -> Store:
    return MemoryStore() if request.param == "memory" else postgres_store


@pytest.mark.parametrize("cause", ["archive", "resume"])
def test_one_turn_looks_at_those_in_the_journey_among_very_many(store: Store, cause: str) -> None:
    names = [f"p{number}" for number in range(PEOPLE)]
    write(store, Changes(profiles={profile_id(name): profile(name) for name in names}))
    write(store, runs(run("p7", step="0"), run("p700", step="0"), run("p9", journey="other")))
    with store.transaction() as tx:
        tx.jobs.save(Job(name="job", kind="backfill", data={"cause": cause, "journey": "welcome"}))
    catalog = Catalog(journeys=[WELCOME])

    progress = Backfill(store, lambda _tx: catalog).turn("job", NOON)

    assert progress is not None
    assert (progress.finished, progress.done) == (True, PEOPLE)
    inside = {name: journeys_of(store, name) for name in ("p7", "p700", "p9")}
    left = [] if cause == "archive" else ["welcome"]
    assert inside == {"p7": left, "p700": left, "p9": ["other"]}


def journeys_of(store: Store, name: str) -> list[str]:
    """Return the journeys somebody is in."""
    with store.transaction() as tx:
        return [found.journey for found in tx.runs.open([profile_id(name)], NOON)[profile_id(name)]]
