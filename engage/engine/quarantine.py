"""Quarantine: facts that could not be taken, taken once more after whatever was wrong has been put right."""

from collections.abc import Sequence
from dataclasses import dataclass

from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import Intake, Taken
from engage.ports.reading import Kept, Reading
from engage.ports.storage import Store


@dataclass(slots=True)
class Replayed:
    """What came of taking facts again."""

    taken: int = 0
    known: int = 0
    """Had arrived by another way meanwhile."""
    still: int = 0
    """Are as unfit as before and stay."""


@dataclass(frozen=True, slots=True)
class Meant:
    """Which facts: those of these ids (none: all), and with this reason (none: any)."""

    ids: frozenset[int] = frozenset()
    reason: str | None = None

    def means(self, item: Kept) -> bool:
        """Return whether it is one of them."""
        return (not self.ids or item.id in self.ids) and self.reason in (None, item.fact.reason)


class Again:
    """Takes quarantined facts again, a page at a time."""

    def __init__(self, store: Store, reading: Reading, acceptor: Acceptor, intake: Intake) -> None:
        """Read the pages by `reading`."""
        self._store, self._reading, self._acceptor, self._intake = store, reading, acceptor, intake

    def page(self, after: str | None, meant: Meant) -> Replayed:
        """Take those of the page after a cursor, oldest first: their order is the order in which they came."""
        kept = [item for item in self._reading.quarantine(after).items[::-1] if meant.means(item)]
        return replay(self._store, self._acceptor, self._intake, kept)


def replay(store: Store, acceptor: Acceptor, intake: Intake, kept: Sequence[Kept]) -> Replayed:
    """Take quarantined facts again, as if they came when they came.

    Safe to run twice, and to be killed: a fact is durable before it leaves the quarantine, and keeps its identity.

    Raises:
        StorageAwayError: the database is away; sending again is safe.
    """
    done = Replayed()
    for item in kept:
        taken = acceptor.replay([item.fact])
        if not taken.pieces:
            done.still += 1
            continue
        new = intake.store(Taken(taken.pieces))
        with store.transaction() as tx:
            tx.inbox.take_out([item.id])
        done.taken += sum(new)
        done.known += len(new) - sum(new)
    return done
