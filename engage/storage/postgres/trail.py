"""The audit trail in PostgreSQL."""

from collections.abc import Sequence

from engage.ports.trail import AuditEntry
from engage.storage.coding import decoder
from engage.storage.postgres.session import Session, json

_ADD = """
INSERT INTO audit (at, actor, action, subject, data)
SELECT at, actor, action, subject, data FROM json_to_recordset(%s) AS (
    at timestamptz, actor text, action text, subject text, data json
)
"""
_NEWEST = "SELECT at, actor, action, subject, data FROM audit ORDER BY id DESC LIMIT %s"


class PostgresTrail:
    """The audit trail."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def add(self, entry: AuditEntry) -> None:
        """Append one entry."""
        self._session.run(_ADD, json([entry]))

    def newest(self, limit: int) -> Sequence[AuditEntry]:
        """Return the last entries, newest first."""
        return [
            AuditEntry(at=at, actor=actor, action=action, subject=subject, data=decoder(dict).decode(data))
            for at, actor, action, subject, data in self._session.rows(_NEWEST, limit)
        ]
