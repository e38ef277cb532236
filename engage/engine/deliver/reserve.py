"""Reserve: what may be called now is judged, rendered, given a slot and marked, in one transaction; nobody is called yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from engage.domain.catalog import Catalog
from engage.domain.delivery.delivery import Channel, Delivery, HoldReason, Mark, Priority, SkipReason
from engage.domain.delivery.release import Hold, Release, Skip, judge
from engage.domain.fact import NewFact, Outcome
from engage.domain.ids import ProfileId
from engage.domain.links.short_link import ShortLink
from engage.domain.profile.profile import Profile
from engage.engine.canonical.address import normal_address
from engage.engine.deliver.outcomes import outcome_fact
from engage.engine.deliver.rates import Pacing, Slot
from engage.engine.deliver.release_reads import Known, name_withdrawn_calls, read_known
from engage.engine.deliver.rendering import Rendering, Requests
from engage.ports.channel import Outbound
from engage.ports.clock import Clock
from engage.ports.storage import Store, Transaction
from engage.ports.templating import Renderer

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
"""How long a worker may be calling; longer than any call's time-out."""
MAX_ATTEMPTS = 5
"""A delivery that cannot be judged or rendered, not even to be refused, is refused after so many tries."""
POSTPONED = timedelta(minutes=1)

CatalogOf = Callable[[Transaction], Catalog]


@dataclass(slots=True)
class Delivered:
    """What a turn did."""

    released: int = 0
    refused: int = 0
    held: int = 0
    more: bool = False
    """Whether there may be more to release right now."""


@dataclass(slots=True)
class Reserved:
    """What one transaction decided about a chunk of deliveries."""

    at: datetime
    """When the ledger was read, on the machine's clock."""
    calls: list[tuple[Delivery, Outbound, Slot]] = field(default_factory=list)
    """What may leave, and its slot of the sender's rate."""
    facts: list[NewFact] = field(default_factory=list)
    """Outcomes of what is refused; in the inbox with the same commit."""
    result: Delivered = field(default_factory=Delivered)


class Reserve:
    """The first of deliver's two transactions. Thread-safe: what a turn decides stands in its `Reserved` alone."""

    def __init__(
        self,
        store: Store,
        catalog_of: CatalogOf,
        renderer_of: Callable[[Transaction], Renderer],
        requests: Requests,
        clock: Clock,
        pacing: Pacing,
        *,
        worker: str,
    ) -> None:
        """`worker` names the session lock under which this process holds its leases."""
        self._store, self._catalog_of, self._renderer_of = store, catalog_of, renderer_of
        self._requests, self._clock, self._pacing, self._worker = requests, clock, pacing, worker

    def turn(self, channel: Channel, priority: Priority, most: int, reserved: Reserved) -> None:
        """Reserve up to `most` deliveries of one channel and class, and commit.

        `reserved` is filled on the way: whoever loses the answer to the commit still knows what may have been reserved.
        """
        now = self._clock.now()
        with self._store.transaction() as tx:
            candidates = tx.deliveries.candidates(channel, priority, now, most)
            if not candidates:
                return
            reserved.result.more = len(candidates) == most
            profiles = tx.people.lock({profile for _, profile in candidates}, skip_locked=True)
            found = tx.deliveries.get([delivery for delivery, profile in candidates if profile in profiles])
            ready = [
                found[delivery]
                for delivery, _ in candidates
                if delivery in found and _is_due(found[delivery], now) and found[delivery].profile in profiles
            ]
            if ready:
                self._judge_all(tx, ready, profiles, now, reserved)
            tx.deliveries.save(ready)
            if reserved.facts:
                tx.inbox.add(reserved.facts)

    def _judge_all(
        self,
        tx: Transaction,
        ready: Sequence[Delivery],
        profiles: Mapping[ProfileId, Profile],
        now: datetime,
        reserved: Reserved,
    ) -> None:
        catalog, renderer = self._catalog_of(tx), self._renderer_of(tx)
        region = catalog.settings.region
        for delivery in ready:
            if delivery.to:
                delivery.to = normal_address(delivery.channel, delivery.to, region) or delivery.to
        known = read_known(tx, catalog, ready, profiles, now)
        name_withdrawn_calls(tx, ready)
        released: list[tuple[Delivery, Outbound]] = []
        links: list[ShortLink] = []
        for delivery in ready:
            try:
                profile = profiles[delivery.profile]
                rendering = self._judge(delivery, profile, known, catalog, renderer, now, reserved)
            except Exception as exc:
                # A mistake about one delivery, of ours or in a template: its neighbours must leave all the same.
                log.exception("release.failed", channel=delivery.channel, journey=delivery.journey)
                self._postpone(reserved, delivery, now, type(exc).__name__)
                continue
            if rendering is not None and rendering.outbound is not None:
                released.append((delivery, rendering.outbound))
                links.extend(rendering.links)
        tx.links.add(links)
        self._give_slots(tx, catalog, released, now, reserved)

    def _judge(
        self,
        delivery: Delivery,
        profile: Profile,
        known: Known,
        catalog: Catalog,
        renderer: Renderer,
        now: datetime,
        reserved: Reserved,
    ) -> Rendering | None:
        """Judge one delivery; return it rendered if it may leave now."""
        sent = known.sent.setdefault(delivery.profile, [])
        match judge(delivery, profile, known.consents_of(delivery), catalog, sent, now):
            case Hold(until=until, reason=reason, rule=rule):
                delivery.reason, delivery.rule = str(reason), rule
                delivery.stand(Mark.HELD, until)
                reserved.result.held += 1
                return None
            case Skip(reason=reason, rule=rule):
                self._refuse(reserved, delivery, now, reason, rule)
                return None
            case Release(address=address, until=until):
                rendering = self._requests.render(
                    renderer,
                    delivery,
                    profile,
                    catalog,
                    now,
                    address,
                    catalog.settings.sms.opt_out_text if delivery.id in known.first else None,
                    until,
                    window_open=(delivery.profile, address) in known.open_to,
                    is_new=address in known.new,
                )
        if rendering.outbound is None:
            self._refuse(reserved, delivery, now, SkipReason.RENDER_FAILED, rendering.refused)
            return None
        sent.append((delivery.channel, delivery.topic, now))
        delivery.template_version = rendering.template_version
        return rendering

    def _postpone(self, reserved: Reserved, delivery: Delivery, now: datetime, error: str) -> None:
        """Try again in a while: perhaps a corrected template is published; in the end it is refused."""
        delivery.attempts += 1
        if delivery.attempts >= MAX_ATTEMPTS:
            self._refuse(reserved, delivery, now, SkipReason.RENDER_FAILED, f"{error}, {MAX_ATTEMPTS} times")
            return
        delivery.reason = HoldReason.RETRY
        delivery.stand(Mark.HELD, now + POSTPONED)
        reserved.result.held += 1

    def _refuse(
        self, reserved: Reserved, delivery: Delivery, now: datetime, reason: SkipReason, rule: str | None
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

    def _give_slots(
        self,
        tx: Transaction,
        catalog: Catalog,
        released: Sequence[tuple[Delivery, Outbound]],
        now: datetime,
        reserved: Reserved,
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
            delivery.reserve(self._worker, now, reserved.at + LEASE, outbound.to, outbound.validity)
            reserved.calls.append((delivery, outbound, paced.slot))
            reserved.result.released += 1


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.waits_for_release() and delivery.due_at is not None and delivery.due_at <= now
