"""Digest: a lane's facts and due timers, in order, become everything that follows — in one transaction."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

import msgspec
import structlog

from engage.domain.catalog import Catalog
from engage.domain.changes import Quarantined
from engage.domain.delivery import Channel, Delivery, Priority
from engage.domain.errors import IdentityRaceError
from engage.domain.fact import (
    Call,
    ConsentGiven,
    Fact,
    Forget,
    Identifier,
    Inbound,
    InboxRow,
    Members,
    Outcome,
    Receipt,
    Send,
    Signal,
    Start,
    Wake,
    decode,
)
from engage.domain.identity import Mint
from engage.domain.ids import ProfileId, uuid7
from engage.domain.replies import REPLY_WINDOW
from engage.domain.turn import ByHash, Choices, Turn
from engage.engine.agenda import leave_signal
from engage.engine.play import Batch, address_identifier, play
from engage.engine.working_set import load_people, waiting_deliveries
from engage.ports.storage import StorageAwayError, StorageBusyError, Store, Transaction
from engage.ports.trail import AuditEntry

log = structlog.get_logger(__name__)

BATCH = 500
"""Facts (and timers) a turn takes: the knee of the set-based curve, feasibility study §4b."""
MAX_ATTEMPTS = 5
"""A fact that fails this often is quarantined; its neighbours go on."""
MAX_RACES = 20

CatalogOf = Callable[[Transaction], Catalog]


@dataclass(slots=True)
class Digested:
    """What a turn did."""

    facts: int = 0
    timers: int = 0
    more: bool = False
    """Whether the lane had more than fits into a turn."""
    busy: bool = False
    """Whether another worker has the lane: it will see our facts too, or the sweep will."""
    deliveries: set[tuple[Channel, Priority]] = field(default_factory=set)
    """What deliver should be told about."""


class Digest:
    """The room. One instance per process; thread-safe."""

    def __init__(
        self, store: Store, catalog_of: CatalogOf, *, mint: Mint | None = None, choices: Choices | None = None
    ) -> None:
        """`catalog_of` returns the catalog that is live in a transaction, compiled once per epoch."""
        self._store, self._catalog_of, self._mint = store, catalog_of, mint or mint_profile
        self._choices = choices or ByHash()

    def turn(self, lane: int, now: datetime, limit: int = BATCH) -> Digested:
        """Digest up to `limit` facts and timers of a lane, once, atomically.

        A fact that cannot be digested does not stop its neighbours: the turn is taken again fact by fact, and the
        one that fails `MAX_ATTEMPTS` times is quarantined.
        """
        try:
            return self._raced(lane, now, limit)
        except (IdentityRaceError, StorageAwayError):
            raise
        except Exception:
            if limit > 1:
                log.exception("digest.careful", lane=lane)
                return self._carefully(lane, now)
            log.exception("digest.failed", lane=lane)
            self._set_aside(lane, now)
            return Digested(more=True)

    def _raced(self, lane: int, now: datetime, limit: int) -> Digested:
        for _ in range(MAX_RACES):
            try:
                return self._once(lane, now, limit)
            except (IdentityRaceError, StorageBusyError):
                continue
        raise IdentityRaceError(f"lane {lane} lost {MAX_RACES} races in a row")

    def _carefully(self, lane: int, now: datetime) -> Digested:
        total = Digested(more=True)
        for _ in range(BATCH):
            done = self.turn(lane, now, limit=1)
            total.facts += done.facts
            total.timers += done.timers
            total.deliveries |= done.deliveries
            if done.busy or not done.more:
                total.more = done.more
                break
        return total

    def _set_aside(self, lane: int, now: datetime) -> None:
        """Count a failure of the lane's oldest fact; quarantine it when it has failed too often."""
        with self._store.transaction() as tx:
            if not tx.inbox.lock_lane(lane):
                return
            for row in tx.inbox.read(lane, 1):
                if row.attempts + 1 >= MAX_ATTEMPTS:
                    tx.inbox.quarantine([_quarantined(row, "poison", f"failed {MAX_ATTEMPTS} times")])
                    tx.inbox.remove([row.seq])
                else:
                    tx.inbox.failed([row.seq])

    def _once(self, lane: int, now: datetime, limit: int) -> Digested:
        with self._store.transaction() as tx:
            if not tx.inbox.lock_lane(lane):
                return Digested(busy=True)
            batch = self._read(tx, lane, now, limit)
            if not batch.rows and not batch.timers:
                return Digested(more=batch.more)
            if batch.rows and isinstance(batch.rows[0][1], Forget):
                self._forget(tx, batch.rows[0][1], now)
                tx.inbox.remove([batch.rows[0][0].seq])
                return Digested(facts=1, more=True)
            catalog = self._catalog_of(tx)
            turn = Turn(catalog=catalog, now=now, choices=self._choices)
            self._load(tx, turn, batch, now)
            play(turn, batch, self._mint)
            for _, fact in batch.rows:
                if isinstance(fact, Signal):
                    leave_signal(tx, catalog, fact, now)
            tx.inbox.remove([row.seq for row, _ in batch.rows])
            tx.write(turn.changes)
            return Digested(
                facts=len(batch.rows),
                timers=len(batch.timers),
                more=batch.more,
                deliveries={
                    (delivery.channel, delivery.priority)
                    for delivery in turn.changes.deliveries.values()
                    if delivery.waits_for_release()
                },
            )

    def _read(self, tx: Transaction, lane: int, now: datetime, limit: int) -> Batch:
        rows = tx.inbox.read(lane, limit)
        full = len(rows) == limit
        horizon = min(now, rows[-1].received_at) if full else now
        timers = tx.runs.due(lane, horizon, limit)
        batch = Batch(timers=timers, horizon=horizon, more=full or len(timers) == limit)
        if len(timers) == limit and timers[-1].due_at is not None:
            # Not all due timers were read: facts younger than the last one must not overtake the rest.
            horizon = timers[-1].due_at
            rows = [row for row in rows if row.received_at < horizon]
            batch.horizon = horizon
        if limit == 1 and rows and timers and timers[0].due_at is not None:
            if timers[0].due_at <= rows[0].received_at:
                rows = []
            else:
                batch.timers = []
            batch.more = True
        for row in rows:
            try:
                batch.rows.append((row, decode(row.payload)))
            except (msgspec.DecodeError, ValueError) as exc:
                tx.inbox.quarantine([_quarantined(row, "undecodable", str(exc))])
                tx.inbox.remove([row.seq])
                batch.more = True
        _up_to_an_erasure(batch)
        return batch

    def _forget(self, tx: Transaction, fact: Forget, now: datetime) -> None:
        """Erase a person everywhere, and keep a proof that says nothing about them."""
        if fact.person.kind == "id":
            wanted = {ProfileId(fact.person.value)}
        else:
            wanted = set(tx.people.find([fact.person]).values())
        locked = tx.people.lock(wanted)
        if len(locked) < len(wanted):
            raise IdentityRaceError("a profile was merged or erased meanwhile")
        rows = tx.people.erase(list(locked))
        for profile in locked:
            subject = sha256(profile.encode()).hexdigest()
            tx.trail.add(
                AuditEntry(at=now, actor="engine", action="erased", subject=subject, data={"rows": rows})
            )

    def _load(self, tx: Transaction, turn: Turn, batch: Batch, now: datetime) -> None:
        facts = [fact for _, fact in batch.rows]
        batch.owners = tx.people.find(_identifiers(facts))
        turn.deliveries = tx.deliveries.get([f.delivery for f in facts if isinstance(f, Outcome | Receipt)])
        batch.answered = _answered(tx, facts, now)
        wanted = set(batch.owners.values())
        wanted.update(timer.profile for timer in batch.timers)
        wanted.update(delivery.profile for delivery in turn.deliveries.values())
        wanted.update(delivery.profile for found in batch.answered.values() for delivery in found)
        wanted.update(fact.profile for fact in facts if isinstance(fact, Wake))
        calls = [fact.timestamp for fact in facts if isinstance(fact, Call)]
        batch.people = load_people(tx, turn.catalog, wanted, now=now, oldest=min(calls, default=None))
        if turn.deliveries:
            # Read again under the lock: a receipt digested meanwhile must not be written over.
            turn.deliveries = tx.deliveries.get(list(turn.deliveries))
        for delivery_id, delivery in waiting_deliveries(tx, batch.people).items():
            turn.deliveries.setdefault(delivery_id, delivery)
        for found in batch.answered.values():
            for index, delivery in enumerate(found):
                found[index] = turn.deliveries.setdefault(delivery.id, delivery)


