"""A crowd of thirty people, several workers, and a provider with moods: the small world that seeds are tried on."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from engage.compiled import CompiledProject
from engage.domain.delivery.delivery import Channel, Mark
from engage.domain.fact import Call, Identifier, Kind, NewFact, Receipt, encode
from engage.domain.ids import DeliveryId, ProfileId, bucket_key, lane_of
from engage.engine.accept.intake import Intake, Piece, Taken
from engage.engine.deliver.deliver import Deliver
from engage.engine.deliver.rendering import Requests
from engage.engine.digest.digest import Digest
from engage.engine.publish.backfill import Backfill
from engage.engine.publish.publish import Publish, Source
from engage.engine.settle.settle import Settle
from engage.engine.simulate import VirtualClock
from engage.engine.sweep import Sweep
from engage.ports.channel import (
    Accepted,
    Answer,
    Busy,
    NotTaken,
    Outbound,
    Question,
    Unknown,
)
from engage.ports.channel import (
    Taken as WasTaken,
)
from engage.ports.clock import NoHints
from engage.ports.storage import Transaction
from engage.storage.memory import MemoryStore
from engage.templating import compile_templates
from engage.testing.links import links_of
from engage.testing.people import mint
from engage.testing.scheduler import Scheduler
from engage.testing.watched import WatchedStore

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
PEOPLE = [f"p{number:02}" for number in range(30)]
END = START + timedelta(days=3)
PROJECT: Mapping[tuple[str, str], str] = {
    ("settings", "settings"): 'quiet_hours: "off"\n',
    ("audience", "buyers"): "audience: buyers\nwhere: count('Bought', within='1 day') >= 1\n",
    ("journey", "cart"): """
journey: cart
trigger: {event: Cart, key: event.cart}
entry: {while_inside: restart, reentry: always}
goal: {event: Bought, within: 2 days}
steps:
  - wait: 1 hour
  - sms: {text: "Cart {{ entry.cart }}"}
    id: nudge
  - wait_for: {step: nudge, status: delivered, timeout: 6 hours}
  - emit: {event: Nudged}
  - wait: 30 minutes
  - sms: {text: Last call}
    id: last
""",
    ("journey", "thanks"): """
journey: thanks
trigger: {audience: {entered: buyers}}
entry: {reentry: always}
steps:
  - email: {text: Thank you}
    id: thanks
""",
}


@dataclass
class Provider:
    """Takes messages, sometimes badly; remembers how often it took each delivery."""

    scheduler: Scheduler
    clock: VirtualClock
    moody: bool
    taken: Counter[DeliveryId] = field(default_factory=Counter)
    disturbed: set[DeliveryId] = field(default_factory=set)
    receipts: list[tuple[datetime, int, Receipt]] = field(default_factory=list)
    provider: str = "crowd"

    def send(self, outbound: Outbound) -> Answer:
        self.scheduler.pause("call")
        mood = self.scheduler.random.random() if self.moody else 1.0
        if mood < 0.03:
            self.disturbed.add(outbound.delivery)
            return Busy()
        if mood < 0.06:
            self.disturbed.add(outbound.delivery)
            self.scheduler.sleep_until(self.clock.now() + timedelta(seconds=90))
        if mood < 0.09:
            self.disturbed.add(outbound.delivery)
            if mood < 0.075:
                self._take(outbound)
            return Unknown()
        self._take(outbound)
        self.scheduler.pause("called")
        return Accepted(provider_id=outbound.delivery)

    def ask(self, question: Question) -> WasTaken | NotTaken:
        self.scheduler.pause("ask")
        found = self.taken[question.delivery]
        return WasTaken(provider_id=question.delivery) if found else NotTaken()

    def _take(self, outbound: Outbound) -> None:
        self.taken[outbound.delivery] += 1
        # Receipts come later, some twice, and "sent" after "delivered": the same for everybody with the same name.
        fixed = Random(outbound.delivery)
        now = self.clock.now()
        for number, (mark, minutes) in enumerate(
            ((Mark.DELIVERED, 10), (Mark.SENT, 20), (Mark.DELIVERED, 30))
        ):
            receipt = Receipt(
                delivery=outbound.delivery,
                mark=mark,
                at=now,
                receipt_id=f"{outbound.delivery}:{mark}",
                provider="crowd",
            )
            at = now + timedelta(minutes=minutes + fixed.randrange(3))
            self.receipts.append((at, outbound.lane, receipt))
            del number


class MortalStore(WatchedStore):
    """A watched store in memory at whose borders workers are switched and die; what was committed is known to be."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        super().__init__(MemoryStore(checkpoint=self._before, wait=scheduler.wait))

    def _before(self, place: str) -> None:
        if place != "committed":
            self._scheduler.pause(place)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with super().transaction() as tx:
            yield tx
        self._scheduler.pause("committed")


