"""Runs and timers in PostgreSQL."""

from collections.abc import Collection
from datetime import datetime
from typing import LiteralString

from engage.domain.ids import LANES, ProfileId, RunId
from engage.domain.journey.run import Run
from engage.domain.turn.changes import Timer, TimerKind
from engage.ports.storage import PastEntries
from engage.storage.coding import decoder
from engage.storage.postgres.session import Session, texts, uuids

_OPEN = """
SELECT doc FROM (
    SELECT entered_at, id, doc FROM run WHERE profile_id = ANY(%(profiles)s::uuid[]) AND ended_at IS NULL
    UNION ALL
    SELECT entered_at, id, doc FROM run
    WHERE profile_id = ANY(%(profiles)s::uuid[]) AND ended_at IS NOT NULL AND goal_until >= %(now)s
) AS open ORDER BY entered_at, id
"""
_ENTRIES = """
SELECT profile_id, journey, key, count(*), max(entered_at) FROM run
WHERE profile_id = ANY(%s::uuid[]) AND journey = ANY(%s::text[])
GROUP BY profile_id, journey, key
"""
_COMPLETED = "SELECT id FROM run WHERE id = ANY(%s::uuid[]) AND ended_at IS NOT NULL AND reason = 'completed'"
_TIMER = "SELECT profile_id, kind, ref, due_at, lane FROM timer"
_ORDER = "ORDER BY due_at, profile_id, kind, ref"
_DUE = f"{_TIMER} WHERE lane = %s AND due_at <= %s {_ORDER} LIMIT %s"
_DUE_IN = f"""
SELECT profile_id, kind, ref, due_at, first.lane FROM unnest(%s::smallint[]) AS lanes (lane), LATERAL (
    {_TIMER} WHERE timer.lane = lanes.lane AND due_at <= %s ORDER BY due_at LIMIT %s
) AS first
{_ORDER} LIMIT %s
"""  # noqa: S608 - our own fragments
_OF = f"{_TIMER} WHERE profile_id = ANY(%s::uuid[]) {_ORDER}"
FIRST_TIMERS = """
SELECT min(first.due_at)
FROM generate_series(0, %s) AS lane,
LATERAL (SELECT due_at FROM timer WHERE timer.lane = lane.lane ORDER BY due_at LIMIT 1) AS first
"""
_DUE_LANES = """
SELECT lane FROM generate_series(0, %s) AS lane
WHERE (SELECT min(due_at) FROM timer WHERE timer.lane = lane.lane) <= %s
"""


class PostgresRuns:
    """Runs and the timers of everything."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def open(self, profiles: Collection[ProfileId], now: datetime) -> dict[ProfileId, list[Run]]:
        """Return active runs and ended ones whose goal still counts at `now`, oldest first."""
        found: dict[ProfileId, list[Run]] = {profile: [] for profile in profiles}
        if found:
            decode = decoder(Run).decode
            for (doc,) in self._session.named(_OPEN, profiles=uuids(profiles), now=now):
                run = decode(doc)
                found[run.profile].append(run)
        return found

    def entries(
        self, profiles: Collection[ProfileId], journeys: Collection[str]
    ) -> dict[tuple[ProfileId, str], PastEntries]:
        """Return the earlier entries into these journeys; pairs without any are absent."""
        found: dict[tuple[ProfileId, str], PastEntries] = {}
        if not profiles or not journeys:
            return found
        rows = self._session.rows(_ENTRIES, uuids(profiles), texts(journeys))
        for profile, journey, key, count, last in rows:
            past = found.setdefault((profile, journey), PastEntries())
            past.count += count
            past.last = last if past.last is None else max(past.last, last)
            past.last_by_key[key] = last
        return found

    def completed(self, runs: Collection[RunId]) -> frozenset[RunId]:
        """Return those of these runs that went through to their end."""
        return (
            frozenset(key for (key,) in self._session.rows(_COMPLETED, uuids(runs))) if runs else frozenset()
        )

    def timers(self, profiles: Collection[ProfileId]) -> list[Timer]:
        """Return all timers of these people, earliest first."""
        return self._timers(_OF, uuids(profiles)) if profiles else []

    def due(self, lane: int, until: datetime, limit: int) -> list[Timer]:
        """Return the lane's timers due at or before `until`, earliest first."""
        return self._timers(_DUE, lane, until, limit)

    def next_due(self) -> datetime | None:
        """Return when the earliest timer of all is due."""
        first: datetime | None = self._session.one(FIRST_TIMERS, LANES - 1)
        return first

    def due_in(self, lanes: Collection[int], until: datetime, limit: int) -> list[Timer]:
        """Return these lanes' timers due at or before `until`, earliest first."""
        return self._timers(_DUE_IN, sorted(set(lanes)), until, limit, limit)

    def due_lanes(self, until: datetime) -> set[int]:
        """Return the lanes that have timers due at or before `until`."""
        return {lane for (lane,) in self._session.rows(_DUE_LANES, LANES - 1, until)}

    def _timers(self, query: LiteralString, *values: object) -> list[Timer]:
        return [
            Timer(profile=profile, kind=TimerKind(kind), ref=ref, due_at=due_at, lane=lane)
            for profile, kind, ref, due_at, lane in self._session.rows(query, *values)
        ]
