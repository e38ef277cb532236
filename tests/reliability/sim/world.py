"""World: processes, people and a provider around one store, all of it moved by one seed."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from random import Random
from typing import Any

from engage.compiled import CompiledProject
from engage.domain.delivery.delivery import Channel, Mark, Priority
from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Receipt
from engage.domain.ids import DeliveryId
from engage.domain.project_settings import ProjectSettings
from engage.engine.broadcast.agenda import due_of
from engage.engine.broadcast.broadcast import Broadcast
from engage.engine.deliver.deliver import Deliver
from engage.engine.deliver.rendering import Requests
from engage.engine.digest.digest import Digest
from engage.engine.publish.backfill import Backfill
from engage.engine.publish.publish import Publish, Source
from engage.engine.settle.reconcile import Reconcile
from engage.engine.settle.settle import Settle
from engage.engine.simulate import VirtualClock
from engage.engine.sweep import Sweep
from engage.ports.clock import NoHints
from engage.ports.storage import StorageAwayError, StorageBusyError
from engage.project.load import load_source
from engage.testing.evidence import ledger_of_memory
from engage.testing.invariants import Outside, breaches
from engage.testing.links import links_of
from engage.testing.scheduler import Scheduler
from tests.reliability.sim.doer import Doer
from tests.reliability.sim.provider import Provider, TellingProvider
from tests.reliability.sim.story import CART_AGAIN, END, HOURS, PROJECT, START, story
from tests.reliability.sim.weather import Borders, Weather

WORKERS, BEATS = 2, 2
BEAT = timedelta(hours=3)
PEOPLE = 3
TROUBLE = (StorageAwayError, StorageBusyError, IdentityRaceError)
"""What a task may fail with while the weather is bad; anything else is a mistake."""


@cache
def forms() -> Mapping[Source, object]:
    """Return the compiled form of everything that worlds publish: compiling costs as much as a world does."""
    texts = [*PROJECT.items(), (("journey", "cart"), CART_AGAIN)]
    sources = [Source(kind=kind, name=name, text=text) for (kind, name), text in texts]
    return {source: load_source(source.kind, source.name, source.text)[0] for source in sources}


def compiled_project() -> CompiledProject:
    """Return the compiler of one world."""
    compiled = CompiledProject()
    for source, form in forms().items():
        compiled.keep(source.kind, source.name, source.checksum, form)
    return compiled


def house_rules() -> ProjectSettings:
    """Return the story's house rules as the API reads them."""
    return next(form for form in forms().values() if isinstance(form, ProjectSettings))


