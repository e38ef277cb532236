"""Storage: what the engine's rooms ask of the database, one small protocol per aggregate.

A `Store` gives transactions; everything inside one is atomic. Two implementations (PostgreSQL and memory) pass the
same contract suite. Every verb takes a batch. Lock order: profiles in id order, before any other row.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from engage.domain.errors import EngageError
from engage.domain.fact import InboxRow, NewFact
from engage.domain.ids import ProfileId, RunId
from engage.domain.journey.run import Run
from engage.domain.turn.changes import Changes, Quarantined, Timer
from engage.ports.access import Access
from engage.ports.consenting import ConsentLedger as ConsentLedger
from engage.ports.deliveries import Deliveries
from engage.ports.events import Events
from engage.ports.folding import FoldStates
from engage.ports.jobs import Job as Job
from engage.ports.jobs import Jobs as Jobs
from engage.ports.listing import Listings
from engage.ports.locking import WorkerLock
from engage.ports.people import People as People
from engage.ports.selecting import Selection
from engage.ports.senders import Senders as Senders
from engage.ports.short_links import ShortLinks
from engage.ports.trail import Trail


@dataclass(frozen=True, slots=True)
class Backlog:
    """Where the inbox begins and ends, by the `seq` of facts."""

    newest: int
    """Of the last fact stored, also if that is digested: it only grows."""
    oldest: Mapping[int, int]
    """Of the first fact of each lane that has one."""


class Inbox(Protocol):
    """Facts that nobody has digested yet, in lanes."""

    def add(self, facts: Sequence[NewFact]) -> list[bool]:
        """Store facts; True per fact stored, False where (source, message_id) was seen before. Idempotent."""
        ...

    def lock_lane(self, lane: int) -> bool:
        """Take the lane for this transaction; False at once if another transaction has it."""
        ...

    def lock_lanes(self, lanes: Collection[int], *, wait: bool = False) -> list[int]:
        """Take those of these lanes that nobody else has, for this transaction; return them in order.

        `wait`: all of them, each as soon as whoever has it is done; nobody who comes later gets it before.
        """
        ...

    def read_lanes(self, lanes: Collection[int], limit: int) -> list[InboxRow]:
        """Return the oldest facts of these lanes together, in order of arrival."""
        ...

    def read(self, lane: int, limit: int) -> list[InboxRow]:
        """Return the lane's oldest facts in order of arrival."""
        ...

    def next_live(self, lanes: Collection[int], after: int) -> datetime | None:
        """Return when the next live fact of these lanes behind `after` (a `seq`) came; none: there is none.

        Behind a long import it may be too early, never too late.
        """
        ...

    def remove(self, rows: Collection[int]) -> None:
        """Remove digested facts by `seq`.

        Raises:
            StorageBusyError: one is gone, with a person who was erased meanwhile; begin the turn again.
        """
        ...

    def failed(self, rows: Collection[int]) -> None:
        """Count one more failed attempt at these facts."""
        ...

    def quarantine(self, items: Sequence[Quarantined]) -> None:
        """Keep what could not be taken, with its reason; what has an identity once, for as long as facts are known."""
        ...

    def take_out(self, kept: Collection[int]) -> None:
        """Remove quarantined facts by id: they were replayed."""
        ...

    def lanes(self) -> dict[int, datetime]:
        """Return the lanes that have facts, with the arrival of their oldest."""
        ...

    def backlog(self) -> Backlog:
        """Return where the inbox begins and ends: as cheap for a million facts as for one."""
        ...


@dataclass(slots=True)
class PastEntries:
    """A person's earlier entries into one journey."""

    count: int = 0
    last: datetime | None = None
    last_by_key: dict[str, datetime] = field(default_factory=dict)


