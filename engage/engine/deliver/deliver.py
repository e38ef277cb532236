"""Deliver: reserve and commit, call, write the outcome as a fact and commit. Never resends blindly."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from engage.domain.catalog import Catalog
from engage.domain.consent.consent import Consents, family, ledger_key
from engage.domain.delivery.delivery import (
    CALLS,
    Channel,
    Delivery,
    FailReason,
    HoldReason,
    Mark,
    Priority,
    SkipReason,
)
from engage.domain.delivery.ledger import NOT_CALLED
from engage.domain.delivery.release import Hold, Release, Skip, judge
from engage.domain.fact import NewFact, Outcome
from engage.domain.ids import ProfileId
from engage.domain.links.short_link import ShortLink
from engage.domain.profile.profile import Profile
from engage.engine.canonical.address import normal_address
from engage.engine.deliver.hands import Crews, Room
from engage.engine.deliver.outcomes import Outcomes, outcome_fact, outcome_of
from engage.engine.deliver.rates import End, Pacing, Slot
from engage.engine.deliver.release_reads import (
    addresses_of,
    name_withdrawn_calls,
    never_addressed,
    never_texted,
    sent_lately,
)
from engage.engine.deliver.rendering import Requests
from engage.engine.deliver.windows import open_windows
from engage.ports.channel import Answer, Busy, Outbound, Rejected, Sender, Unknown
from engage.ports.clock import Clock, Hints
from engage.ports.storage import StorageAwayError, StorageBusyError, Store, Transaction
from engage.ports.templating import Renderer

log = structlog.get_logger(__name__)

CHUNK = 50
"""Calls under one reservation; design §2.10: the ledger is read again per chunk of at most 50 calls."""
LEASE = timedelta(seconds=60)
"""How long a worker may be calling; longer than any call's time-out."""
CALL_MARGIN = timedelta(seconds=20)
"""A call must not start with less of its lease left than its own time-out takes."""
FRESH = timedelta(seconds=1.5)
"""How old the ledger may be when a call starts; a call that waited longer for its thread reads it again."""

MAX_ATTEMPTS = 5
"""A delivery that cannot be judged or rendered, not even to be refused, is refused after so many tries."""
POSTPONED = timedelta(minutes=1)

CatalogOf = Callable[[Transaction], Catalog]
_NO_PROVIDER = FailReason.CONFIG


@dataclass(slots=True)
class Delivered:
    """What a turn did."""

    released: int = 0
    refused: int = 0
    held: int = 0
    more: bool = False
    """Whether there may be more to release right now."""


