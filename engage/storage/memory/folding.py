"""Folds in memory."""

from collections.abc import Collection
from datetime import datetime

from engage.domain.forms import names_match
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import RESERVED_TYPE
from engage.domain.turn.changes import FoldState
from engage.storage.coding import decoder
from engage.storage.memory.work import Work


class MemoryFolds:
    """Folds of people."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def of(self, profiles: Collection[ProfileId]) -> dict[ProfileId, list[FoldState]]:
        """Return everything that is kept of these people."""
        decode = decoder(FoldState).decode
        found = {
            profile: [decode(row.doc) for row in self._work.folds.where("profile", profile)]
            for profile in profiles
        }
        return {profile: folds for profile, folds in found.items() if folds}

    def due(
        self, names: Collection[str], before: datetime, after: ProfileId | None, limit: int
    ) -> list[ProfileId]:
        """Return the next people of whom an event goes."""
        found = {
            row.key.profile
            for row in self._work.events.all()
            if row.key.timestamp < before
            and row.type != RESERVED_TYPE
            and names_match(tuple(names), row.name)
            and (after is None or row.key.profile > after)
        }
        return sorted(found)[:limit]

    def drop(self, live: Collection[str], limit: int) -> int:
        """Remove folds whose key is none of these."""
        gone = [row for row in self._work.folds.all() if row.key not in live][:limit]
        for row in gone:
            self._work.folds.delete((row.profile, row.key))
        return len(gone)