class SimClock(VirtualClock):
    """A clock on which a worker that sleeps lets others go on."""

    def __init__(self, now: datetime, scheduler_of: Callable[[], Scheduler]) -> None:
        super().__init__(now)
        self._scheduler_of = scheduler_of

    def sleep_until(self, instant: datetime) -> None:
        """Wait for the driver to move the clock."""
        self._scheduler_of().sleep_until(instant)


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, *, weather: Weather | None = None, workers: int = WORKERS) -> None:
        """The seed's weather may be replaced: its story stays the same."""
        self.seed = seed
        drawn = Random(seed)
        by_seed = Weather.of(drawn)
        self.weather = weather or by_seed
        self.deeds = story(drawn, PEOPLE)
        self.outside = Outside()
        self.clock = SimClock(START, lambda: self.scheduler)
        self.scheduler = Scheduler(seed, deaths=self.weather.deaths, now=self.clock.now)
        self.store = Borders(self.scheduler, self.weather, self.clock.now).store
        self.compiled = compiled_project()
        self.told: list[tuple[datetime, int, Receipt]] = []
        parts = (self.scheduler, self.weather, self.clock, self._tell)
        self.providers: dict[Channel, Provider] = {
            Channel.SMS: TellingProvider(Channel.SMS, *parts),
            Channel.VOICE: TellingProvider(Channel.VOICE, *parts),
            Channel.EMAIL: Provider(Channel.EMAIL, *parts),
        }
        self.settings = house_rules()
        Publish(self.store).publish([Source(kind=k, name=n, text=text) for (k, n), text in PROJECT.items()])
        self._lives = 0
        for _ in range(workers):
            self._spawn(self._worker)
        for _ in range(BEATS):
            self._spawn(self._beat)
        self._spawn(self._outsiders)

    def _was_taken(self, delivery: DeliveryId) -> bool:
        return any(
            message.outbound.delivery == delivery
            for provider in self.providers.values()
            for message in provider.messages
        )

    def _tell(self, at: datetime, lane: int, receipt: Receipt) -> None:
        self.told.append((at, lane, receipt))

    def _spawn(self, life: Callable[[str], None]) -> None:
        """Start a process; when it dies another one takes its place, under another name."""
        self._lives += 1
        name = f"{life.__name__[1:]}-{self._lives}"

        def body() -> None:
            try:
                life(name)
            finally:
                self.scheduler.stir()
                if not self.scheduler.is_closing:
                    self._spawn(life)

        self.scheduler.spawn(name, body)

    # --- processes

    def _worker(self, name: str) -> None:
        """Look for work and do some of it, in any order, whatever the others are doing."""
        with self.store.hold_worker_lock(name):
            works_at = self._works(name)
            while True:
                looked = self.scheduler.stirs
                try:
                    works = works_at(self.clock.now())
                except TROUBLE:
                    continue
                self.scheduler.random.shuffle(works)
                if not any(self._did(work) for work in works):
                    self.scheduler.rest(looked)

    def _beat(self, name: str) -> None:
        """Do what is nobody's hint but time's: two processes at once, as two beats would have it."""
        del name
        reconcile = Reconcile(self.store, self.providers, self.clock, NoHints())
        while True:
            while self._did(reconcile.turn):
                pass
            self.scheduler.sleep_until(self.clock.now() + BEAT)

    def _did(self, work: Callable[[], Any]) -> bool:
        """Do one piece of work; return whether anything came of it."""
        try:
            done = bool(work())
        except TROUBLE:
            done = True
        if done:
            self.scheduler.stir()
        return done

    def _works(self, name: str) -> Callable[[datetime], list[Callable[[], Any]]]:
        hints, catalog_of, store, clock = NoHints(), self.compiled.catalog_of, self.store, self.clock
        digest, sweep = Digest(store, catalog_of), Sweep(store)
        deliver = Deliver(
            store,
            catalog_of,
            self.compiled.renderer_of,
            self.providers,
            Requests(links_of),
            clock,
            hints,
            worker=name,
        )
        settle = Settle(store, catalog_of, self.providers, clock, hints)
        backfill, broadcast = Backfill(store, catalog_of), Broadcast(store, catalog_of)

        def look(now: datetime) -> list[Callable[[], Any]]:
            found = sweep.look(now)
            works: list[Callable[[], Any]] = []
            if found.lanes:
                lanes = sorted(found.lanes)
                some = self.scheduler.random.sample(lanes, self.scheduler.random.randrange(1, len(lanes) + 1))
                works.append(lambda: _digested(digest, some, clock.now()))
                works.append(lambda: _digested(digest, lanes, clock.now()))
            works += [partial(_delivered, deliver, *work) for work in sorted(found.deliveries)]
            works += [partial(backfill.turn, job, now) for job in found.jobs]
            works += [partial(broadcast.turn, job, now) for job in found.broadcasts]
            if found.unsettled:
                works.append(lambda: _settled(settle))
            return works

        return look

    def _outsiders(self, name: str) -> None:
        """People, operators and the provider's webhooks; whoever gets no answer does it again."""
        doer = Doer(self.store, self.settings, self.outside, self.clock, self._was_taken)
        while True:
            now = self.clock.now()
            told = [entry for entry in self.told if entry[0] <= now]
            deed = self.deeds[0] if self.deeds and self.deeds[0].at <= now else None
            if deed is None and not told:
                self.scheduler.rest()
                continue
            try:
                if deed is not None and (not told or self.scheduler.random.random() < 0.5):
                    doer.do(deed)
                    self.deeds.remove(deed)
                else:
                    entry = told[self.scheduler.random.randrange(len(told))]
                    doer.hear(entry[1], entry[2])
                    self.told.remove(entry)
            except TROUBLE:
                continue
            finally:
                self.scheduler.stir()

    # --- the driver

    def play(self) -> list[str]:
        """Let hours of bad weather pass, then days of good; return every promise that was broken."""
        try:
            while True:
                self.scheduler.run()
                following = self._next_instant()
                if following is None or following > END:
                    break
                if following > START + timedelta(hours=HOURS):
                    self.weather.clear()
                    self.scheduler.stop_deaths()
                self.clock.move_to(following)
        finally:
            self.scheduler.close()
        if self.deeds or self.told:
            return [f"{len(self.deeds)} deeds and {len(self.told)} webhooks were never answered"]
        outside = self.outside
        outside.calls = [call for provider in self.providers.values() for call in provider.calls]
        return breaches(ledger_of_memory(self.store, END, never_lost={"codes"}), outside)

    def became(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what became of each person, as far as that does not depend on who did the work, or on the second."""
        work = self.store.look()
        names = {
            row.profile: row.identifier.value
            for row in work.identifiers.all()
            if row.identifier.kind == "user_id"
        }
        return {
            name: {
                "events": Counter(row.name for row in work.events.where("profile", profile)),
                "runs": sorted(
                    (row.journey, row.version, row.active) for row in work.runs.where("profile", profile)
                ),
                "deliveries": sorted(
                    (str(row.step), row.status) for row in work.deliveries.where("profile", profile)
                ),
            }
            for profile, name in names.items()
        }

    def disturbed(self) -> set[str]:
        """Return who waited because somebody died who was about to write to them: much may have happened meanwhile."""
        work = self.store.look()
        waited = {row.profile for row in work.decisions.all() if b'"outcome":"unknown"' in row.doc}
        return {row.identifier.value for row in work.identifiers.all() if row.profile in waited}

    def _next_instant(self) -> datetime | None:
        now, work = self.clock.now(), self.store.look()
        with self.store.transaction() as tx:
            times = [tx.runs.next_due(), tx.deliveries.next_due(), *map(due_of, tx.jobs.unfinished())]
        times += [
            row.lease_until + timedelta(microseconds=1)
            for row in work.deliveries.where("status", Mark.SENDING)
            if row.lease_until is not None
        ]
        times += [deed.at for deed in self.deeds[:1]] + [at for at, _, _ in self.told]
        times += [row.due_at for row in work.timers.all()]
        times.append(self.scheduler.next_wake())
        return min((at for at in times if at is not None and at > now), default=None)


def _digested(digest: Digest, lanes: list[int], now: datetime) -> bool:
    done = digest.turn(lanes, now)
    return bool(done.facts or done.timers)


def _delivered(deliver: Deliver, channel: Channel, priority: Priority) -> bool:
    done = deliver.turn(channel, priority)
    return bool(done.released or done.refused or done.held)


def _settled(settle: Settle) -> bool:
    done = settle.turn()
    return bool(done.asked or done.lost_workers)
