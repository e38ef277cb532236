"""Intake: the one transaction in which facts become durable and the ledger hears every no, before anybody is told "yes"."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from engage.domain.consent.consent import (
    EVERY_TOPIC,
    ConsentEntry,
    Consents,
    ConsentState,
    SuppressionEntry,
    family,
)
from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.fact import Identifier, NewFact
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.turn.changes import Quarantined
from engage.engine.canonical.call import Unfit
from engage.engine.canonical.stored import keep_fact, told_again
from engage.ports.clock import Hints
from engage.ports.storage import Backlog, StorageAwayError, StorageBusyError, Store, Transaction

NOBODY = ProfileId("00000000-0000-0000-0000-000000000000")
"""Stands for "no profile" where the ledger is asked about an address alone."""
log = structlog.get_logger(__name__)


ATTEMPTS = 4
"""Transactions that stood in each other's way are run again this often before the caller is asked to come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidNo:
    """A no about a delivery: its channel and address stand on the delivery and are read in the transaction."""

    delivery: DeliveryId
    at: datetime
    source: str
    address: str | None = None
    suppress: str | None = None
    """Why the address is suppressed; none: it is unsubscribed."""
    whole_channel: bool = False
    """Unsubscribed from everything on the channel, not only from the delivery's topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One fact on its way in, with what the ledger hears in the same transaction if the fact is new."""

    fact: NewFact
    consents: tuple[ConsentEntry, ...] = ()
    no: SaidNo | None = None
    if_stopped: "IfStopped | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IfStopped:
    """What to store instead if this address has said STOP before."""

    channel: str
    address: str
    piece: Piece


class Unplaced(Protocol):
    """What only the transaction can tell whose it is."""

    @property
    def otherwise(self) -> Quarantined:
        """What is kept of it where it cannot be placed."""
        ...

    def placed(self, tx: Transaction) -> "Taken":
        """Return it as pieces, or as items to quarantine."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What one request brought: pieces to store, items to quarantine, and what may become either."""

    pieces: Sequence[Piece] = ()
    quarantined: Sequence[Quarantined] = ()
    unplaced: Sequence[Unplaced] = ()

    def __len__(self) -> int:
        return len(self.pieces) + len(self.quarantined) + len(self.unplaced)


def together(group: Sequence[Taken]) -> Taken:
    """Return what several requests brought as if one had: the pieces of each in their order, first of all."""
    return Taken(
        [piece for taken in group for piece in taken.pieces],
        [item for taken in group for item in taken.quarantined],
        [one for taken in group for one in taken.unplaced],
    )


class Intake:
    """Stores what came in. Thread-safe and synchronous."""

    def __init__(self, store: Store, hints: Hints) -> None:
        self._store = store
        self._hints = hints

    def store(self, taken: Taken, *, urgent: bool = False) -> list[bool]:
        """Make everything durable in one transaction; True per piece that was new, the unplaced ones last. What is `urgent` is digested first.

        A row the database refuses whatever we try is found by halving and quarantined; its neighbours are stored.

        Raises:
            StorageAwayError: the database is away; nothing, or only a part, was stored. Sending again is safe.
        """
        if not len(taken):
            return []
        lanes: set[int] = set()
        stored = self._store_all(taken, lanes)
        if lanes:
            try:
                self._hints.digest(lanes, urgent=urgent)
            except Exception:
                # The facts are durable and a sweep finds them: nobody may be told otherwise because a broker is away.
                log.warning("hint.lost", lanes=len(lanes))
        return stored

    def backlog(self) -> Backlog:
        """Return how much of what was stored nobody has digested.

        Raises:
            StorageAwayError: the database is away.
        """
        with self._store.transaction() as tx:
            return tx.inbox.backlog()

    def _store_all(self, taken: Taken, lanes: set[int]) -> list[bool]:
        for _ in range(ATTEMPTS):
            try:
                return self._commit(taken, lanes)
            except StorageBusyError:
                continue
            except StorageAwayError:
                raise
            except Exception as exc:
                # Refused content, or a mistake of ours about one row: either way its neighbours are fine.
                return self._alone(taken, exc) if len(taken) == 1 else self._halved(taken, lanes)
        raise StorageAwayError("the database is too busy")

    def _commit(self, taken: Taken, lanes: set[int]) -> list[bool]:
        with self._store.transaction() as tx:
            placed = [one.placed(tx) for one in taken.unplaced]
            pieces = _as_stopped(tx, [*taken.pieces, *(piece for one in placed for piece in one.pieces)])
            stored = tx.inbox.add([piece.fact for piece in pieces]) if pieces else []
            quarantined = [*taken.quarantined, *(item for one in placed for item in one.quarantined)]
            if quarantined:
                tx.inbox.quarantine(quarantined)
            new = [piece for piece, is_new in zip(pieces, stored, strict=True) if is_new]
            consents, suppressions = _ledger(tx, new)
            if consents or suppressions:
                tx.consents.append(consents, suppressions)
        lanes.update(piece.fact.lane for piece in new)
        return stored

    def _halved(self, taken: Taken, lanes: set[int]) -> list[bool]:
        everything: list[Piece | Quarantined | Unplaced] = [
            *taken.pieces,
            *taken.quarantined,
            *taken.unplaced,
        ]
        middle = len(everything) // 2
        return [
            *self._store_all(sorted_out(everything[:middle]), lanes),
            *self._store_all(sorted_out(everything[middle:]), lanes),
        ]

    def _alone(self, taken: Taken, refusal: Exception) -> list[bool]:
        name = type(refusal).__name__
        kept = [_refused(piece.fact, name) for piece in taken.pieces]
        kept += [one.otherwise for one in taken.unplaced]
        log.warning("fact.refused", error=name, sources=[item.source for item in kept])
        try:
            with self._store.transaction() as tx:
                tx.inbox.quarantine(kept)
        except Exception as exc:
            raise StorageAwayError("the database takes neither the fact nor its quarantine") from exc
        return [False] * len(taken.pieces)


