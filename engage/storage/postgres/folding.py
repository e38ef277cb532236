"""Folds in PostgreSQL."""

from collections.abc import Collection
from datetime import datetime

from engage.domain.ids import ProfileId
from engage.domain.turn.changes import FoldState
from engage.storage.coding import decoder
from engage.storage.postgres.partitions import first_of_month
from engage.storage.postgres.session import Session, json, texts, uuids
from engage.storage.text_order import after_prefix

_OF = "SELECT profile_id, key, upto, state FROM fold WHERE profile_id = ANY(%s::uuid[])"
# Whole months go at once, but for what lies in no month's own partition.
_ANY_DUE = """
SELECT EXISTS (SELECT FROM event WHERE timestamp < %s) OR EXISTS (SELECT FROM event_default WHERE timestamp < %s)
"""
_NAMED = """
SELECT DISTINCT profile_id FROM {table} AS e
WHERE timestamp < %s AND profile_id > %s::uuid AND type <> 'reserved' AND EXISTS (
    SELECT FROM json_to_recordset(%s) AS wanted (least text, beyond text)
    WHERE e.name >= wanted.least COLLATE "C" AND (e.name < wanted.beyond COLLATE "C" OR wanted.beyond IS NULL)
)
ORDER BY profile_id LIMIT %s
"""
_IN_MONTHS, _IN_DEFAULT = _NAMED.format(table="event"), _NAMED.format(table="event_default")
_DROP = "DELETE FROM fold WHERE ctid IN (SELECT ctid FROM fold WHERE key <> ALL(%s::text[]) LIMIT %s)"
_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"


class PostgresFolds:
    """Folds of people."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def of(self, profiles: Collection[ProfileId]) -> dict[ProfileId, list[FoldState]]:
        """Return everything that is kept of these people."""
        found: dict[ProfileId, list[FoldState]] = {}
        state = decoder(dict).decode
        for profile, key, upto, kept in self._session.rows(_OF, uuids(profiles)) if profiles else ():
            fold = FoldState(profile=profile, key=key, upto=upto, state=state(kept))
            found.setdefault(profile, []).append(fold)
        return found

    def due(
        self, names: Collection[str], before: datetime, after: ProfileId | None, limit: int
    ) -> list[ProfileId]:
        """Return the next people of whom an event goes."""
        month = first_of_month(before)
        self._session.rows("SELECT set_config('enable_seqscan', 'on', true)")
        if after is None and not self._session.one(_ANY_DUE, month, before):
            return []
        self._session.rows("SELECT set_config('enable_seqscan', 'off', true)")
        wanted = json([{"least": least, "beyond": beyond} for least, beyond in map(_span, names)])
        found: set[ProfileId] = set()
        for query, instant in ((_IN_MONTHS, month), (_IN_DEFAULT, before)):
            rows = self._session.rows(query, instant, after or _BEFORE_ALL, wanted, limit)
            found.update(profile for (profile,) in rows)
        return sorted(found)[:limit]

    def drop(self, live: Collection[str], limit: int) -> int:
        """Remove folds whose key is none of these."""
        self._session.rows(
            "SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true)"
        )
        return self._session.run(_DROP, texts(live), limit)


def _span(name: str) -> tuple[str, str | None]:
    if not name.endswith("*"):
        return name, name + "\x01"
    prefix = name[:-1]
    return prefix, after_prefix(prefix) if prefix else None
