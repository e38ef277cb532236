"""Work: what one open transaction holds: its view of every table, its locks, and the constraints at its end."""

from collections.abc import Hashable
from itertools import count

from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Identifier
from engage.ports.storage import StorageRefusedError
from engage.storage.memory.locks import LockTable
from engage.storage.memory.rows import Tables
from engage.storage.memory.table import View


class Sequences:
    """Numbers that only grow, shared by all transactions; a rolled back one leaves a gap."""

    def __init__(self) -> None:
        """Start at 1."""
        self.inbox = count(1)
        self.other = count(1)


class Work:
    """One open transaction."""

    def __init__(self, tables: Tables, sequences: Sequences, locks: LockTable) -> None:
        """See everything committed; hold nothing."""
        self.sequences = sequences
        self._locks = locks
        self.seen = View(tables.seen)
        self.inbox = View(tables.inbox)
        self.quarantine = View(tables.quarantine)
        self.profiles = View(tables.profiles)
        self.identifiers = View(tables.identifiers)
        self.memberships = View(tables.memberships)
        self.merged = View(tables.merged)
        self.events = View(tables.events)
        self.runs = View(tables.runs)
        self.timers = View(tables.timers)
        self.decisions = View(tables.decisions)
        self.deliveries = View(tables.deliveries)
        self.receipts = View(tables.receipts)
        self.consents = View(tables.consents)
        self.subscriptions = View(tables.subscriptions)
        self.suppressions = View(tables.suppressions)
        self.definitions = View(tables.definitions)
        self.project = View(tables.project)
        self.senders = View(tables.senders)
        self.links = View(tables.links)
        self.heard = View(tables.heard)
        self.jobs = View(tables.jobs)
        self.audit = View(tables.audit)
        self.users = View(tables.users)
        self.tokens = View(tables.tokens)
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
