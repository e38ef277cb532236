"""Events in PostgreSQL."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from engage.domain.ids import ProfileId
from engage.domain.profile import Event
from engage.storage.coding import decoder
from engage.storage.postgres.session import Session, texts, uuids
from engage.storage.text_order import after_prefix

# A minimum of the bounds prunes partitions; each name's own bound is held afterwards.
_NAMED = """
SELECT id, profile_id, name, type, timestamp, received_at, arrival, properties, epoch FROM event
WHERE profile_id = ANY(%s::uuid[]) AND name = ANY(%s::text[]) AND timestamp >= coalesce(%s::timestamptz, '-infinity') AND type <> 'reserved'
"""
_PREFIXED = """
SELECT id, profile_id, name, type, timestamp, received_at, arrival, properties, epoch FROM event
WHERE profile_id = ANY(%s::uuid[]) AND name >= %s AND name < %s AND timestamp >= coalesce(%s::timestamptz, '-infinity')
    AND type <> 'reserved'
"""


class PostgresEvents:
    """What happened to people."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def history(
        self, profiles: Collection[ProfileId], reads: Mapping[str, datetime | None]
    ) -> dict[ProfileId, list[Event]]:
        """Return events by name (or `Prefix*`) and bound, ordered by (timestamp, arrival)."""
        found: dict[ProfileId, list[Event]] = {profile: [] for profile in profiles}
        if not found or not reads:
            return found
        ids = uuids(profiles)
        names = {name: bound for name, bound in reads.items() if not name.endswith("*")}
        rows: list[tuple[Any, ...]] = []
        if names:
            rows = self._session.rows(_NAMED, ids, texts(names), _least(list(names.values())))
            rows = [row for row in rows if (bound := names[row[2]]) is None or row[4] >= bound]
        for name, bound in reads.items():
            if name.endswith("*"):
                rows += self._session.rows(_PREFIXED, ids, name[:-1], after_prefix(name[:-1]), bound)
        properties = decoder(dict).decode
        distinct = {(row[1], row[0], row[4]): row for row in rows}
        for row in sorted(distinct.values(), key=lambda row: (row[4], row[6], row[0])):
            found[row[1]].append(
                Event(
                    id=row[0],
                    profile=row[1],
                    name=row[2],
                    type=row[3],
                    timestamp=row[4],
                    received_at=row[5],
                    arrival=row[6],
                    properties=properties(row[7]),
                    epoch=row[8],
                )
            )
        return found


def _least(bounds: list[datetime | None]) -> datetime | None:
    known = [bound for bound in bounds if bound is not None]
    return min(known) if len(known) == len(bounds) else None
