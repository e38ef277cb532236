"""Digest: a lane's facts and due timers, in order, become everything that follows — in one transaction."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile

import msgspec
import structlog

from engage.domain.catalog import Catalog
from engage.domain.consent.consent import EVERY_TOPIC, ConsentState
from engage.domain.consent.replies import REPLY_WINDOW, answering
from engage.domain.delivery.delivery import Channel, Delivery, Priority
from engage.domain.errors import EngageError, IdentityRaceError, UnusableSettingsError
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
from engage.domain.ids import ProfileId, uuid7
from engage.domain.profile.identity import Mint
from engage.domain.turn.changes import Changes
from engage.domain.turn.handle import event_name, opens_a_number
from engage.domain.turn.turn import POSTPONED, ByHash, Choices, Turn
from engage.engine.accept.intake import NOBODY
from engage.engine.broadcast.agenda import leave_signal
from engage.engine.broadcast.pacing import reserved
from engage.engine.digest.blame import Blame
from engage.engine.digest.play import Batch, address_identifier, play, set_aside
from engage.engine.digest.working_set import (
    completed,
    know_what_comes_again,
    load_people,
    may_become_one,
    shared_consents,
    unreached,
    waiting_deliveries,
)
from engage.engine.people.erase import forget
from engage.ports.storage import StorageAwayError, StorageBusyError, Store, Transaction

log = structlog.get_logger(__name__)

BATCH = 500
"""Facts (and timers) a turn takes: the knee of the set-based curve, feasibility study §4b."""
MAX_ATTEMPTS = 5
"""A fact that fails this often is quarantined; its neighbours go on."""
MAX_RACES = 20
PATIENCE = 3
"""Tries after which a profile that is not there is gone for good, and not just merged meanwhile."""

CatalogOf = Callable[[Transaction], Catalog]
_WAIT = (StorageAwayError, StorageBusyError, UnusableSettingsError)
"""Nobody's fault: what was to be done is done later."""


@dataclass(slots=True)
class Digested:
    """What a turn did."""

    facts: int = 0
    timers: int = 0
    more: bool = False
    """Whether the lane had more than fits into a turn."""
    busy: set[int] = field(default_factory=set)
    """Lanes that another worker has: it may have read before our facts came, so come back."""
    deliveries: Counter[tuple[Channel, Priority]] = field(default_factory=Counter)
    """What deliver should be told about, and how many there are."""
    stopped: bool = False
    """Whether a lane cannot go on for now."""


