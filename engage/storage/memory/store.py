"""The store in memory: transactions with buffered writes, locks and constraints at commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from engage.domain.turn.changes import Changes
from engage.ports.locking import WorkerLock
from engage.ports.storage import AGGREGATES, StorageBusyError
from engage.storage.memory.access import MemoryAccess
from engage.storage.memory.consents import MemoryConsents
from engage.storage.memory.definitions import MemoryDefinitions
from engage.storage.memory.deliveries import MemoryDeliveries
from engage.storage.memory.events import MemoryEvents
from engage.storage.memory.folding import MemoryFolds
from engage.storage.memory.inbox import MemoryInbox
from engage.storage.memory.jobs import MemoryJobs
from engage.storage.memory.listings import MemoryListings
from engage.storage.memory.locks import LockTable, Wait, refuse_to_wait
from engage.storage.memory.people import MemoryPeople
from engage.storage.memory.rows import Tables
from engage.storage.memory.runs import MemoryRuns
from engage.storage.memory.selecting import MemorySelection
from engage.storage.memory.senders import MemorySenders
from engage.storage.memory.short_links import MemoryShortLinks
from engage.storage.memory.trail import MemoryTrail
from engage.storage.memory.work import Sequences, Work
from engage.storage.memory.write import write

Checkpoint = Callable[[str], None]


def pass_by(place: str) -> None:
    """Do nothing at a checkpoint."""


PEPPER = b"memory"
"""Keys what is left of erased addresses; nothing outlives this store."""


class MemoryTransaction:
    """One atomic piece of work."""

    __slots__ = ("_work", *AGGREGATES)

    def __init__(self, work: Work) -> None:
        """Open the aggregates on one piece of work."""
        self._work = work
        self.inbox = MemoryInbox(work)
        self.people = MemoryPeople(work, PEPPER)
        self.events = MemoryEvents(work)
        self.folds = MemoryFolds(work)
        self.runs = MemoryRuns(work)
        self.deliveries = MemoryDeliveries(work)
        self.consents = MemoryConsents(work, PEPPER)
        self.definitions = MemoryDefinitions(work)
        self.selection = MemorySelection(work)
        self.senders = MemorySenders(work)
        self.links = MemoryShortLinks(work)
        self.listings = MemoryListings(work)
        self.jobs = MemoryJobs(work)
        self.trail = MemoryTrail(work)
        self.access = MemoryAccess(work)

    def write(self, changes: Changes) -> None:
        """Write everything a turn decided.

        Raises:
            IdentityRaceError: an identifier or the place of a run is taken; possibly only at commit.
        """
        write(self._work, changes)


class _Held:
    """A worker's name that nothing can take away."""

    def keep(self) -> None:
        """It is held."""


class MemoryStore:
    """A `Store` whose data lives and dies with the object.

    `checkpoint` is called with `begin`, `commit` (everything decided, nothing durable yet) and `committed`
    (durable, locks released): a scheduler switches workers there, and an exception raised there is a crash at
    that point. `wait` is called where a transaction must wait for another one's lock (see `LockTable`).
    """

    def __init__(self, *, checkpoint: Checkpoint = pass_by, wait: Wait = refuse_to_wait) -> None:
        """Start empty."""
        self.checkpoint = checkpoint
        self.locks = LockTable(wait)
        self._tables = Tables()
        self._sequences = Sequences()
        self._workers: set[str] = set()
        self._committing = Lock()

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        """Begin; commit when the block ends, roll back when it raises."""
        self.checkpoint("begin")
        work = Work(self._tables, self._sequences, self.locks)
        try:
            yield MemoryTransaction(work)
            self.checkpoint("commit")
            with self._committing:
                work.commit()
        finally:
            work.release()
        self.checkpoint("committed")

    def look(self) -> Work:
        """Return a view of what is committed, for reading only."""
        return Work(self._tables, self._sequences, self.locks)

    def worker_alive(self, worker: str) -> bool:
        """Return whether somebody holds this worker name."""
        return worker in self._workers

    @contextmanager
    def hold_worker_lock(self, worker: str) -> Iterator[WorkerLock]:
        """Hold this worker name for as long as the block runs.

        Raises:
            StorageBusyError: somebody else holds it.
        """
        if worker in self._workers:
            raise StorageBusyError(f"another process is the worker {worker}")
        self._workers.add(worker)
        try:
            yield _Held()
        finally:
            self._workers.discard(worker)
