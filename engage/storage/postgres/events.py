"""Events in PostgreSQL."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Event
from engage.storage.coding import decoder
from engage.storage.postgres.session import Session, json, texts, uuids
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


_LATER = """
SELECT e.id, e.profile_id, e.name, e.type, e.timestamp, e.received_at, e.arrival, e.properties, e.epoch
FROM json_to_recordset(%s) AS mark (profile uuid, name text COLLATE "C", after timestamptz)
JOIN event e ON e.profile_id = mark.profile AND e.name = mark.name AND e.timestamp > mark.after
WHERE e.timestamp > %s::timestamptz AND e.type <> 'reserved'
"""
_LATER_PREFIXED = """
SELECT e.id, e.profile_id, e.name, e.type, e.timestamp, e.received_at, e.arrival, e.properties, e.epoch
FROM json_to_recordset(%s) AS mark (profile uuid, name text COLLATE "C", beyond text COLLATE "C", after timestamptz)
JOIN event e ON e.profile_id = mark.profile AND e.name >= mark.name AND e.name < mark.beyond
    AND e.timestamp > mark.after
WHERE e.timestamp > %s::timestamptz AND e.type <> 'reserved'
"""
_STORED = "SELECT profile_id, id FROM event WHERE profile_id = ANY(%s::uuid[]) AND id = ANY(%s::text[])"
_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)


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
        _put_in_order(found, rows)
        return found

    def later(self, marks: Mapping[ProfileId, Mapping[str, datetime | None]]) -> dict[ProfileId, list[Event]]:
        """Return events by name (or `Prefix*`) that happened after each one's own instant, in order."""
        found: dict[ProfileId, list[Event]] = {profile: [] for profile in marks}
        exact: list[dict[str, Any]] = []
        prefixed: list[dict[str, Any]] = []
        for profile, names in marks.items():
            for name, after in names.items():
                mark = {"profile": profile, "name": name, "after": after or _LONG_AGO}
                if name.endswith("*"):
                    mark |= {"name": name[:-1], "beyond": after_prefix(name[:-1])}
                (prefixed if name.endswith("*") else exact).append(mark)
        rows: list[tuple[Any, ...]] = []
        for query, asked in ((_LATER, exact), (_LATER_PREFIXED, prefixed)):
            if asked:
                rows += self._session.rows(query, json(asked), min(mark["after"] for mark in asked))
        _put_in_order(found, rows)
        return found

    def stored(self, profiles: Collection[ProfileId], events: Collection[str]) -> dict[ProfileId, set[str]]:
        """Return which of these events, by id, there are of these people."""
        found: dict[ProfileId, set[str]] = {profile: set() for profile in profiles}
        if found and events:
            for profile, event in self._session.rows(_STORED, uuids(profiles), texts(events)):
                found[profile].add(event)
        return found


def _put_in_order(found: dict[ProfileId, list[Event]], rows: list[tuple[Any, ...]]) -> None:
    if rows:
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


def _least(bounds: list[datetime | None]) -> datetime | None:
    known = [bound for bound in bounds if bound is not None]
    return min(known) if len(known) == len(bounds) else None
