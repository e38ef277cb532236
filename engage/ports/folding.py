"""Folding: what aggregates keep of the events they have counted, as storage has it."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from engage.domain.ids import ProfileId
from engage.domain.turn.changes import FoldState


class FoldStates(Protocol):
    """Folds of people. Only whoever has locked a profile writes its folds, by `Transaction.write`."""

    def of(self, profiles: Collection[ProfileId]) -> dict[ProfileId, list[FoldState]]:
        """Return everything that is kept of these people; whoever has none is not there."""
        ...

    def due(
        self, names: Collection[str], before: datetime, after: ProfileId | None, limit: int
    ) -> list[ProfileId]:
        """Return the next people, in the order of their ids, of whom an event by one of these names (or `Prefix*`)
        goes when the house removes what happened before an instant."""
        ...

    def drop(self, live: Collection[str], limit: int) -> int:
        """Remove up to `limit` folds whose key is none of these; return how many went."""
        ...
