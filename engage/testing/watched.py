"""Watched: a store like any other that also keeps the chronicle of what its turns decided.

Expectations ask about ended runs and about the instants of refusals. No port lists those, and a port that did so for
tests alone would be a burden to every store; what is written through `Transaction.write` says it all.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from engage.domain.decision import Decided
from engage.domain.delivery.delivery import Channel, Priority
from engage.domain.errors import IdentityRaceError
from engage.domain.fact import InboxRow, NewFact
from engage.domain.ids import DeliveryId, ProfileId, RunId
from engage.domain.turn.changes import Changes, Quarantined
from engage.ports.deliveries import Deliveries
from engage.ports.locking import WorkerLock
from engage.ports.storage import AGGREGATES, Backlog, Inbox, Store, Transaction


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A run as it was last written."""

    id: RunId
    profile: ProfileId
    journey: str
    version: int
    step: str | None
    """The path of the step at which it stands."""
    active: bool
    reason: str | None
    entered_at: datetime


@dataclass(slots=True)
class Chronicle:
    """What was decided since the beginning."""

    runs: dict[RunId, RunSeen] = field(default_factory=dict)
    deliveries: dict[DeliveryId, list[tuple[str, datetime]]] = field(default_factory=dict)
    """Every delivery ever asked for, in order of asking, with what was said of it and when."""
    people: dict[ProfileId, None] = field(default_factory=dict)
    """Everybody, in the order in which they came up."""
    moved: dict[ProfileId, ProfileId] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    last_error: BaseException | None = None
    """The last accident inside a transaction: why something went to quarantine."""

    def take(self, changes: Changes) -> None:
        """Take in what a committed turn wrote."""
        self.people.update(dict.fromkeys(changes.profiles))
        for run in changes.runs.values():
            self.runs[run.id] = RunSeen(
                run.id,
                run.profile,
                run.journey,
                run.version,
                run.step,
                run.active,
                run.reason,
                run.entered_at,
            )
        for delivery in changes.deliveries:
            self.deliveries.setdefault(delivery, [])
        for decision in changes.decisions:
            if decision.kind is Decided.SEND and decision.delivery is not None:
                self.deliveries.setdefault(decision.delivery, []).append((decision.outcome, decision.at))
        for receipt in changes.receipts:
            self.deliveries.setdefault(receipt.delivery, []).append((receipt.mark, receipt.at))
        self.moved.update(changes.merges)

    def forget(self, profiles: Collection[ProfileId]) -> None:
        """Drop the runs of people who are erased."""
        self.runs = {
            run: seen for run, seen in self.runs.items() if self.profile(seen.profile) not in profiles
        }

    def profile(self, profile: ProfileId) -> ProfileId:
        """Return the profile that one is now, after merges."""
        while profile in self.moved:
            profile = self.moved[profile]
        return profile


class WatchedInbox:
    """An inbox that tells what went to quarantine."""

    __slots__ = ("_inbox", "_quarantined")

    def __init__(self, inbox: Inbox, quarantined: list[Quarantined]) -> None:
        self._inbox, self._quarantined = inbox, quarantined

    def add(self, facts: Sequence[NewFact]) -> list[bool]:
        """See `Inbox.add`."""
        return self._inbox.add(facts)

    def lock_lane(self, lane: int) -> bool:
        """See `Inbox.lock_lane`."""
        return self._inbox.lock_lane(lane)

    def lock_lanes(self, lanes: Collection[int], *, wait: bool = False) -> list[int]:
        """See `Inbox.lock_lanes`."""
        return self._inbox.lock_lanes(lanes, wait=wait)

    def read_lanes(self, lanes: Collection[int], limit: int) -> list[InboxRow]:
        """See `Inbox.read_lanes`."""
        return self._inbox.read_lanes(lanes, limit)

    def read(self, lane: int, limit: int) -> list[InboxRow]:
        """See `Inbox.read`."""
        return self._inbox.read(lane, limit)

    def next_live(self, lanes: Collection[int], after: int) -> datetime | None:
        """See `Inbox.next_live`."""
        return self._inbox.next_live(lanes, after)

    def remove(self, rows: Collection[int]) -> None:
        """See `Inbox.remove`."""
        self._inbox.remove(rows)

    def failed(self, rows: Collection[int]) -> None:
        """See `Inbox.failed`."""
        self._inbox.failed(rows)

    def quarantine(self, items: Sequence[Quarantined]) -> None:
        """See `Inbox.quarantine`; the chronicle hears of it at commit."""
        self._inbox.quarantine(items)
        self._quarantined.extend(items)

    def take_out(self, kept: Collection[int]) -> None:
        """See `Inbox.take_out`."""
        self._inbox.take_out(kept)

    def lanes(self) -> dict[int, datetime]:
        """See `Inbox.lanes`."""
        return self._inbox.lanes()

    def backlog(self) -> Backlog:
        """See `Inbox.backlog`."""
        return self._inbox.backlog()


