"""Bootstrap: the one place that knows which adapters stand behind which ports."""

import gc
import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

import structlog

from engage.clocks import TimeLapse, clock_from_environment
from engage.compiled import CompiledProject, LiveTemplate
from engage.destinations.registry import SyncSender, build_destinations
from engage.domain.catalog import Catalog
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId
from engage.embedded import embedded
from engage.engine.access.admit import Admit, FixedTokens
from engage.engine.broadcast.broadcast import Broadcast
from engage.engine.deliver.deliver import Deliver
from engage.engine.deliver.rendering import Requests
from engage.engine.digest.digest import Digest
from engage.engine.operate import Operate
from engage.engine.publish.backfill import Backfill
from engage.engine.publish.publish import Publish
from engage.engine.replay import Replay
from engage.engine.retain import Folded, Retain
from engage.engine.settle.lists import Lists
from engage.engine.settle.reconcile import Reconcile
from engage.engine.settle.settle import Settle
from engage.engine.sweep import Sweep
from engage.ports.channel import CodeChecker, EmailContent, Rooms, Sender, Webhook
from engage.ports.clock import Clock, Hints, NoHints
from engage.ports.destination import Destinations
from engage.ports.locking import WorkerLock
from engage.ports.storage import StorageAwayError, StorageBusyError, Store
from engage.settings import Settings, SettingsError, pepper_of
from engage.signed_links import links_of
from engage.storage.postgres.exporting import PostgresExporting
from engage.storage.postgres.idempotency import PostgresIdempotencyKeys
from engage.storage.postgres.members import members
from engage.storage.postgres.reading import PostgresReading
from engage.storage.postgres.store import PostgresStore
from engage.storage.postgres.upkeep import keep_house

log = structlog.get_logger(__name__)

CATALOG_SECONDS = 1.0
CALLS_IN_FLIGHT = 50
"""Threads that call a provider, per process, channel and class; design §6.6. They are only made if calls wait."""


class LiveCatalog:
    """The catalog as the API needs it: the same object until it changes; asking never touches the database.

    A thread of its own looks once a second; while the database is away, the last one known stays.
    """

    def __init__(self, store: Store, compiled: CompiledProject) -> None:
        """Watch the definitions in `store`, beginning with a first look."""
        self._store, self._compiled = store, compiled
        self._stopped = threading.Event()
        self._catalog = Catalog()
        self._look()
        self._thread = threading.Thread(target=self._watch, name="catalog", daemon=True)
        self._thread.start()

    def __call__(self) -> Catalog:
        """Return the live catalog, about a second old at most."""
        return self._catalog

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(CATALOG_SECONDS):
            self._look()

    def _look(self) -> None:
        try:
            with self._store.transaction() as tx:
                self._catalog = self._compiled.catalog_of(tx)
        except (StorageAwayError, StorageBusyError) as exc:
            log.warning("catalog.stale", error=str(exc))