@dataclass(slots=True)
class _Reserved:
    at: datetime
    """When the ledger was read, on the machine's clock."""
    calls: list[tuple[Delivery, Outbound, Slot]] = field(default_factory=list)
    """What may leave, and its slot of the sender's rate."""
    facts: list[NewFact] = field(default_factory=list)
    result: Delivered = field(default_factory=Delivered)


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
        self._store, self._catalog_of, self._renderer_of = store, catalog_of, renderer_of
        self._senders, self._requests, self._clock, self._hints = senders, requests, clock, hints
        self._worker, self._keep_name = worker, keep_name
        self._pacing = Pacing(clock, horizon=slot_horizon, counts_open=counts_open)
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

    def _reserve(self, channel: Channel, priority: Priority, most: int) -> _Reserved:
        reserved = _Reserved(at=self._clock.machine())
        try:
            return self._reserve_in_one(channel, priority, most, reserved) if most else reserved
        except StorageAwayError:
            with self._guard:
                self._uncalled += [delivery for delivery, _, _ in reserved.calls]
            raise

    def _reserve_in_one(
        self, channel: Channel, priority: Priority, most: int, reserved: _Reserved
    ) -> _Reserved:
        now = self._clock.now()
        with self._store.transaction() as tx:
            candidates = tx.deliveries.candidates(channel, priority, now, most)
            if not candidates:
                return reserved
            reserved.result.more = len(candidates) == most
            profiles = tx.people.lock({profile for _, profile in candidates}, skip_locked=True)
            found = tx.deliveries.get([delivery for delivery, profile in candidates if profile in profiles])
            ready = [
                found[delivery]
                for delivery, _ in candidates
                if delivery in found and _is_due(found[delivery], now) and found[delivery].profile in profiles
            ]
            self._judge_all(tx, ready, profiles, now, reserved)
            tx.deliveries.save(ready)
            if reserved.facts:
                tx.inbox.add(reserved.facts)
        return reserved

    def _judge_all(
        self,
        tx: Transaction,
        ready: Sequence[Delivery],
        profiles: Mapping[ProfileId, Profile],
        now: datetime,
        reserved: _Reserved,
    ) -> None:
        if not ready:
            return
        catalog, renderer = self._catalog_of(tx), self._renderer_of(tx)
        for delivery in ready:
            if delivery.to:
                region = catalog.settings.region
                delivery.to = normal_address(delivery.channel, delivery.to, region) or delivery.to
        consents = tx.consents.view({d.profile for d in ready}, addresses_of(ready, profiles))
        sent = sent_lately(tx, catalog, ready, now)
        first = never_addressed(tx, catalog, ready, profiles)
        new = never_texted(tx, catalog, ready, profiles)
        name_withdrawn_calls(tx, ready)
        open_to = open_windows(tx, ready, now)
        released: list[tuple[Delivery, Outbound]] = []
        links: list[ShortLink] = []

        def judge_one(delivery: Delivery) -> None:
            profile = profiles[delivery.profile]
            view = consents.get(delivery.profile) or Consents()
            verdict = judge(delivery, profile, view, catalog, sent.get(delivery.profile, ()), now)
            match verdict:
                case Hold(until=until, reason=reason, rule=rule):
                    delivery.reason, delivery.rule = str(reason), rule
                    delivery.stand(Mark.HELD, until)
                    reserved.result.held += 1
                case Skip(reason=reason, rule=rule):
                    self._refuse(reserved, delivery, now, reason, rule)
                case Release(address=address, until=until):
                    line = catalog.settings.sms.opt_out_text if delivery.id in first else None
                    rendering = self._requests.render(
                        renderer,
                        delivery,
                        profile,
                        catalog,
                        now,
                        address,
                        line,
                        until,
                        window_open=(delivery.profile, address) in open_to,
                        is_new=address in new,
                    )
                    if rendering.outbound is None:
                        self._refuse(reserved, delivery, now, SkipReason.RENDER_FAILED, rendering.refused)
                        return
                    sent.setdefault(delivery.profile, []).append((delivery.channel, delivery.topic, now))
                    delivery.template_version = rendering.template_version
                    released.append((delivery, rendering.outbound))
                    links.extend(rendering.links)

        for delivery in ready:
            try:
                judge_one(delivery)
            except Exception as exc:
                # A mistake about one delivery, of ours or in a template: its neighbours must leave all the same.
                log.exception("release.failed", channel=delivery.channel, journey=delivery.journey)
                self._postpone(reserved, delivery, now, type(exc).__name__)
        tx.links.add(links)
        self._slots(tx, catalog, released, now, reserved)

    def _postpone(self, reserved: _Reserved, delivery: Delivery, now: datetime, error: str) -> None:
        """Try again in a while: perhaps a corrected template is published; in the end it is refused."""
        delivery.attempts += 1
        if delivery.attempts >= MAX_ATTEMPTS:
            self._refuse(reserved, delivery, now, SkipReason.RENDER_FAILED, f"{error}, {MAX_ATTEMPTS} times")
            return
        delivery.reason = HoldReason.RETRY
        delivery.stand(Mark.HELD, now + POSTPONED)
        reserved.result.held += 1

    def _refuse(
        self, reserved: _Reserved, delivery: Delivery, now: datetime, reason: SkipReason, rule: str | None
    ) -> None:
        """Refuse for good: the fact is in the inbox in the same transaction, and digest moves the run on."""
        delivery.stand(Mark.SENDING, None)
        delivery.rule = rule
        outcome = Outcome(
            delivery=delivery.id,
            profile=delivery.profile,
            mark=Mark.SKIPPED,
            at=now,
            reason=reason,
            rule=rule,
        )
        reserved.facts.append(outcome_fact(delivery, outcome, now))
        reserved.result.refused += 1

    def _slots(
        self,
        tx: Transaction,
        catalog: Catalog,
        released: Sequence[tuple[Delivery, Outbound]],
        now: datetime,
        reserved: _Reserved,
    ) -> None:
        """Give each delivery its slot of the sender's rate; without one it waits and is judged again."""
        if not released:
            return
        for paced in self._pacing.give(tx, catalog, released, now):
            delivery, outbound = paced.delivery, paced.outbound
            if paced.slot is None:
                delivery.stand(Mark.HELD, paced.until)
                reserved.result.held += 1
                reserved.result.more &= not paced.is_full
                continue
            delivery.stand(Mark.SENDING, None)
            delivery.reason = None
            delivery.lease, delivery.lease_until = self._worker, reserved.at + LEASE
            delivery.sending_at = now
            delivery.first_call_at = delivery.first_call_at or now
            delivery.address = outbound.to
            delivery.calls += 1
            reserved.calls.append((delivery, outbound, paced.slot))
            reserved.result.released += 1

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


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.waits_for_release() and delivery.due_at is not None and delivery.due_at <= now
