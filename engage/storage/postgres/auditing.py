"""Auditing in PostgreSQL."""

from collections.abc import Iterator

from engage.domain.ids import DeliveryId
from engage.ports.auditing import OPEN, REASONED, Audit
from engage.storage.postgres.reading_base import PostgresReader
from engage.storage.postgres.session import texts

_REFS_A_PAGE = 10_000

_AUDIT = """
SELECT
    (SELECT count(*) FROM delivery WHERE status = ANY(%(open)s::text[])),
    (SELECT count(*) FROM delivery
     WHERE status = ANY(%(open)s::text[]) AND claim_at IS NULL AND lease_until IS NULL AND ask_at IS NULL),
    (SELECT count(*) FROM delivery
     WHERE status = ANY(%(reasoned)s::text[]) AND coalesce(reason, doc ->> 'code', '') = ''),
    (SELECT count(*) FROM run WHERE ended_at IS NOT NULL AND coalesce(reason, '') = ''),
    (SELECT count(*) FROM run
     WHERE ended_at IS NULL
        AND NOT EXISTS (
            SELECT FROM timer
            WHERE timer.profile_id = run.profile_id AND timer.kind = 'run' AND timer.ref = run.id::text
        )
        AND NOT EXISTS (
            SELECT FROM delivery WHERE delivery.run_id = run.id AND status = ANY(%(open)s::text[])
        )
        AND NOT EXISTS (
            SELECT FROM definition
            WHERE kind = 'journey' AND name = run.journey AND live AND state = 'paused'
        ))
"""
_REFS = """
SELECT id FROM delivery
WHERE accepted_at IS NOT NULL AND (%(after)s::uuid IS NULL OR id > %(after)s::uuid) ORDER BY id LIMIT %(limit)s
"""


class PostgresAuditing(PostgresReader):
    """Looks through the whole ledger."""

    def audit(self) -> Audit:
        """Return what has no explanation."""
        with self._session() as session:
            (row,) = session.named(_AUDIT, open=texts(OPEN), reasoned=texts(REASONED))
        return Audit(
            open=row[0],
            stuck_deliveries=row[1],
            unexplained_deliveries=row[2],
            unexplained_runs=row[3],
            stuck_runs=row[4],
        )

    def refs(self) -> Iterator[DeliveryId]:
        """Yield the ids of all deliveries that a provider accepted, in order."""
        after: DeliveryId | None = None
        while True:
            with self._session() as session:
                rows = session.named(_REFS, after=after, limit=_REFS_A_PAGE)
            for (after,) in rows:
                yield after
            if len(rows) < _REFS_A_PAGE:
                return