@dataclass
class Runtime:
    """One process's engine: the store, the compiled project, and the rooms, made when first asked for."""

    settings: Settings
    store: PostgresStore
    hints: Hints = field(default_factory=NoHints)
    clock: Clock = field(default_factory=clock_from_environment)
    worker: str = field(default_factory=lambda: f"{os.getpid()}-{uuid.uuid4().hex[:12]}")
    _held: ExitStack = field(default_factory=ExitStack)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _name: WorkerLock | None = None

    @cached_property
    def compiled(self) -> CompiledProject:
        """The live definitions, compiled once per epoch."""
        return CompiledProject(self.settings.base_url, self.settings.user_secrets)

    @cached_property
    def senders(self) -> Mapping[Channel, Sender]:
        """Who sends what."""
        from engage.providers import senders_of

        told = SyncSender(self.destinations, self.clock)
        return {**senders_of(self.settings), Channel.SYNC: told}

    @cached_property
    def destinations(self) -> Destinations:
        """Systems of the project's that are told what happened.

        Raises:
            SettingsError: the address of one is none.
        """
        try:
            return build_destinations(self.settings.destinations, self.settings.secret_key)
        except ValueError as exc:
            raise SettingsError(str(exc)) from exc

    @cached_property
    def webhooks(self) -> list[Webhook]:
        """Every webhook that can be verified."""
        from engage.providers import webhooks_of

        return webhooks_of(self.settings)

    @cached_property
    def codes(self) -> CodeChecker | None:
        """Who knows whether a code is right."""
        from engage.providers import codes_of

        return codes_of(self.settings)

    @cached_property
    def rooms(self) -> Rooms | None:
        """Who opens rooms to meet in."""
        from engage.providers import rooms_of

        return rooms_of(self.settings)

    @cached_property
    def digest(self) -> Digest:
        """Facts and timers → everything."""
        return Digest(self.store, self.compiled.catalog_of)

    @cached_property
    def deliver(self) -> Deliver:
        """Reserve, call, outcome. Holds this process's worker lock from now on."""
        with self._lock:
            if self._name is None:
                self._name = self._held.enter_context(self.store.hold_worker_lock(self.worker))
        return Deliver(
            self.store,
            self.compiled.catalog_of,
            self.compiled.renderer_of,
            self.senders,
            Requests(links_of(self.settings)),
            self.clock,
            self.hints,
            worker=self.worker,
            keep_name=self._name.keep,
            pool_of=self._pool,
            counts_open=not isinstance(self.clock, TimeLapse),
        )

    def _pool(self) -> ThreadPoolExecutor:
        return self._held.enter_context(ThreadPoolExecutor(CALLS_IN_FLIGHT, thread_name_prefix="call"))

    @cached_property
    def settle(self) -> Settle:
        """Unknown outcomes."""
        return Settle(
            self.store,
            self.compiled.catalog_of,
            self.senders,
            self.clock,
            self.hints,
            stream_window=timedelta(seconds=self.settings.stream_window),
            pool=self._pool(),
        )

    @cached_property
    def reconcile(self) -> Reconcile:
        """Ends that nobody told us of."""
        return Reconcile(self.store, self.senders, self.clock, self.hints, pool=self._pool())

    @cached_property
    def lists(self) -> list[Lists]:
        """Providers' own lists of refused addresses."""
        from engage.providers import lists_of

        return [
            Lists(self.store, lambda: self.catalog().settings, one, self.clock, self.hints)
            for one in lists_of(self.settings)
        ]

    @cached_property
    def backfill(self) -> Backfill:
        """Everybody, after the project changed."""
        return Backfill(self.store, self.compiled.catalog_of)

    @cached_property
    def broadcast(self) -> Broadcast:
        """Ticks and signals → many people."""
        return Broadcast(self.store, self.compiled.catalog_of)

    @cached_property
    def publish(self) -> Publish:
        """Definitions become live."""
        return Publish(self.store)

    @cached_property
    def operate(self) -> Operate:
        """What operators change, on the audit trail."""
        return Operate(self.store)

    def templates(self) -> Mapping[str, LiveTemplate]:
        """Return the live templates by name."""
        with self.store.transaction() as tx:
            return self.compiled.templates_of(tx)

    def replay(self, names: Sequence[str]) -> Replay:
        """Recorded events → these destinations."""
        return Replay(self.store, {name: self.destinations[name] for name in names})

    @cached_property
    def admit(self) -> Admit:
        """Who may do what."""
        return Admit(self.store, FixedTokens.admins(self.settings.api_tokens))

    @cached_property
    def catalog(self) -> LiveCatalog:
        """The live catalog outside a transaction."""
        catalog = LiveCatalog(self.store, self.compiled)
        self._held.callback(catalog.stop)
        return catalog

    @cached_property
    def idempotency(self) -> PostgresIdempotencyKeys:
        """What was answered under an idempotency key."""
        return PostgresIdempotencyKeys(self.store)

    def view(self, delivery_id: DeliveryId) -> str | None:
        """Return a mail as a page, rendered again from what the delivery keeps; None if there is no such mail."""
        with self.store.transaction() as tx:
            delivery = tx.deliveries.get([delivery_id]).get(delivery_id)
            if delivery is None or delivery.channel is not Channel.EMAIL or delivery.scrubbed:
                return None
            profile = tx.people.lock([delivery.profile]).get(delivery.profile)
            if profile is None:
                return None
            catalog, renderer = self.compiled.catalog_of(tx), self.compiled.renderer_of(tx)
        now = delivery.accepted_at or delivery.asked_at
        address = delivery.address or ""
        rendered = Requests(links_of(self.settings)).render(
            renderer, delivery, profile, catalog, now, address, None
        )
        content = None if rendered.outbound is None else rendered.outbound.content
        return content.html if isinstance(content, EmailContent) else None

    @cached_property
    def reading(self) -> PostgresReading:
        """What faces show: pages, lists, numbers, and the audit of the ledger."""
        return PostgresReading(self.store)

    @cached_property
    def exporting(self) -> PostgresExporting:
        """Everything of a kind, and everything about somebody."""
        return PostgresExporting(self.store)

    def keep_house(self, so_far: Folded | None = None) -> tuple[dict[str, int], Folded]:
        """Make the months of events to come, and remove what is older than the project keeps; rows by table.

        Events go once the aggregates that count them have folded them; how far that is says the other value returned, and
        a call with it goes on from there.
        """
        retention = self.catalog().settings.retention
        now = self.clock.now()
        retain = Retain(self.store, self.compiled.catalog_of)
        folded = retain.fold(now - retention.events, so_far)
        gone = keep_house(
            self.store,
            now,
            events=now - folded.before,
            bodies=retention.bodies,
            decisions=retention.decisions,
            epoch=folded.releases,
        )
        return {**gone, "fold": retain.drop()}, folded

    def members(self, audience: str) -> Iterable[Sequence[Identifier]]:
        """Return everybody in an audience, each by all their identifiers."""
        return members(self.store, audience)

    @cached_property
    def sweep(self) -> Sweep:
        """Work nobody hinted at."""
        return Sweep(self.store)

    def close(self) -> None:
        """Give back connections, threads and locks."""
        self._held.close()
        self.store.close()


@contextmanager
def open_runtime(
    settings: Settings, *, hints: Hints | None = None, connections: int = 8
) -> Iterator[Runtime]:
    """Open the engine of one process, with the embedded PostgreSQL where the settings name none."""
    with ExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = stack.enter_context(embedded(settings.data_dir)).database_url
        store = PostgresStore(url, min_size=1, max_size=connections, pepper=pepper_of(settings))
        runtime = Runtime(settings=settings, store=store, hints=hints or NoHints())
        stack.callback(runtime.close)
        spare_the_lasting()
        yield runtime


def spare_the_lasting() -> None:
    """Keep the garbage collector from walking over what lives as long as the process: measured, a quarter of its time.

    To be called when much of that was made: modules, the providers' SDKs, compiled definitions.
    """
    gc.set_threshold(10_000, 20, 50)
    gc.collect()
    gc.freeze()
