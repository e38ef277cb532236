"""Scrubbing: what a delivery was rendered from goes once it is older than the project keeps bodies; what became of it stays."""

from datetime import datetime

from engage.domain.ids import first_id
from engage.storage.postgres.jobs import PostgresJobs
from engage.storage.postgres.session import Session
from engage.storage.postgres.store import PostgresStore

JOB = "retention:bodies"
_BATCH = 2000
_BATCHES = 50
_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"

# Ids begin with the millisecond in which a delivery was asked for, so the oldest are found without another index. One that has not
# left, or of which nobody knows whether it has, is still rendered: it keeps what it needs.
_BEGIN = "INSERT INTO job (name, kind, data, done, total) VALUES (%s, 'retention', '{}', 0, 0) ON CONFLICT DO NOTHING"
_SCRUB = """
WITH old AS (
    SELECT id, claim_at IS NULL AND lease_until IS NULL AND ask_at IS NULL AS over
    FROM delivery WHERE id > %(after)s::uuid AND id < %(until)s::uuid ORDER BY id LIMIT %(most)s
), gone AS (
    UPDATE delivery SET doc = (doc::jsonb - ARRAY['text', 'variables', 'context'] || '{"scrubbed": true}')::json
    WHERE id IN (SELECT id FROM old WHERE over) AND json_typeof(doc -> 'scrubbed') IS NULL
)
SELECT count(*), count(*) FILTER (WHERE over), max(id::text) FROM old
"""


def scrub_bodies(store: PostgresStore, before: datetime) -> int:
    """Remove texts, variables and what templates rendered from of deliveries asked for before an instant; return of how many.

    Goes on where the last call ended, at most 100,000 deliveries a call. Two processes that call it at once do no harm.
    """
    scrubbed = 0
    for _ in range(_BATCHES):
        with store.session() as session:
            seen, over = _batch(session, before)
        scrubbed += over
        if seen < _BATCH:
            break
    return scrubbed


def _batch(session: Session, before: datetime) -> tuple[int, int]:
    jobs = PostgresJobs(session)
    session.run(_BEGIN, JOB)
    job = jobs.lock(JOB)
    if job is None:  # another process is at it
        return 0, 0
    (found,) = session.named(_SCRUB, after=job.cursor or _BEFORE_ALL, until=first_id(before), most=_BATCH)
    seen, over, last = found
    job.cursor, job.done, job.finished_at = last or job.cursor, job.done + over, before
    jobs.save(job)
    return seen, over
