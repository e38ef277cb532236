"""Runs and timers in memory."""

from collections.abc import Collection
from datetime import datetime

from engage.domain.decision import EndReason
from engage.domain.ids import ProfileId, RunId
from engage.domain.journey.run import Run
from engage.domain.turn.changes import Timer
from engage.ports.storage import PastEntries
from engage.storage.coding import decoder
from engage.storage.memory.work import Work


class MemoryRuns:
    """Runs and the timers of everything."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def open(self, profiles: Collection[ProfileId], now: datetime) -> dict[ProfileId, list[Run]]:
        """Return active runs and ended ones whose goal still counts at `now`, oldest first."""
        decode = decoder(Run).decode
        found: dict[ProfileId, list[Run]] = {}
        for profile in profiles:
            rows = [
                row
                for row in self._work.runs.where("profile", profile)
                if row.active or (row.goal_until is not None and now <= row.goal_until)
            ]
            rows.sort(key=lambda row: (row.entered_at, row.id))
            found[profile] = [decode(row.doc) for row in rows]
        return found

    def entries(
        self, profiles: Collection[ProfileId], journeys: Collection[str]
    ) -> dict[tuple[ProfileId, str], PastEntries]:
        """Return the earlier entries into these journeys; pairs without any are absent."""
        wanted = set(journeys)
        found: dict[tuple[ProfileId, str], PastEntries] = {}
        for row in self._work.runs.among("profile", profiles):
            if row.journey not in wanted:
                continue
            past = found.setdefault((row.profile, row.journey), PastEntries())
            past.count += 1
            past.last = row.entered_at if past.last is None else max(past.last, row.entered_at)
            past.last_by_key[row.key] = max(past.last_by_key.get(row.key, row.entered_at), row.entered_at)
        return found

    def completed(self, runs: Collection[RunId]) -> frozenset[RunId]:
        """Return those of these runs that went through to their end."""
        rows = [row for key in runs if (row := self._work.runs.get(key)) is not None]
        docs = [decoder(Run).decode(row.doc) for row in rows if not row.active]
        return frozenset(run.id for run in docs if run.reason == EndReason.COMPLETED)

    def timers(self, profiles: Collection[ProfileId]) -> list[Timer]:
        """Return all timers of these people, earliest first."""
        return sorted(self._work.timers.among("profile", profiles), key=_order)

    def due(self, lane: int, until: datetime, limit: int) -> list[Timer]:
        """Return the lane's timers due at or before `until`, earliest first."""
        rows = [row for row in self._work.timers.where("lane", lane) if row.due_at and row.due_at <= until]
        return sorted(rows, key=_order)[:limit]

    def next_due(self) -> datetime | None:
        """Return when the earliest timer of all is due."""
        return min((row.due_at for row in self._work.timers.all() if row.due_at), default=None)

    def due_in(self, lanes: Collection[int], until: datetime, limit: int) -> list[Timer]:
        """Return these lanes' timers due at or before `until`, earliest first."""
        rows = [row for row in self._work.timers.among("lane", lanes) if row.due_at and row.due_at <= until]
        return sorted(rows, key=_order)[:limit]

    def due_lanes(self, until: datetime) -> set[int]:
        """Return the lanes that have timers due at or before `until`."""
        return {row.lane for row in self._work.timers.all() if row.due_at and row.due_at <= until}


def _order(timer: Timer) -> tuple[datetime | None, str, str, str]:
    return timer.due_at, timer.profile, timer.kind, timer.ref
