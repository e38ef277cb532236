"""Simulate: the same rooms on a virtual clock — a year of journey in milliseconds, and every interleaving in a test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from engage.domain.catalog import Catalog
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import NewFact
from engage.domain.profile.identity import Mint
from engage.domain.turn.turn import Choices
from engage.engine.broadcast.agenda import due_of
from engage.engine.broadcast.broadcast import Broadcast
from engage.engine.deliver.deliver import Deliver
from engage.engine.deliver.rendering import Requests
from engage.engine.digest.digest import Digest
from engage.engine.publish.backfill import Backfill
from engage.engine.publish.publish import Publish
from engage.engine.settle.settle import Settle
from engage.engine.sweep import Sweep
from engage.ports.channel import Sender
from engage.ports.clock import NoHints
from engage.ports.storage import Store, Transaction
from engage.ports.templating import Renderer

MAX_ROUNDS = 100_000
"""Rounds of work at one instant; more means that something makes work for ever."""


class VirtualClock:
    """A clock that stands still until it is moved. Implements `ports.clock.Clock`."""

    def __init__(self, now: datetime) -> None:
        """Start at `now`."""
        self._now = now

    def now(self) -> datetime:
        """Return where the clock stands."""
        return self._now

    def machine(self) -> datetime:
        """Return where the clock stands: one hand works alone, so leases mean little."""
        return self._now

    def sleep_until(self, instant: datetime) -> None:
        """Wait for nothing: calls take no time."""

    def move_to(self, instant: datetime) -> None:
        """Move on; never back."""
        self._now = max(self._now, instant)


@dataclass(frozen=True, kw_only=True)
class WorldParts:
    """What a world is made of."""

    store: Store
    clock: VirtualClock
    catalog_of: Callable[[Transaction], Catalog]
    renderer_of: Callable[[Transaction], Renderer]
    senders: Mapping[Channel, Sender]
    requests: Requests
    mint: Mint | None = None
    choices: Choices | None = None
    worker: str = "world"


class World:
    """All rooms on one clock, worked by one hand: digest, deliver, settle, backfill until nothing is due."""

    def __init__(self, parts: WorldParts) -> None:
        """Put the rooms around the store."""
        self._store, self._clock = parts.store, parts.clock
        hints = NoHints()
        self.digest = Digest(parts.store, parts.catalog_of, mint=parts.mint, choices=parts.choices)
        self.deliver = Deliver(
            parts.store,
            parts.catalog_of,
            parts.renderer_of,
            parts.senders,
            parts.requests,
            parts.clock,
            hints,
            worker=parts.worker,
            slot_horizon=0.0,
        )
        self.settle = Settle(
            parts.store, parts.catalog_of, parts.senders, parts.clock, hints, stream_window=timedelta(0)
        )
        self.backfill = Backfill(parts.store, parts.catalog_of, parts.choices)
        self.broadcast = Broadcast(parts.store, parts.catalog_of, parts.choices)
        self.publish = Publish(parts.store)
        self.sweep = Sweep(parts.store)

    @property
    def now(self) -> datetime:
        """Where the clock stands."""
        return self._clock.now()

    def add(self, facts: Sequence[NewFact]) -> list[bool]:
        """Store facts, as accept would; nothing is digested yet."""
        with self._store.transaction() as tx:
            return tx.inbox.add(facts)

    def rest(self) -> None:
        """Do all the work that is due at this instant, and what follows from it at this instant."""
        for _ in range(MAX_ROUNDS):
            if not self._round():
                return
        raise RuntimeError(f"still work to do at {self.now} after {MAX_ROUNDS} rounds")

    def _round(self) -> bool:
        found = self.sweep.look(self.now)
        for job in found.jobs:
            progress = self.backfill.turn(job, self.now)
            while progress is not None and not progress.finished:
                progress = self.backfill.turn(job, self.now)
        for job in found.broadcasts:
            self.broadcast.turn(job, self.now)
        while found.lanes and self.digest.turn(found.lanes, self.now).more:
            pass
        for channel, priority in sorted(found.deliveries):
            while self.deliver.turn(channel, priority).more:
                pass
        if found.unsettled:
            self.settle.turn()
        return bool(found.jobs or found.broadcasts or found.lanes or found.deliveries or found.unsettled)

    def run_until(self, instant: datetime) -> None:
        """Let time pass: every timer fires and every delivery leaves at its own instant, up to and with `instant`."""
        self.rest()
        while True:
            due = self._next_due()
            if due is None or due > instant:
                break
            self._clock.move_to(due)
            self.rest()
        self._clock.move_to(instant)  # nothing is due between the last rest and here

    def _next_due(self) -> datetime | None:
        with self._store.transaction() as tx:
            times = [tx.runs.next_due(), tx.deliveries.next_due(), *map(due_of, tx.jobs.unfinished())]
        return min((time for time in times if time is not None), default=None)
