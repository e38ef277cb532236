"""A run that a late fact starts is judged against what happened since; journeys that do not listen cost nothing for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from engage.domain.catalog import Catalog, LiveJourney
from engage.domain.fact import Call, Identifier, Kind, NewFact, encode
from engage.domain.ids import LANES, lane_of
from engage.domain.journey.journey import Journey
from engage.engine.digest.digest import Digest
from engage.engine.digest.working_set import history_bounds
from engage.storage.memory import MemoryStore

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def journey(name: str, trigger: dict[str, Any], ends: str) -> LiveJourney:
    """Return a journey that this event ends."""
    form = {
        "journey": name,
        "trigger": trigger,
        "entry": {"reentry": "always"},
        "exit_when": [{"event": ends}],
        "steps": [{"wait": "1 day"}],
    }
    return LiveJourney(Journey.model_validate(form), 1)


CATALOG = Catalog(
    journeys=[
        journey("cart", {"event": "Cart Updated"}, "Order Completed"),
        journey("views", {"event": "Page*"}, "Page Left"),
        journey("plan", {"trait": {"changed": "plan"}}, "Plan Kept"),
    ]
)


def told(event: str, at: datetime, received_at: datetime) -> NewFact:
    """Return the fact that somebody did something, known only now."""
    call = Call(
        kind=Kind.TRACK,
        message_id=event,
        timestamp=at,
        identifiers=(Identifier("user_id", "ada"),),
        event=event,
    )
    return NewFact(
        lane=lane_of("ada"), source="test", message_id=event, received_at=received_at, payload=encode(call)
    )


def test_what_happened_since_ends_a_run_that_a_late_fact_starts() -> None:
    store = MemoryStore()
    digest = Digest(store, lambda _tx: CATALOG)
    for fact in (
        told("Order Completed", NOON, NOON),
        told("Cart Updated", NOON - timedelta(hours=1), NOON + timedelta(minutes=1)),
    ):
        with store.transaction() as tx:
            tx.inbox.add([fact])
        digest.turn(range(LANES), fact.received_at)
    with store.transaction() as tx:
        [ada] = tx.people.page(None, 2)
        assert tx.runs.open([ada], NOON + timedelta(minutes=1))[ada] == []
        assert [past.count for past in tx.runs.entries([ada], ["cart"]).values()] == [1]


def test_only_what_journeys_that_may_start_look_back_at_is_loaded() -> None:
    assert set(history_bounds(CATALOG, NOON, NOON, {"Something Else"})) == {"Plan Kept"}
    assert set(history_bounds(CATALOG, NOON, NOON, {"Cart Updated"})) == {"Plan Kept", "Order Completed"}
    assert set(history_bounds(CATALOG, NOON, NOON, {"Page Viewed"})) == {"Plan Kept", "Page Left"}
    assert set(history_bounds(CATALOG, NOON, NOON)) == {"Plan Kept", "Order Completed", "Page Left"}
