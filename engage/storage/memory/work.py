"""Work: what one open transaction holds: its view of every table, its locks, and the constraints at its end."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Identifier
from engage.ports.storage import StorageRefusedError
from engage.storage.memory.locks import LockTable
from engage.storage.memory.rows import Tables
from engage.storage.memory.table import Table, View

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Sequence:
    """Numbers that only grow, from 1, shared by all transactions; a rolled back one leaves a gap."""

    def __init__(self) -> None:
        """Begin."""
        self.last = 0

    def __next__(self) -> int:
        """Return the next one."""
        self.last += 1
        return self.last


class Sequences:
    """The sequences of a store."""

    def __init__(self) -> None:
        """Start at 1."""
        self.inbox = Sequence()
        self.other = Sequence()


class Seen(Generic[K, V]):
    """A table as one transaction sees it; the view is made when it is first looked at, as most never are."""

    def __init__(self, table_of: Callable[[Tables], Table[K, V]]) -> None:
        """Look at the table that `table_of` gives."""
        self._table_of = table_of

    def __set_name__(self, owner: type, name: str) -> None:
        """Keep the name under which the view is kept."""
        self._name = name

    def __get__(self, work: "Work", owner: type) -> View[K, V]:
        """Make the view; it then stands on the transaction itself and this is asked no more."""
        view = View(self._table_of(work.tables))
        vars(work)[self._name] = view
        return view


class Work:
    """One open transaction."""

    seen = Seen(lambda tables: tables.seen)
    inbox = Seen(lambda tables: tables.inbox)
    quarantine = Seen(lambda tables: tables.quarantine)
    profiles = Seen(lambda tables: tables.profiles)
    identifiers = Seen(lambda tables: tables.identifiers)
    memberships = Seen(lambda tables: tables.memberships)
    merged = Seen(lambda tables: tables.merged)
    events = Seen(lambda tables: tables.events)
    folds = Seen(lambda tables: tables.folds)
    runs = Seen(lambda tables: tables.runs)
    timers = Seen(lambda tables: tables.timers)
    decisions = Seen(lambda tables: tables.decisions)
    deliveries = Seen(lambda tables: tables.deliveries)
    receipts = Seen(lambda tables: tables.receipts)
    consents = Seen(lambda tables: tables.consents)
    subscriptions = Seen(lambda tables: tables.subscriptions)
    suppressions = Seen(lambda tables: tables.suppressions)
    definitions = Seen(lambda tables: tables.definitions)
    project = Seen(lambda tables: tables.project)
    senders = Seen(lambda tables: tables.senders)
    sender_calls = Seen(lambda tables: tables.sender_calls)
    slowness = Seen(lambda tables: tables.slowness)
    links = Seen(lambda tables: tables.links)
    heard = Seen(lambda tables: tables.heard)
    jobs = Seen(lambda tables: tables.jobs)
    listed = Seen(lambda tables: tables.listed)
    audit = Seen(lambda tables: tables.audit)
    users = Seen(lambda tables: tables.users)
    tokens = Seen(lambda tables: tables.tokens)
    guesses = Seen(lambda tables: tables.guesses)
    ended_sessions = Seen(lambda tables: tables.ended_sessions)

    def __init__(self, tables: Tables, sequences: Sequences, locks: LockTable) -> None:
        """See everything committed; hold nothing."""
        self.tables = tables
        self.sequences = sequences
        self._locks = locks
        self.new_identifiers: set[Identifier] = set()
        self.new_facts: dict[tuple[str, str], int] = {}

    def try_lock(self, key: Hashable) -> bool:
        """Take a lock until the end of the transaction, if it is free."""
        return self._locks.try_take(key, self)

    def lock(self, key: Hashable) -> None:
        """Take a lock until the end of the transaction, waiting for it."""
        self._locks.take(key, self)

    def release(self) -> None:
        """Let go of every lock."""
        self._locks.release(self)

    def check_runs(self) -> None:
        """Hold the constraint on active runs.

        Raises:
            IdentityRaceError: two active runs of one (journey, profile, key).
        """
        for row in self.runs.changed.values():
            if row is not None and row.active:
                inside = self.runs.where("active", (row.journey, row.profile, row.key))
                if len(inside) > 1:
                    raise IdentityRaceError(f"two active runs of {row.journey} for one profile and key")

    def check_deliveries(self) -> None:
        """Hold the constraint on deliveries of runs.

        Raises:
            StorageRefusedError: two deliveries for one (run, step, visit).
        """
        for row in self.deliveries.changed.values():
            if row is not None and row.run is not None:
                asked = self.deliveries.where("asked", (row.run, row.step, row.visit))
                if len(asked) > 1:
                    raise StorageRefusedError(f"two deliveries for visit {row.visit} of {row.step}")

    def commit(self) -> None:
        """Hold every constraint against what others committed meanwhile, then publish the writes.

        Raises:
            IdentityRaceError: somebody else was faster with an identifier or a run.
            StorageRefusedError: somebody else was faster with a delivery.
        """
        if any(identifier in self.identifiers.table.rows for identifier in self.new_identifiers):
            raise IdentityRaceError("another transaction took one of the new identifiers")
        self.check_runs()
        self.check_deliveries()
        for fact, seq in self.new_facts.items():
            if fact in self.seen.table.rows:
                self.inbox.changed.pop(seq, None)
                self.seen.changed.pop(fact, None)
        for value in vars(self).values():
            if isinstance(value, View) and value.changed:
                value.commit()