class Runs(Protocol):
    """Runs and the timers of everything."""

    def open(self, profiles: Collection[ProfileId], now: datetime) -> dict[ProfileId, list[Run]]:
        """Return active runs and ended ones whose goal still counts at `now`, oldest first."""
        ...

    def entries(
        self, profiles: Collection[ProfileId], journeys: Collection[str]
    ) -> dict[tuple[ProfileId, str], PastEntries]:
        """Return the earlier entries into these journeys."""
        ...

    def completed(self, runs: Collection[RunId]) -> frozenset[RunId]:
        """Return those of these runs that went through to their end."""
        ...

    def timers(self, profiles: Collection[ProfileId]) -> list[Timer]:
        """Return all timers of these people."""
        ...

    def due(self, lane: int, until: datetime, limit: int) -> list[Timer]:
        """Return the lane's timers due at or before `until`, earliest first."""
        ...

    def due_in(self, lanes: Collection[int], until: datetime, limit: int) -> list[Timer]:
        """Return these lanes' timers due at or before `until`, earliest first."""
        ...

    def next_due(self) -> datetime | None:
        """Return when the earliest timer of all is due."""
        ...

    def due_lanes(self, until: datetime) -> set[int]:
        """Return the lanes that have timers due at or before `until`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredDefinition:
    """One published version of one definition."""

    kind: str
    """`settings`, `audience`, `trait`, `journey` or `template`."""
    name: str
    version: int
    source: str
    checksum: str
    state: str = "active"
    """Of a journey: `active`, `paused`, `archived`; of an audience also `backfilling`."""
    epoch: int = 0


class Definitions(Protocol):
    """Published definitions."""

    def epoch(self) -> int:
        """Return the epoch: it grows with every change of what is live. One cheap read."""
        ...

    def folding(self) -> bool:
        """Return whether every process that may work here keeps folds. It changes with the epoch only."""
        ...

    def hold(self) -> None:
        """Keep what is live from changing until this transaction ends; any number may hold it at once.

        Whoever decides by the definitions holds them before looking at the epoch. A change of them waits for that, so
        that it finds every run and every person that was made by the ones before.
        """
        ...

    def live(self) -> list[StoredDefinition]:
        """Return the newest version of everything that is not removed."""
        ...

    def versions(self, wanted: Collection[tuple[str, int]]) -> list[StoredDefinition]:
        """Return older versions of journeys by (name, version)."""
        ...

    def last_versions(self) -> dict[tuple[str, str], int]:
        """Return the highest version ever published by (kind, name), removed ones included."""
        ...

    def versions_inside(self) -> set[tuple[str, int]]:
        """Return the (journey, version) pairs that have active runs or open goals."""
        ...

    def publish(
        self, definitions: Sequence[StoredDefinition], removed: Sequence[tuple[str, str]] = ()
    ) -> int:
        """Store new versions, take removed ones (kind, name) out of `live`, and return the new epoch."""
        ...

    def set_state(self, kind: str, name: str, state: str) -> int:
        """Change the state of a live definition and return the new epoch."""
        ...

    def stopped_channels(self) -> frozenset[str]:
        """Return the channels that an operator stopped (`*`: all)."""
        ...

    def stop_sending(self, channel: str, stopped: bool) -> int:
        """Stop or resume a channel (`*`: all) and return the new epoch."""
        ...


_PARTS = "inbox people events folds runs deliveries consents definitions selection senders jobs links listings trail access"
AGGREGATES = tuple(_PARTS.split())


class Transaction(Protocol):
    """One atomic piece of work."""

    @property
    def inbox(self) -> Inbox:
        """Undigested facts."""
        ...

    @property
    def people(self) -> People:
        """Profiles and identifiers."""
        ...

    @property
    def events(self) -> Events:
        """What happened."""
        ...

    @property
    def folds(self) -> FoldStates:
        """What aggregates keep of what happened."""
        ...

    @property
    def runs(self) -> Runs:
        """Runs and timers."""
        ...

    @property
    def deliveries(self) -> Deliveries:
        """The ledger of sends."""
        ...

    @property
    def consents(self) -> ConsentLedger:
        """Consent and suppression."""
        ...

    @property
    def listings(self) -> Listings:
        """What providers' own lists of refused addresses hold."""
        ...

    @property
    def definitions(self) -> Definitions:
        """Published definitions."""
        ...

    @property
    def senders(self) -> Senders:
        """Rates."""
        ...

    @property
    def links(self) -> ShortLinks:
        """Tracked addresses of texts."""
        ...

    @property
    def jobs(self) -> Jobs:
        """Long work."""
        ...

    @property
    def access(self) -> Access:
        """Users and tokens."""
        ...

    @property
    def selection(self) -> Selection:
        """People by rule."""
        ...

    @property
    def trail(self) -> Trail:
        """Who changed what is live."""
        ...

    def write(self, changes: Changes) -> None:
        """Write everything a turn decided, in a few bulk statements.

        Raises:
            IdentityRaceError: another transaction took one of the new identifiers, or created the same run;
                roll back and run the turn again.
        """
        ...


class Store(Protocol):
    """Gives transactions. Thread-safe."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; commit when the block ends, roll back when it raises."""
        ...

    def worker_alive(self, worker: str) -> bool:
        """Return whether the process that holds this worker name's session lock is still connected."""
        ...

    def hold_worker_lock(self, worker: str) -> AbstractContextManager[WorkerLock]:
        """Hold the session lock of this worker name for as long as the block runs (one connection kept open)."""
        ...


class StorageBusyError(EngageError):
    """Two transactions stood in each other's way (deadlock, lock or serialisation conflict); run the work again."""


class StorageAwayError(EngageError):
    """The database cannot be reached, or the connection broke: nothing is known to be stored; try again later."""


class StorageRefusedError(EngageError):
    """The database will not take this content however often it is asked: a NUL in a text, a number out of range,
    a second delivery for one (run, step, visit), another definition under a version that exists."""