@dataclass
class Crowd:
    """Everything of one run of the world."""

    seed: int
    deaths: float
    workers: int
    moody: bool
    script: list[tuple[datetime, NewFact]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(START)
        self.scheduler = Scheduler(self.seed, deaths=self.deaths, now=self.clock.now)
        self.store = MortalStore(self.scheduler)
        self.compiled = CompiledProject()
        self.provider = Provider(self.scheduler, self.clock, self.moody)
        self.renderer, _ = compile_templates([], {})
        self.lives = 0
        Publish(self.store).publish(
            [Source(kind=kind, name=name, text=text) for (kind, name), text in PROJECT.items()]
        )
        self.script = facts()
        for _ in range(self.workers):
            self._spawn(self._engine)
        self._spawn(self._edge)

    def _spawn(self, life: Callable[[str], None]) -> None:
        """Start a process; when it dies another one takes its place, under another name."""
        self.lives += 1
        name = f"{life.__name__[1:]}-{self.lives}"

        def body() -> None:
            try:
                life(name)
            finally:
                self.scheduler.stir()
                if not self.scheduler.is_closing:
                    self._spawn(life)

        self.scheduler.spawn(name, body)

    # --- processes

    def _engine(self, name: str) -> None:
        """A worker of the engine: looks for work and does some of it, whatever the others are doing."""
        with self.store.hold_worker_lock(name):
            rooms = self._rooms(name)
            while True:
                works = rooms(self.clock.now())
                if not works:
                    self.scheduler.rest()
                    continue
                works[self.scheduler.random.randrange(len(works))]()
                self.scheduler.stir()

    def _rooms(self, name: str) -> Callable[[datetime], list[Callable[[], Any]]]:
        hints, catalog_of, store = NoHints(), self.compiled.catalog_of, self.store
        senders = {Channel.SMS: self.provider, Channel.EMAIL: self.provider}
        digest = Digest(store, catalog_of, mint=mint)
        deliver = Deliver(
            store,
            catalog_of,
            lambda tx: self.renderer,
            senders,
            Requests(links_of),
            self.clock,
            hints,
            worker=name,
        )
        settle = Settle(store, catalog_of, senders, self.clock, hints)
        backfill, sweep = Backfill(store, catalog_of), Sweep(store)

        def works(now: datetime) -> list[Callable[[], Any]]:
            found = sweep.look(now)
            lanes = [lambda lane=lane: digest.turn(lane, self.clock.now()) for lane in sorted(found.lanes)]
            sends = [lambda w=work: deliver.turn(*w) for work in sorted(found.deliveries)]
            jobs = [lambda job=job: backfill.turn(job, self.clock.now()) for job in found.jobs]
            # An expired lease of somebody who still lives is nothing to settle: not before the clock moves on.
            settles = [settle_once] if found.unsettled and settled_at != [now] else []
            return [*lanes, *sends, *jobs, *settles]

        settled_at: list[datetime] = []

        def settle_once() -> None:
            done = settle.turn()
            if not done.asked and not done.lost_workers:
                settled_at[:] = [self.clock.now()]

        return works

    def _edge(self, name: str) -> None:
        """API and webhooks: a client or provider that got no answer sends again until it does."""
        intake = Intake(self.store, NoHints())
        while True:
            now = self.clock.now()
            due = [fact for at, fact in self.script if at <= now]
            if due:
                intake.store(Taken([Piece(fact=fact) for fact in due]))
                self.script = [(at, fact) for at, fact in self.script if fact not in due]
                self.scheduler.stir()
            told = [entry for entry in self.provider.receipts if entry[0] <= now]
            if told:
                pieces = [Piece(fact=receipt_fact(lane, receipt, now)) for _, lane, receipt in told]
                intake.store(Taken(pieces))
                self.provider.receipts = [e for e in self.provider.receipts if e not in told]
                self.scheduler.stir()
            if not due and not told:
                self.scheduler.rest()

    # --- the driver

    def play(self) -> None:
        """Let three days pass."""
        try:
            while True:
                self.scheduler.run()
                following = self._next_instant()
                if following is None or following > END:
                    return
                self.clock.move_to(following)
        finally:
            self.scheduler.close()

    def _next_instant(self) -> datetime | None:
        now = self.clock.now()
        with self.store.transaction() as tx:
            times = [tx.runs.next_due(), tx.deliveries.next_due(), self.scheduler.next_wake()]
            times += [
                delivery.lease_until + timedelta(microseconds=1)
                for delivery in tx.deliveries.get(list(self.store.chronicle.deliveries)).values()
                if delivery.status is Mark.SENDING and delivery.lease_until is not None
            ]
        times += [at for at, _ in self.script[:1]] + [at for at, _, _ in self.provider.receipts]
        return min((at for at in times if at is not None and at > now), default=None)

    # --- what it came to

    def result(self) -> dict[str, Any]:
        """What became of each person, as far as it does not depend on who did the work."""
        with self.store.transaction() as tx:
            found = tx.people.find([Identifier("user_id", name) for name in PEOPLE])
            profiles = {identifier.value: profile for identifier, profile in found.items()}
            histories = tx.events.history(set(profiles.values()), {"*": None})
            deliveries = tx.deliveries.get(list(self.store.chronicle.deliveries)).values()
            inside = tx.people.memberships(set(profiles.values()))
        runs = self.store.chronicle.runs.values()
        return {
            name: {
                "events": Counter(event.name for event in histories[profile]),
                "runs": sorted(
                    (r.journey, str(r.entered_at), str(r.reason)) for r in runs if r.profile == profile
                ),
                "deliveries": sorted((str(d.step), d.status) for d in deliveries if d.profile == profile),
                "inside": sorted(inside[profile]),
            }
            for name, profile in profiles.items()
        }

    def disturbed(self) -> set[str]:
        """People whose messages the provider delayed or left in doubt, or whose sender died at it."""
        with self.store.transaction() as tx:
            deliveries = tx.deliveries.get(list(self.store.chronicle.deliveries)).values()
        bad = {
            delivery.profile
            for delivery in deliveries
            if delivery.id in self.provider.disturbed
            or any(outcome == "unknown" for outcome, _ in self.store.chronicle.deliveries[delivery.id])
        }
        return {name for name in PEOPLE if ProfileId(bucket_key(name)) in bad}


def facts() -> list[tuple[datetime, NewFact]]:
    """What thirty people do in two days, some of it told twice."""
    random = Random(7)
    found: list[tuple[datetime, NewFact]] = []

    def tell(name: str, at: datetime, number: int, **what: Any) -> None:
        call = Call(
            message_id=f"{name}-{number}", timestamp=at, identifiers=(Identifier("user_id", name),), **what
        )
        fact = NewFact(
            lane=lane_of(name),
            source="crowd",
            message_id=call.message_id,
            received_at=at,
            payload=encode(call),
        )
        found.append((at, fact))
        if random.random() < 0.2:
            found.append((at + timedelta(minutes=random.randrange(5)), fact))

    for person, name in enumerate(PEOPLE):
        tell(
            name,
            START,
            0,
            kind=Kind.IDENTIFY,
            traits={"phone": f"+1415555{person:04}", "email": f"{name}@x.example"},
        )
        for number in range(1, 5):
            at = START + timedelta(minutes=random.randrange(1, 36 * 60))
            bought = random.random() < 0.3
            cart = {} if bought else {"cart": f"c{random.randrange(2)}"}
            tell(name, at, number, kind=Kind.TRACK, event="Bought" if bought else "Cart", properties=cart)
    return sorted(found, key=lambda entry: (entry[0], entry[1].message_id))


def receipt_fact(lane: int, receipt: Receipt, now: datetime) -> NewFact:
    return NewFact(
        lane=lane, source="crowd", message_id=receipt.receipt_id, received_at=now, payload=encode(receipt)
    )
