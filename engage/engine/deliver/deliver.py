"""Deliver: reserve and commit, call, write the outcome as a fact and commit. Never resends blindly."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta

import structlog

from engage.domain.consent.consent import family, ledger_key
from engage.domain.delivery.delivery import (
    CALLS,
    Channel,
    Delivery,
    FailReason,
    Mark,
    Priority,
    SkipReason,
)
from engage.domain.delivery.ledger import NOT_CALLED
from engage.domain.fact import NewFact, Outcome
from engage.engine.deliver.hands import Crews, Room
from engage.engine.deliver.outcomes import Outcomes, outcome_fact, outcome_of
from engage.engine.deliver.rates import End, Pacing, Slot
from engage.engine.deliver.rendering import Requests
from engage.engine.deliver.reserve import LEASE, CatalogOf, Delivered, Reserve, Reserved
from engage.ports.channel import Answer, Busy, Outbound, Rejected, Sender, Unknown
from engage.ports.clock import Clock, Hints
from engage.ports.storage import StorageAwayError, StorageBusyError, Store, Transaction
from engage.ports.templating import Renderer

log = structlog.get_logger(__name__)

CHUNK = 50
"""Calls under one reservation; design §2.10: the ledger is read again per chunk of at most 50 calls."""
CALL_MARGIN = timedelta(seconds=20)
"""A call must not start with less of its lease left than its own time-out takes."""
FRESH = timedelta(seconds=1.5)
"""How old the ledger may be when a call starts; a call that waited longer for its thread reads it again."""

_NO_PROVIDER = FailReason.CONFIG


class Deliver:
    """The room. One instance per process; thread-safe; its pools bound the calls in flight."""

    def __init__(
        self,
        store: Store,
        catalog_of: CatalogOf,
        renderer_of: Callable[[Transaction], Renderer],
        senders: Mapping[Channel, Sender],
        requests: Requests,
        clock: Clock,
        hints: Hints,
        *,
        worker: str,
        keep_name: Callable[[], None] = lambda: None,
        pool_of: Callable[[], ThreadPoolExecutor] | None = None,
        slot_horizon: float = 1.0,
        counts_open: bool = True,
    ) -> None:
        """`worker` names the session lock this process holds, and `keep_name` makes sure that it does; `pool_of`
        makes the threads of a channel's class, none calls one by one (tests); slots: see `Pacing`."""
        self._store, self._catalog_of, self._senders = store, catalog_of, senders
        self._clock, self._hints, self._keep_name = clock, hints, keep_name
        self._pacing = Pacing(clock, horizon=slot_horizon, counts_open=counts_open)
        self._reservations = Reserve(
            store, catalog_of, renderer_of, requests, clock, self._pacing, worker=worker
        )
        self._crews = None if pool_of is None else Crews(pool_of, CHUNK)
        self._outcomes = Outcomes(store, clock, hints)
        self._uncalled: list[Delivery] = []
        self._guard = threading.Lock()

    def turn(self, channel: Channel, priority: Priority) -> Delivered:
        """Release up to `CHUNK` deliveries of one channel and class, as many as can be called now: two transactions
        around the calls. Several turns may go on at once."""
        self._keep_name()
        self._take_back()
        with nullcontext() if self._crews is None else self._crews.of(channel, priority).room() as room:
            reserved = self._reserve(channel, priority, CHUNK if room is None else room.count)
            if reserved.facts:
                self._hints.digest({fact.lane for fact in reserved.facts})
            outcomes, ends = self._call_all(reserved.calls, room)
        self._outcomes.write(outcomes, ends)
        return reserved.result

    def _take_back(self) -> None:
        """Give back what was perhaps reserved: the answer to the commit was lost, and no call was made.

        Nobody else would: this process lives, so that its leases are never judged. Sweep has turns taken until it did.
        """
        with self._guard:
            uncalled, self._uncalled = self._uncalled, []
        if not uncalled:
            return
        now = self._clock.now()
        try:
            with self._store.transaction() as tx:
                tx.people.lock({delivery.profile for delivery in uncalled})
                found = tx.deliveries.get([delivery.id for delivery in uncalled])
                ours = [found[d.id] for d in uncalled if d.id in found and _is_reservation(found[d.id], d)]
                for delivery in ours:
                    delivery.lease = delivery.lease_until = None
                    delivery.stand(Mark.QUEUED, now)
                tx.deliveries.save(ours)
        except BaseException:
            with self._guard:
                self._uncalled += uncalled
            raise

    def _reserve(self, channel: Channel, priority: Priority, most: int) -> Reserved:
        reserved = Reserved(at=self._clock.machine())
        if not most:
            return reserved
        try:
            self._reservations.turn(channel, priority, most, reserved)
        except StorageAwayError:
            with self._guard:
                self._uncalled += [delivery for delivery, _, _ in reserved.calls]
            raise
        return reserved

    def _call_all(
        self, calls: Sequence[tuple[Delivery, Outbound, Slot]], room: Room | None
    ) -> tuple[list[NewFact], list[End]]:
        if room is None:
            done = [self._call(*call) for call in calls]
        else:
            done = room.do(lambda call: self._call(*call), calls)
        return [fact for fact, _ in done], [end for _, end in done if end is not None]

    def _call(self, delivery: Delivery, outbound: Outbound, slot: Slot) -> tuple[NewFact, End | None]:
        """Call the provider once, unless the lease has run out meanwhile; return the outcome as a fact, and its end."""
        self._pacing.wait(slot)
        outcome = self._outcome(delivery, outbound)
        was_called = outcome.detail != NOT_CALLED and outcome.mark != Mark.SKIPPED
        return outcome_fact(delivery, outcome, outcome.at), self._pacing.end(slot, called=was_called)

    def _outcome(self, delivery: Delivery, outbound: Outbound) -> Outcome:
        found = self._meanwhile(delivery, outbound)
        if isinstance(found, SkipReason):
            return Outcome(
                delivery=delivery.id,
                profile=delivery.profile,
                mark=Mark.SKIPPED,
                at=self._clock.now(),
                reason=found,
            )
        answer = found or self._answer(delivery, outbound)
        provider = getattr(self._senders.get(delivery.channel), "provider", None)
        return outcome_of(delivery, outbound, answer, self._clock.now(), provider)

    def _answer(self, delivery: Delivery, outbound: Outbound) -> Answer:
        assert delivery.lease_until is not None
        if self._clock.machine() > delivery.lease_until - CALL_MARGIN:
            return Busy(code=NOT_CALLED, detail="lease")
        sender = self._senders.get(delivery.channel)
        if sender is None:
            return Rejected(reason=_NO_PROVIDER, code="no_provider")
        try:
            return sender.send(outbound)
        except Exception:
            # A mistake in a sender: what became of this call nobody knows, and its neighbours are none the worse.
            log.exception("call.failed", channel=delivery.channel)
            return Unknown(code="exception")

    def _meanwhile(self, delivery: Delivery, outbound: Outbound) -> SkipReason | Busy | None:
        """Return what forbids a call that waited, for its thread or for anything else, since the ledger was read.

        Looked up again until the answer is fresh when it comes: a process may be held up anywhere.
        """
        assert delivery.lease_until is not None
        read_at = delivery.lease_until - LEASE
        found: SkipReason | Busy | None = None
        while found is None and self._clock.machine() > read_at + FRESH:
            read_at = self._clock.machine()
            if read_at > delivery.lease_until - CALL_MARGIN:
                return Busy(code=NOT_CALLED, detail="lease")
            try:
                found = self._no_meanwhile(delivery, outbound)
            except (StorageAwayError, StorageBusyError):
                found = Busy(code=NOT_CALLED, detail="ledger")
            except Exception:
                # A mistake of ours about one call: what its neighbours came to must still be written.
                log.exception("ledger.failed", channel=delivery.channel)
                found = Busy(code=NOT_CALLED, detail="ledger")
        return found

    def _no_meanwhile(self, delivery: Delivery, outbound: Outbound) -> SkipReason | Busy | None:
        """Return what was said by now: STOP by a person, stop or pause by an operator."""
        with self._store.transaction() as tx:
            catalog = self._catalog_of(tx)
            if catalog.stops(delivery.channel):
                return SkipReason.SENDING_STOPPED
            if delivery.journey is not None and catalog.is_paused(delivery.journey):
                return Busy(code=NOT_CALLED, detail="paused")
            if delivery.channel in CALLS or delivery.automatic:
                return None
            key = (family(delivery.channel), ledger_key(outbound.to))
            policy = catalog.settings.policy(delivery.channel, delivery.topic)
            view = tx.consents.view([delivery.profile], {delivery.profile: [key]})[delivery.profile]
        return view.refusal(delivery.channel, outbound.to, delivery.topic, policy)


def _is_reservation(stored: Delivery, ours: Delivery) -> bool:
    """Return whether what is stored is exactly this reservation, and not an older or a newer one."""
    return (
        stored.phase is Mark.SENDING
        and (stored.lease, stored.calls) == (ours.lease, ours.calls)
        and stored.sending_at == ours.sending_at
    )