class OrderlyDeliveries:
    """Deliveries of which those that are due together are called in order: of the people as they came up, then of asking.

    In life that is nobody's business; a script of a provider's answers counts on it. All else is the store's own.
    """

    __slots__ = ("_chronicle", "_deliveries")

    def __init__(self, deliveries: Deliveries, chronicle: Chronicle) -> None:
        self._deliveries, self._chronicle = deliveries, chronicle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deliveries, name)

    def candidates(
        self, channel: Channel, priority: Priority, now: datetime, limit: int
    ) -> list[tuple[DeliveryId, ProfileId]]:
        """See `Deliveries.candidates`."""
        found = self._deliveries.candidates(channel, priority, now, limit)
        if len(found) < 2:  # the usual case, and nothing to put in order
            return found
        people = {profile: place for place, profile in enumerate(self._chronicle.people)}
        asked = {delivery: place for place, delivery in enumerate(self._chronicle.deliveries)}
        last = len(people), len(asked)
        return sorted(found, key=lambda one: (people.get(one[1], last[0]), asked.get(one[0], last[1])))


class WatchedTransaction:
    """A transaction whose writes are remembered."""

    __slots__ = ("_transaction", "_written", *AGGREGATES)

    def __init__(
        self,
        transaction: Transaction,
        written: list[Changes],
        quarantined: list[Quarantined],
        chronicle: Chronicle,
    ) -> None:
        self._transaction, self._written = transaction, written
        self.inbox: Inbox = WatchedInbox(transaction.inbox, quarantined)
        self.people = transaction.people
        self.events = transaction.events
        self.folds = transaction.folds
        self.runs = transaction.runs
        self.deliveries = cast("Deliveries", OrderlyDeliveries(transaction.deliveries, chronicle))
        self.consents = transaction.consents
        self.definitions = transaction.definitions
        self.selection = transaction.selection
        self.senders = transaction.senders
        self.jobs = transaction.jobs
        self.links = transaction.links
        self.listings = transaction.listings
        self.trail = transaction.trail
        self.access = transaction.access

    def write(self, changes: Changes) -> None:
        """See `Transaction.write`."""
        self._transaction.write(changes)
        self._written.append(changes)


class WatchedStore:
    """A `Store` around another one; nothing about it differs but that `chronicle` fills."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.chronicle = Chronicle()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See `Store.transaction`; what is rolled back is not remembered."""
        written: list[Changes] = []
        quarantined: list[Quarantined] = []
        try:
            with self._store.transaction() as tx:
                yield WatchedTransaction(tx, written, quarantined, self.chronicle)
        except IdentityRaceError:
            raise
        except Exception as exc:
            self.chronicle.last_error = exc
            raise
        for changes in written:
            self.chronicle.take(changes)
        self.chronicle.quarantined.extend(quarantined)

    def worker_alive(self, worker: str) -> bool:
        """See `Store.worker_alive`."""
        return self._store.worker_alive(worker)

    def hold_worker_lock(self, worker: str) -> AbstractContextManager[WorkerLock]:
        """See `Store.hold_worker_lock`."""
        return self._store.hold_worker_lock(worker)
