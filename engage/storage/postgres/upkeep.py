"""Upkeep of PostgreSQL: partitions before their month begins, and rows that are older than anybody wants to keep them."""

from datetime import datetime, timedelta

from engage.storage.postgres.definitions import PostgresDefinitions
from engage.storage.postgres.idempotency import KEPT as KEYS_KEPT
from engage.storage.postgres.partitions import drop_months, ensure_months
from engage.storage.postgres.scrubbing import scrub_bodies
from engage.storage.postgres.session import Session
from engage.storage.postgres.store import PostgresStore

SEEN_KEPT = timedelta(days=31)
"""How long a message is known again; ingest.md asks for 30 days or more."""
HEARD_KEPT = timedelta(days=1)
"""Far longer than an outcome stays unknown."""
GUESSES_KEPT = timedelta(hours=1)
"""Longer than anybody must wait for having guessed wrong."""

SKEW = timedelta(hours=1)
"""How far apart the clocks of machines may be: an ended session outlasts its end by this."""

_BATCH = 5000
_BATCHES = 20

# By the physical place of rows: the ages have no index that finds single rows, and batches keep locks and WAL short.
_OLD = {
    "seen": "DELETE FROM seen WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM seen WHERE received_at < %s LIMIT %s)",
    "heard": "DELETE FROM heard WHERE ctid IN (SELECT ctid FROM heard WHERE called_at < %s LIMIT %s)",
    "guess": "DELETE FROM guess WHERE ctid IN (SELECT ctid FROM guess WHERE at < %s LIMIT %s)",
    "ended_session": "DELETE FROM ended_session WHERE ctid IN (SELECT ctid FROM ended_session WHERE until < %s LIMIT %s)",
    "idempotency": "DELETE FROM idempotency WHERE ctid IN (SELECT ctid FROM idempotency WHERE at < %s LIMIT %s)",
    "decision": "DELETE FROM decision WHERE ctid IN (SELECT ctid FROM decision WHERE at < %s LIMIT %s)",
    "quarantine": "DELETE FROM quarantine WHERE ctid IN (SELECT ctid FROM quarantine WHERE received_at < %s LIMIT %s)",
    "job": "DELETE FROM job WHERE ctid IN (SELECT ctid FROM job WHERE finished_at < %s AND kind <> 'retention' LIMIT %s)",
    "event": "DELETE FROM event_default WHERE ctid IN (SELECT ctid FROM event_default WHERE timestamp < %s LIMIT %s)",
}


def keep_house(
    store: PostgresStore,
    now: datetime,
    *,
    events: timedelta,
    bodies: timedelta,
    decisions: timedelta,
    epoch: int | None,
) -> dict[str, int]:
    """Make the months to come, and remove what is older than its retention; return how many rows went, by table.

    Of deliveries older than `bodies` what they were rendered from goes, and quarantined facts go with their payload.

    Events go by whole months, and only while `epoch` is the epoch: its aggregates have folded them. None: they stay.
    Bounded: of each table at most 100,000 rows a call, the rest at the next one; to be called about once an hour. Does
    no harm when two processes call it at once.
    """
    with store.session() as session:
        ensure_months(session, now)
    with store.session() as session:
        if _is_epoch(session, epoch):
            drop_months(session, now - events)
    before = {
        "seen": now - SEEN_KEPT,
        "heard": now - HEARD_KEPT,
        "guess": now - GUESSES_KEPT,
        "ended_session": now - SKEW,
        "idempotency": now - KEYS_KEPT,
        "decision": now - decisions,
        "quarantine": now - bodies,
        "job": now - decisions,
        "event": now - events,
    }
    gone = {table: _remove(store, table, instant, epoch) for table, instant in before.items()}
    return {**gone, "body": scrub_bodies(store, now - bodies)}


def _is_epoch(session: Session, epoch: int | None) -> bool:
    """Return whether this is the epoch, and keep it from changing until the transaction ends."""
    definitions = PostgresDefinitions(session)
    definitions.hold()
    return epoch is not None and definitions.epoch() == epoch


def _remove(store: PostgresStore, table: str, instant: datetime, epoch: int | None) -> int:
    removed = 0
    for _ in range(_BATCHES):
        with store.session() as session:
            if table == "event" and not _is_epoch(session, epoch):
                break
            session.rows(
                "SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true)"
            )
            gone = session.run(_OLD[table], instant, _BATCH)
        removed += gone
        if gone < _BATCH:
            break
    return removed