class Digest:
    """The room. One instance per process; thread-safe."""

    def __init__(
        self, store: Store, catalog_of: CatalogOf, *, mint: Mint | None = None, choices: Choices | None = None
    ) -> None:
        """`catalog_of` returns the catalog that is live in a transaction, compiled once per epoch."""
        self._store, self._catalog_of, self._mint = store, catalog_of, mint or mint_profile
        self._choices = choices or ByHash()
        self._blame = Blame()

    def turn(
        self, lanes: int | Collection[int], now: datetime, limit: int = BATCH, *, wait: bool = False
    ) -> Digested:
        """Digest up to `limit` facts and timers of these lanes together, once, atomically; lanes others have are theirs,
        unless we `wait` for them.

        A fact that cannot be digested does not stop its neighbours: the turn is taken again fact by fact, and the
        one that fails `MAX_ATTEMPTS` times is quarantined — if it is to blame: see `Blame`.
        """
        wanted = self._blame.ready([lanes] if isinstance(lanes, int) else sorted(set(lanes)), now)
        try:
            done = self._raced(wanted, now, limit, wait=wait) if wanted else Digested()
        except _WAIT:
            raise
        except Exception:
            # One that loses its race for ever is no better than any other poison: it must not hold up its neighbours.
            log.exception("digest.careful", lanes=wanted)
            return self._carefully(wanted, now)
        if done.facts or done.timers:
            self._blame.went_well([lane for lane in wanted if lane not in done.busy])
        return done

    def _raced(self, lanes: list[int], now: datetime, limit: int, *, wait: bool) -> Digested:
        lost: EngageError = IdentityRaceError("no race was run")
        for tried in range(MAX_RACES):
            try:
                return self._once(lanes, now, limit, wait=wait, patient=tried < PATIENCE)
            except (IdentityRaceError, StorageBusyError) as exc:
                lost = exc
        raise lost

    def _carefully(self, lanes: list[int], now: datetime) -> Digested:
        """Digest lane by lane and fact by fact."""
        before = self._blame.successes
        done = {lane: self._lane(lane, now, before) for lane in lanes}
        # Where nothing had gone well yet nobody knew whose fault it was.
        again = [lane for lane in self._blame.ready(lanes, now) if done[lane].stopped]
        return _sum([*done.values(), *(self._lane(lane, now, before) for lane in again)])

    def _lane(self, lane: int, now: datetime, before: int) -> Digested:
        total = Digested()
        for _ in range(BATCH):
            try:
                done = self._raced([lane], now, 1, wait=False)
            except _WAIT:
                raise
            except Exception:
                log.exception("digest.failed", lanes=[lane])
                total.stopped = not self._set_aside(lane, now, before)
                total.more = not total.stopped
                if total.stopped:
                    break
                continue
            if done.facts or done.timers:
                self._blame.went_well([lane])
            total = _sum((total, done))
            total.more = done.more
            if done.busy or not done.more:
                break
        return total

    def _set_aside(self, lane: int, now: datetime, before: int) -> bool:
        """Count a failure of the lane's oldest fact, and quarantine it when it has failed too often and is to blame.

        Was it a timer that failed, the facts behind it are innocent: it is tried again later, and they go first.
        Return whether to go on at once.
        """
        with self._store.transaction() as tx:
            if not tx.inbox.lock_lane(lane):
                return False
            batch = self._read(tx, [lane], now, 1)
            blamed = not batch.rows or self._blame.failed(lane, now, before)
            for row, _ in batch.rows:
                if blamed and row.attempts + 1 >= MAX_ATTEMPTS:
                    tx.inbox.quarantine([set_aside(row, "poison", f"failed {MAX_ATTEMPTS} times")])
                    tx.inbox.remove([row.seq])
                else:
                    tx.inbox.failed([row.seq])
            for timer in batch.timers if not batch.rows else ():
                log.error("timer.postponed", kind=timer.kind, lane=lane)
                later = msgspec.structs.replace(timer, due_at=now + POSTPONED)
                tx.write(Changes(timers={(timer.profile, timer.kind, timer.ref): later}))
        return blamed

    def _once(self, lanes: list[int], now: datetime, limit: int, *, wait: bool, patient: bool) -> Digested:
        with self._store.transaction() as tx:
            ours = tx.inbox.lock_lanes(lanes, wait=wait)
            busy = set(lanes).difference(ours)
            if not ours:
                return Digested(busy=busy)
            batch = self._read(tx, ours, now, limit)
            if not batch.rows and not batch.timers:
                return Digested(more=batch.more, busy=busy)
            if batch.rows and isinstance(batch.rows[0][1], Forget):
                forget(tx, batch.rows[0][0], batch.rows[0][1], now)
                tx.inbox.remove([batch.rows[0][0].seq])
                return Digested(facts=1, more=True, busy=busy)
            tx.definitions.hold()
            catalog = self._catalog_of(tx)
            turn = Turn(catalog=catalog, now=now, choices=self._choices)
            self._load(tx, turn, batch, now, patient=patient)
            turn.paces = reserved(tx, turn, batch)
            play(turn, batch, self._mint)
            for _, fact in batch.rows:
                if isinstance(fact, Signal):
                    leave_signal(tx, catalog, fact, now)
            tx.inbox.remove([row.seq for row, _ in batch.rows])
            turn.keep_folds(batch.people.values())
            tx.write(turn.changes)
            return Digested(
                facts=len(batch.rows),
                timers=len(batch.timers),
                more=batch.more,
                busy=busy,
                deliveries=Counter(
                    (delivery.channel, delivery.priority)
                    for delivery in turn.changes.deliveries.values()
                    if delivery.waits_for_release()
                ),
            )

    def _read(self, tx: Transaction, lanes: list[int], now: datetime, limit: int) -> Batch:
        rows = tx.inbox.read_lanes(lanes, limit)
        full = len(rows) == limit
        horizon = min(now, _horizon(tx, lanes, rows) or now) if full else now
        timers = tx.runs.due_in(lanes, horizon, limit)
        batch = Batch(timers=timers, horizon=horizon, more=full or len(timers) == limit)
        if len(timers) == limit and timers[-1].due_at is not None:
            # Not all due timers were read: facts younger than the last one must not overtake the rest.
            horizon = timers[-1].due_at
            rows = _before(rows, horizon)
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
                tx.inbox.quarantine([set_aside(row, "undecodable", str(exc))])
                tx.inbox.remove([row.seq])
                batch.more = True
        _up_to_an_erasure(batch)
        return batch

    def _load(self, tx: Transaction, turn: Turn, batch: Batch, now: datetime, *, patient: bool) -> None:
        facts = [fact for _, fact in batch.rows]
        batch.owners = tx.people.find(_identifiers(facts))
        turn.deliveries = tx.deliveries.get([f.delivery for f in facts if isinstance(f, Outcome | Receipt)])
        batch.answered = _answered(tx, facts, now)
        turn.lately = unreached(tx, facts, turn.deliveries, now)
        wanted = set(batch.owners.values())
        wanted.update(timer.profile for timer in batch.timers)
        wanted.update(delivery.profile for delivery in turn.deliveries.values())
        wanted.update(delivery.profile for found in batch.answered.values() for delivery in found)
        wanted.update(fact.profile for fact in facts if isinstance(fact, Wake))
        told = [(row, fact) for row, fact in batch.rows if isinstance(fact, Call)]
        calls = [fact.timestamp for _, fact in told]
        starting = {name for fact in facts if isinstance(fact, Call) and (name := event_name(fact))}
        # Facts and timers may be late; what they may count, and the runs they may concern, are those of their instant.
        instants = [row.received_at for row, _ in batch.rows]
        instants += [timer.due_at for timer in batch.timers if timer.due_at is not None]
        named = set(batch.owners.values())
        batch.people = load_people(
            tx,
            turn.catalog,
            wanted,
            now=min(instants, default=now),
            oldest=min(calls, default=None),
            starting=starting,
            may_be_gone=() if patient else wanted - named,
            kin=may_become_one((_identifiers([fact]) for fact in facts), batch.owners),
        )
        know_what_comes_again(
            tx, batch.people, ((call.message_id, call.timestamp, row.received_at) for row, call in told)
        )
        turn.stopped = _stopped(tx, facts, batch)
        if turn.catalog.reads_consent:
            batch.consents = shared_consents(tx, batch.people, _addresses(facts))
        # Read again under the lock: a receipt digested meanwhile must not be written over.
        known = {*turn.deliveries, *(delivery.id for found in batch.answered.values() for delivery in found)}
        if known:
            turn.deliveries = tx.deliveries.get(known)
        turn.completed = completed(tx, facts, turn.deliveries)
        for delivery_id, delivery in waiting_deliveries(tx, batch.people).items():
            turn.deliveries.setdefault(delivery_id, delivery)
        for found in batch.answered.values():
            for index, delivery in enumerate(found):
                found[index] = turn.deliveries.setdefault(delivery.id, delivery)