def _up_to_an_erasure(batch: Batch) -> None:
    """Leave an erasure to a turn of its own, after everything that came before it."""
    erasure = next((index for index, (_, fact) in enumerate(batch.rows) if isinstance(fact, Forget)), None)
    if erasure is None:
        return
    horizon = batch.rows[erasure][0].received_at
    batch.more = True
    if erasure == 0:
        batch.rows, batch.timers = batch.rows[:1], []
    else:
        batch.rows = batch.rows[:erasure]
        batch.timers = [timer for timer in batch.timers if timer.due_at is None or timer.due_at <= horizon]
        batch.horizon = horizon if batch.horizon is None else min(batch.horizon, horizon)


def mint_profile(identifier: Identifier, now: datetime) -> ProfileId:
    """Return the id of a profile that this identifier creates at `now`."""
    return ProfileId(uuid7(now, identifier.kind, identifier.value))


def _quarantined(row: InboxRow, reason: str, detail: str) -> Quarantined:
    return Quarantined(
        source="digest",
        reason=reason,
        detail=detail,
        payload=row.payload,
        received_at=row.received_at,
        lane=row.lane,
    )


def _identifiers(facts: Iterable[Fact]) -> set[Identifier]:
    """Return every identifier that facts name a person by."""
    found: set[Identifier] = set()
    for fact in facts:
        match fact:
            case Call():
                found.update(fact.identifiers)
                if fact.previous is not None:
                    found.add(fact.previous)
            case Inbound():
                found.add(address_identifier(fact.channel, fact.sender))
            case Start() | Members():
                found.add(fact.person)
            case Send() | ConsentGiven() if fact.person is not None:
                found.add(fact.person)
            case _:
                pass
    return found


def _answered(
    tx: Transaction, facts: Sequence[Fact], now: datetime
) -> dict[tuple[Channel, str], list[Delivery]]:
    addresses = {(Channel(fact.channel), fact.sender) for fact in facts if isinstance(fact, Inbound)}
    return tx.deliveries.recent_to(addresses, now - REPLY_WINDOW) if addresses else {}
