"""Both stores keep the audit trail, and let what was replayed go from the quarantine."""

from datetime import UTC, datetime

import pytest

from engage.domain.turn.changes import Quarantined
from engage.engine.operate import ChangedMeanwhileError, Operate, Operator
from engage.engine.publish.publish import Source
from engage.ports.reading import Reading
from engage.ports.storage import Store
from engage.ports.trail import AuditEntry
from engage.storage.memory import MemoryStore
from engage.storage.memory.reading import MemoryReading
from engage.storage.postgres import PostgresStore
from engage.storage.postgres.reading import PostgresReading
from tests.cli.conftest import Author

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
ADA = Operator("ada", NOW)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.live)])
def stored(request: pytest.FixtureRequest) -> tuple[Store, Reading]:
    """A store and what faces read of it."""
    if request.param == "memory":
        memory = MemoryStore()
        return memory, MemoryReading(memory)
    shop: Author = request.getfixturevalue("shop")
    runtime = request.getfixturevalue("open_shop")(shop)
    store: PostgresStore = runtime.store
    return store, PostgresReading(store)


@pytest.fixture
def open_shop(request: pytest.FixtureRequest) -> object:
    """Open a shop's engine until the test ends."""

    def opened(shop: Author) -> object:
        manager = shop.runtime()
        request.addfinalizer(lambda: manager.__exit__(None, None, None))
        return manager.__enter__()

    return opened


def test_the_trail_is_read_newest_first(stored: tuple[Store, Reading]) -> None:
    store, _ = stored
    entries = [
        AuditEntry(at=NOW, actor="ada", action="publish", subject=name, data={"epoch": 1}) for name in "abc"
    ]
    for entry in entries:
        with store.transaction() as tx:
            tx.trail.add(entry)

    with store.transaction() as tx:
        assert list(tx.trail.newest(2)) == [entries[2], entries[1]]


def test_what_is_rolled_back_leaves_no_trace(stored: tuple[Store, Reading]) -> None:
    store, _ = stored
    operate = Operate(store)
    operate.publish([Source(kind="journey", name="a", text="1")], ADA, epoch=0)

    with pytest.raises(ChangedMeanwhileError):
        operate.publish([Source(kind="journey", name="a", text="2")], ADA, epoch=0)

    assert [entry.action for entry in operate.trail()] == ["publish"]
    with store.transaction() as tx:
        assert [(item.source, item.epoch) for item in tx.definitions.live()] == [("1", 1)]


def test_replayed_facts_leave_the_quarantine_and_the_others_stay(stored: tuple[Store, Reading]) -> None:
    store, reading = stored
    with store.transaction() as tx:
        tx.inbox.quarantine(
            [
                Quarantined(source="s", reason=r, detail="", payload=b"x", received_at=NOW)
                for r in ("one", "two")
            ]
        )
    (two, one) = reading.quarantine().items

    with store.transaction() as tx:
        tx.inbox.take_out([one.id])

    assert [kept.id for kept in reading.quarantine().items] == [two.id]
