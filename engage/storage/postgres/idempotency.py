"""Idempotency keys in PostgreSQL: what was answered under a key, for 24 hours."""

from datetime import datetime, timedelta

from engage.storage.postgres.store import PostgresStore

KEPT = timedelta(hours=24)
"""How long a key is remembered; interfaces.md, `POST /v1/deliveries`."""

_CLAIM = """
INSERT INTO idempotency (scope, key, digest, answer, at) VALUES (%(scope)s, %(key)s, %(digest)s, %(answer)s, %(now)s)
ON CONFLICT (scope, key) DO UPDATE SET
    digest = CASE WHEN idempotency.at < %(old)s THEN excluded.digest ELSE idempotency.digest END,
    answer = CASE WHEN idempotency.at < %(old)s THEN excluded.answer ELSE idempotency.answer END,
    at = CASE WHEN idempotency.at < %(old)s THEN excluded.at ELSE idempotency.at END
RETURNING digest, answer
"""


class PostgresIdempotencyKeys:
    """Implements the API's `IdempotencyKeys`."""

    def __init__(self, store: PostgresStore) -> None:
        """Keep keys in `store`'s database."""
        self._store = store

    def claim(self, scope: str, key: str, digest: str, answer: str, now: datetime) -> tuple[str, str]:
        """Return the (digest, answer) that stand under (scope, key); one statement, so two callers get the same."""
        with self._store.session() as session:
            rows = session.named(
                _CLAIM, scope=scope, key=key, digest=digest, answer=answer, now=now, old=now - KEPT
            )
        found: tuple[str, str] = (rows[0][0], rows[0][1])
        return found
