"""Retain: what retention removes stays counted, because it is folded before it goes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engage.domain.catalog import Catalog
from engage.domain.expression import MapHistory
from engage.domain.ids import ProfileId
from engage.domain.turn.changes import Changes
from engage.engine.digest.working_set import load_history
from engage.ports.storage import StorageBusyError, Store, Transaction

BATCH = 200
"""People whose whole history is read in one transaction."""
BATCHES = 20
DROPPED = 5_000
DROPS = 20
MAX_RACES = 20

CatalogOf = Callable[[Transaction], Catalog]


@dataclass(frozen=True, slots=True)
class Folded:
    """How far what is old is folded."""

    before: datetime
    """What happened before this instant is."""
    epoch: int | None
    """Whose aggregates need none of it any more, of whom was looked at. None: it must stay, for something is live that
    this process cannot compile, or definitions changed meanwhile."""
    after: ProfileId | None = None
    """Go on after this person; none: everybody was looked at."""

    @property
    def releases(self) -> int | None:
        """The epoch while which it may all go; none: not yet."""
        return self.epoch if self.after is None else None


class Retain:
    """The room. Does no harm when two processes are in it at once."""

    def __init__(self, store: Store, catalog_of: CatalogOf) -> None:
        """Fold for the aggregates that are live in `store`."""
        self._store, self._catalog_of = store, catalog_of

    def fold(self, before: datetime, so_far: Folded | None = None, *, batches: int = BATCHES) -> Folded:
        """Fold whatever happened before an instant and is about to be removed, or go on from `so_far`, to its instant.

        Bounded: 200 people a transaction, so many transactions a call. Whoever begins anew loses no work.
        """
        after: ProfileId | None = None
        epoch: int | None = None
        if so_far is not None:
            before, after, epoch = so_far.before, so_far.after, so_far.epoch
        for _ in range(batches):
            with self._store.transaction() as tx:
                tx.definitions.hold()
                catalog = self._catalog_of(tx)
                if not catalog.whole or epoch not in (None, catalog.epoch):
                    return Folded(before, None)
                epoch = catalog.epoch
                names = {fold.name for fold in catalog.foldables.values()}
                page = tx.folds.due(names, before, after, BATCH) if names else []
            if not page:
                return Folded(before, epoch)
            self._fold(page, before)
            after = page[-1]
        return Folded(before, epoch, after)

    def _fold(self, page: list[ProfileId], before: datetime) -> None:
        for tried in range(MAX_RACES):
            try:
                with self._store.transaction() as tx:
                    tx.definitions.hold()
                    self._write(tx, sorted(tx.people.hold(page)), before)
                    return
            except StorageBusyError:
                if tried == MAX_RACES - 1:
                    raise

    def _write(self, tx: Transaction, there: list[ProfileId], before: datetime) -> None:
        """Fold these people, whose profiles are locked; whoever is folded so far already costs one read."""
        catalog = self._catalog_of(tx)
        folds, history = load_history(tx, catalog, there, {})
        covered, changes = catalog.settings.covered, Changes()
        for profile, kept in folds.items():
            kept.fold(MapHistory(history.get(profile, ())), covered, at_least=1, before=before)
            changes.folds += kept.written(profile)
        tx.write(changes)

    def drop(self) -> int:
        """Remove the folds of aggregates that no live definition names any more; at most 100,000 a call."""
        gone = 0
        for _ in range(DROPS):
            with self._store.transaction() as tx:
                tx.definitions.hold()
                catalog = self._catalog_of(tx)
                some = tx.folds.drop(catalog.foldables, DROPPED) if catalog.whole else 0
            gone += some
            if some < DROPPED:
                break
        return gone
