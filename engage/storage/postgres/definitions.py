"""Definitions in PostgreSQL."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from engage.ports.storage import StorageRefusedError, StoredDefinition
from engage.storage.postgres.session import Session, json, texts

_LIVE = """
SELECT kind, name, version, source, checksum, state, epoch FROM definition WHERE live ORDER BY kind, name
"""
_VERSIONS = """
SELECT kind, name, version, source, checksum, state, epoch FROM definition
WHERE kind = 'journey' AND name = ANY(%s::text[]) ORDER BY name, version
"""
# Jumps from one (journey, version) to the next instead of reading a million runs of the same.
_INSIDE = """
WITH RECURSIVE pair AS (
    (SELECT journey, version FROM run WHERE ended_at IS NULL OR goal_until IS NOT NULL
     ORDER BY journey, version LIMIT 1)
    UNION ALL
    SELECT later.journey, later.version FROM pair, LATERAL (
        SELECT journey, version FROM run
        WHERE (ended_at IS NULL OR goal_until IS NOT NULL) AND (journey, version) > (pair.journey, pair.version)
        ORDER BY journey, version LIMIT 1
    ) AS later
)
SELECT journey, version FROM pair
"""
_DEFINITIONS = 2  # the first key of the advisory lock on what is live; lanes have 1
_HOLD = "SELECT pg_advisory_xact_lock_shared(%s, 0)"
_CHANGE = "SELECT pg_advisory_xact_lock(%s, 0)"
_ADVANCE = "UPDATE project SET epoch = epoch + 1 RETURNING epoch"
_RETIRE = """
UPDATE definition SET live = false
WHERE live AND (kind, name) IN (SELECT kind, name FROM json_to_recordset(%s) AS (kind text, name text))
"""
_STORE = """
INSERT INTO definition (kind, name, version, source, checksum, state, epoch, live)
SELECT kind, name, version, source, checksum, state, epoch, true FROM json_to_recordset(%s) AS (
    kind text, name text, version integer, source text, checksum text, state text, epoch bigint
)
ON CONFLICT (kind, name, version) DO UPDATE SET live = true, state = excluded.state, epoch = excluded.epoch
WHERE definition.checksum = excluded.checksum
"""
_STATE = "UPDATE definition SET state = %s, epoch = %s WHERE live AND kind = %s AND name = %s"
_STOP = "UPDATE project SET epoch = epoch + 1, stopped = array_append(array_remove(stopped, %s), %s) RETURNING epoch"
_RESUME = "UPDATE project SET epoch = epoch + 1, stopped = array_remove(stopped, %s) RETURNING epoch"


class PostgresDefinitions:
    """Published definitions."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def epoch(self) -> int:
        """Return the epoch."""
        return int(self._session.one("SELECT epoch FROM project"))

    def folding(self) -> bool:
        """Return whether every process that may work here keeps folds."""
        return bool(self._session.one("SELECT folding FROM project"))

    def hold(self) -> None:
        """Keep what is live from changing until this transaction ends; any number may hold it at once."""
        self._session.rows(_HOLD, _DEFINITIONS)

    def live(self) -> list[StoredDefinition]:
        """Return the newest version of everything that is not removed, by kind and name."""
        return [_definition(row) for row in self._session.rows(_LIVE)]

    def versions(self, wanted: Collection[tuple[str, int]]) -> list[StoredDefinition]:
        """Return older versions of journeys by (name, version)."""
        if not wanted:
            return []
        rows = self._session.rows(_VERSIONS, texts(name for name, _ in wanted))
        pairs = set(wanted)
        return [_definition(row) for row in rows if (row[1], row[2]) in pairs]

    def last_versions(self) -> dict[tuple[str, str], int]:
        """Return the highest version ever published by (kind, name), removed ones included."""
        rows = self._session.rows("SELECT kind, name, max(version) FROM definition GROUP BY kind, name")
        return {(kind, name): version for kind, name, version in rows}

    def versions_inside(self) -> set[tuple[str, int]]:
        """Return the (journey, version) pairs that have active runs or open goals."""
        return {(journey, version) for journey, version in self._session.rows(_INSIDE)}

    def publish(
        self, definitions: Sequence[StoredDefinition], removed: Sequence[tuple[str, str]] = ()
    ) -> int:
        """Store new versions, take removed ones (kind, name) out of `live`, and return the new epoch."""
        self._session.rows(_CHANGE, _DEFINITIONS)
        epoch = int(self._session.one(_ADVANCE))
        gone = [*removed, *((new.kind, new.name) for new in definitions)]
        if gone:
            self._session.run(_RETIRE, json({"kind": kind, "name": name} for kind, name in gone))
        if definitions:
            stored = self._session.run(_STORE, json(replace(new, epoch=epoch) for new in definitions))
            if stored != len(definitions):
                raise StorageRefusedError("a definition already has another source under that version")
        return epoch

    def set_state(self, kind: str, name: str, state: str) -> int:
        """Change the state of a live definition and return the new epoch."""
        self._session.rows(_CHANGE, _DEFINITIONS)
        epoch = int(self._session.one(_ADVANCE))
        self._session.run(_STATE, state, epoch, kind, name)
        return epoch

    def stopped_channels(self) -> frozenset[str]:
        """Return the channels that an operator stopped (`*`: all)."""
        return frozenset(self._session.one("SELECT stopped FROM project"))

    def stop_sending(self, channel: str, stopped: bool) -> int:
        """Stop or resume a channel (`*`: all) and return the new epoch."""
        if stopped:
            return int(self._session.one(_STOP, channel, channel))
        return int(self._session.one(_RESUME, channel))


def _definition(row: tuple[Any, ...]) -> StoredDefinition:
    kind, name, version, source, checksum, state, epoch = row
    return StoredDefinition(
        kind=kind, name=name, version=version, source=source, checksum=checksum, state=state, epoch=epoch
    )