def _horizon(tx: Transaction, lanes: Collection[int], rows: Sequence[InboxRow]) -> datetime | None:
    """Return up to when timers may fire although there are more facts than were read: they wait for live ones only."""
    last = rows[-1]
    return last.received_at if last.live else tx.inbox.next_live(lanes, last.seq)


def _before(rows: Sequence[InboxRow], horizon: datetime) -> list[InboxRow]:
    """Return the facts up to the first one that is not older than `horizon`: a lane's order has no holes."""
    return list(takewhile(lambda row: row.received_at < horizon, rows))


def _sum(parts: Iterable[Digested]) -> Digested:
    """Return what several turns did together."""
    total = Digested()
    for part in parts:
        total.facts += part.facts
        total.timers += part.timers
        total.more = total.more or part.more
        total.busy |= part.busy
        total.deliveries += part.deliveries
    return total


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


def _identifiers(facts: Iterable[Fact]) -> set[Identifier]:
    """Return every identifier that facts name a person by."""
    found: set[Identifier] = set()
    for fact in facts:
        match fact:
            case Call():
                found.update(fact.identifiers)
                if fact.previous is not None:
                    found |= {fact.previous, Identifier("user_id", fact.previous.value)}
            case Inbound():
                found.add(address_identifier(fact.channel, fact.sender))
            case Start() | Members():
                found.add(fact.person)
            case Send() | ConsentGiven() if fact.person is not None:
                found.add(fact.person)
            case Send(to=str(to)):
                found.add(address_identifier(fact.channel, to))
            case _:
                pass
    return found


def _stopped(tx: Transaction, facts: Sequence[Fact], batch: Batch) -> frozenset[str]:
    """Return the numbers that said STOP, among those that calls at hand would open as a whole."""
    calls = [f for f in facts if isinstance(f, Call) and any(map(opens_a_number, f.subscriptions))]
    if not calls:
        return frozenset()
    numbers = {wish.address for call in calls for wish in call.subscriptions}
    numbers |= {name.value for call in calls for name in call.identifiers if name.kind == "phone"}
    numbers |= {call.traits["phone"] for call in calls if isinstance(call.traits.get("phone"), str)}
    numbers |= {person.address(Channel.SMS) for person in batch.people.values()}
    asked = [(str(Channel.SMS), number) for number in sorted(filter(None, numbers))]
    view = tx.consents.view([NOBODY], {NOBODY: asked})[NOBODY]
    return frozenset(
        address
        for (_, address, topic), state in view.by_address.items()
        if topic == EVERY_TOPIC and state is ConsentState.UNSUBSCRIBED
    )


def _addresses(facts: Sequence[Fact]) -> Iterator[tuple[str, str]]:
    """Yield the addresses that facts name, by identifier or as a trait."""
    for identifier in _identifiers(facts):
        if identifier.kind in ("email", "phone"):
            yield identifier.kind, identifier.value
    for fact in facts:
        if isinstance(fact, Call):
            for kind in ("email", "phone"):
                value = fact.traits.get(kind)
                if isinstance(value, str) and value:
                    yield kind, value


def _answered(
    tx: Transaction, facts: Sequence[Fact], now: datetime
) -> dict[tuple[Channel, str], list[Delivery]]:
    addresses = {
        (channel, fact.sender)
        for fact in facts
        if isinstance(fact, Inbound)
        for channel in answering(Channel(fact.channel))
    }
    return tx.deliveries.recent_to(addresses, now - REPLY_WINDOW) if addresses else {}