def sorted_out(found: Iterable[Piece | Quarantined | Unplaced]) -> Taken:
    """Return pieces, quarantined items and what is unplaced apart, each in order."""
    pieces: list[Piece] = []
    quarantined: list[Quarantined] = []
    unplaced: list[Unplaced] = []
    for one in found:
        if isinstance(one, Piece):
            pieces.append(one)
        elif isinstance(one, Quarantined):
            quarantined.append(one)
        else:
            unplaced.append(one)
    return Taken(pieces, quarantined, unplaced)


def _refused(fact: NewFact, refusal: str) -> Quarantined:
    return Quarantined(
        source=fact.source,
        reason=Unfit.DATABASE_REFUSED,
        detail=refusal,
        payload=keep_fact(fact),
        received_at=fact.received_at,
        lane=fact.lane,
        identity=told_again(fact.source, fact.message_id.encode("utf-8", "surrogatepass")),
    )


def _as_stopped(tx: Transaction, pieces: Sequence[Piece]) -> Sequence[Piece]:
    """Choose, for words that mean something only after a STOP, by what the ledger says now."""
    asked = {(p.if_stopped.channel, p.if_stopped.address) for p in pieces if p.if_stopped is not None}
    if not asked:
        return pieces
    view = tx.consents.view([NOBODY], {NOBODY: sorted(asked)}).get(NOBODY, Consents())
    return [
        piece.if_stopped.piece
        if piece.if_stopped is not None and _stopped(view, piece.if_stopped.channel, piece.if_stopped.address)
        else piece
        for piece in pieces
    ]


def _stopped(view: Consents, channel: str, address: str) -> bool:
    return view.by_address.get((family(channel), address, EVERY_TOPIC)) is ConsentState.UNSUBSCRIBED


def _ledger(tx: Transaction, pieces: Sequence[Piece]) -> tuple[list[ConsentEntry], list[SuppressionEntry]]:
    consents = [entry for piece in pieces for entry in piece.consents]
    suppressions: list[SuppressionEntry] = []
    refusals = [piece.no for piece in pieces if piece.no is not None]
    deliveries = tx.deliveries.get({no.delivery for no in refusals}) if refusals else {}
    strangers = _strangers(tx, [no for no in refusals if no.delivery not in deliveries])
    for no in refusals:
        delivery = deliveries.get(no.delivery)
        for channel, address in sorted(_addresses(no, delivery)):
            kept = tx.consents.veiled(address) if address in strangers and delivery is None else address
            if no.suppress is None:
                consents.append(
                    ConsentEntry(
                        channel=channel,
                        topic=_topic(no, delivery),
                        state=ConsentState.UNSUBSCRIBED,
                        at=no.at,
                        source=no.source,
                        address=kept,
                        proof=no.delivery,
                    )
                )
            else:
                suppressions.append(
                    SuppressionEntry(
                        channel=channel, address=kept, reason=no.suppress, at=no.at, source=no.source
                    )
                )
    return consents, suppressions


def _strangers(tx: Transaction, refusals: Sequence[SaidNo]) -> set[str]:
    """Return the addresses of late refusals that nobody has: erased, for all we know. Their no is kept, and they are not.

    An address at which a yes stands is no stranger's: a no under its hash would not outweigh that.
    """
    pairs = {pair for no in refusals for pair in _addresses(no, None)}
    if not pairs:
        return set()
    named = {address for _, address in pairs}
    known = tx.people.find({Identifier("email" if "@" in name else "phone", name) for name in named})
    view = tx.consents.view([NOBODY], {NOBODY: sorted(pairs)}).get(NOBODY, Consents())
    return {name for name in named - {one.value for one in known} if not view.any_yes(name)}


def _topic(no: SaidNo, delivery: Delivery | None) -> str:
    if no.whole_channel or delivery is None or delivery.topic is None:
        return EVERY_TOPIC
    return delivery.topic


def _addresses(no: SaidNo, delivery: Delivery | None) -> set[tuple[str, str]]:
    """The addresses a no holds for: the one we sent to and the one the provider names, should they differ."""
    named = no.address.strip().lower() if no.address is not None and "@" in no.address else no.address
    if delivery is None:
        # Forgotten or not ours any more; the address itself still said no.
        channel = Channel.EMAIL if named is not None and "@" in named else Channel.SMS
    else:
        channel = delivery.channel
    sent_to = delivery.address if delivery is not None else None
    return {(family(channel), address) for address in (named, sent_to) if address}
