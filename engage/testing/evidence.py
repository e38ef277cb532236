"""Evidence: what stands in the tables of a store, as the invariants want it."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from datetime import datetime

from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.ids import DeliveryId, ProfileId, RunId
from engage.domain.journey.run import Run
from engage.domain.turn.changes import TimerKind
from engage.storage.coding import decoder
from engage.storage.memory import MemoryStore
from engage.storage.postgres.session import Session
from engage.storage.postgres.store import PostgresStore
from engage.testing.invariants import Ledger

_OWNED = """
SELECT c.table_name FROM information_schema.columns AS c JOIN pg_class ON relname = c.table_name AND NOT relispartition
WHERE c.table_schema = 'public' AND c.column_name = 'profile_id' ORDER BY 1
"""
_OWNERLESS = """
SELECT count(*) FROM {} AS owned
WHERE profile_id IS NOT NULL AND NOT EXISTS (SELECT FROM profile WHERE profile.id = owned.profile_id)
"""


def ledger_of_memory(store: MemoryStore, at: datetime, *, never_lost: Collection[str] = ()) -> Ledger:
    """Return what is committed in a store in memory."""
    work = store.look()
    profiles = {row.id for row in work.profiles.all()}
    receipts: dict[DeliveryId, set[Mark]] = {}
    for line in work.receipts.all():
        receipts.setdefault(line.delivery, set()).add(Mark(_mark_of(line.doc)))
    owners: dict[str, Iterable[ProfileId | None]] = {
        "identifier": [row.profile for row in work.identifiers.all()],
        "membership": [row.profile for row in work.memberships.all()],
        "event": [row.key.profile for row in work.events.all()],
        "run": [row.profile for row in work.runs.all()],
        "timer": [row.profile for row in work.timers.all()],
        "decision": [row.profile for row in work.decisions.all()],
        "delivery": [row.profile for row in work.deliveries.all()],
        "receipt": [row.profile for row in work.receipts.all()],
        "consent": [row.profile for row in work.consents.all()],
        "subscription": [row.key.profile for row in work.subscriptions.all()],
    }
    return Ledger(
        at=at,
        deliveries={row.id: decoder(Delivery).decode(row.doc) for row in work.deliveries.all()},
        runs={row.id: decoder(Run).decode(row.doc) for row in work.runs.all()},
        receipts=receipts,
        timed={
            RunId(row.ref): row.due_at
            for row in work.timers.all()
            if row.kind is TimerKind.RUN and row.due_at is not None
        },
        events=Counter(str(row.key.id) for row in work.events.all()),
        identifiers={row.identifier.value for row in work.identifiers.all()},
        paused={
            row.definition.name
            for row in work.definitions.all()
            if row.live and row.definition.state == "paused"
        },
        never_lost=never_lost,
        undigested=len(work.inbox.all()),
        unfinished=[_text(row.doc, "name") for row in work.jobs.all() if not row.finished],
        quarantined=[f"{row.source}: {row.reason} {row.detail}" for row in work.quarantine.all()],
        ownerless={table: _strangers(found, profiles) for table, found in owners.items()},
    )


def _strangers(owners: Iterable[Hashable], profiles: Collection[Hashable]) -> int:
    return sum(owner is not None and owner not in profiles for owner in owners)


def _mark_of(doc: bytes) -> str:
    return _text(doc, "mark")


def _text(doc: bytes, name: str) -> str:
    return str(decoder(dict[str, object]).decode(doc)[name])


def ledger_of_postgres(store: PostgresStore, at: datetime, *, never_lost: Collection[str] = ()) -> Ledger:
    """Return what is committed in a database; for as many rows as fit into memory."""
    with store.session() as session:
        receipts: dict[DeliveryId, set[Mark]] = {}
        for delivery, mark in session.rows("SELECT delivery_id, mark FROM receipt"):
            receipts.setdefault(DeliveryId(delivery), set()).add(Mark(mark))
        deliveries = [decoder(Delivery).decode(doc) for (doc,) in session.rows("SELECT doc FROM delivery")]
        runs = [decoder(Run).decode(doc) for (doc,) in session.rows("SELECT doc FROM run")]
        return Ledger(
            at=at,
            deliveries={delivery.id: delivery for delivery in deliveries},
            runs={run.id: run for run in runs},
            receipts=receipts,
            timed={
                RunId(ref): due
                for ref, due in session.rows("SELECT ref, due_at FROM timer WHERE kind = 'run'")
            },
            events={
                str(event): int(times)
                for event, times in session.rows("SELECT id, count(*) FROM event GROUP BY id")
            },
            identifiers=_column(session, "SELECT value FROM identifier"),
            paused=_column(session, "SELECT name FROM definition WHERE live AND state = 'paused'"),
            never_lost=never_lost,
            undigested=int(session.one("SELECT count(*) FROM inbox")),
            unfinished=_column(session, "SELECT name FROM job WHERE finished_at IS NULL"),
            quarantined=_column(session, "SELECT source || ': ' || reason || ' ' || detail FROM quarantine"),
            ownerless=_ownerless(session),
        )


def _column(session: Session, query: str) -> set[str]:
    return {str(value) for (value,) in session.rows(query)}


def _ownerless(session: Session) -> dict[str, int]:
    """Count rows without an owner, in every table that has one: a new table is found by itself."""
    return {table: int(session.one(_OWNERLESS.format(table))) for (table,) in session.rows(_OWNED)}
