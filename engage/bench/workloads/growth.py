"""Workload G: what one event costs to digest as people, journeys, waiting runs and histories become more; it should be the same.

Digested in this process: what is compared is the CPU time of the engine and of PostgreSQL per event, and a Celery task in
between would only dilute it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

import psycopg
from psycopg import conninfo, sql

from engage.bench.accounting import cpu_seconds, require_proc
from engage.bench.figures import Budget, Figures
from engage.bench.multitude import fill, let_order, let_wait
from engage.bench.stack import Ground
from engage.bench.workload import Place, Wish, Workload
from engage.compiled import CompiledProject
from engage.domain.fact import Call, Identifier, Kind, NewFact, encode
from engage.domain.ids import LANES, lane_of
from engage.engine.digest.digest import Digest
from engage.engine.publish.publish import Publish, Source
from engage.services import migrate_schema
from engage.storage.postgres import PostgresStore

BUDGET = Budget(at_most={"spread": 1.2, "history_spread": 1.2})
LARGEST = 1_000_000
SIZES = (10_000, 100_000, 1_000_000)
JOURNEYS = (1, 10, 100)
EVENTS_A_HEAD = 3
HISTORIES = (10, 1_000, 100_000)
CUSTOMERS, ROUNDS = 20, 60
WARM_UP, MEASURED = 8_000, 6_000
"""By then most pages of those people were written since the last checkpoint: the first time writes a page's whole image."""
_JOURNEY = """
journey: idle-{number}
trigger: {{event: "Never {number}"}}
entry: {{reentry: always}}
exit_when: [{{event: "Ended {number}"}}]
steps:
  - wait: 30 days
"""
_RULE = """
audience: regulars
where: count('Order Completed') >= 3
"""
_ASKS = """
journey: asks
trigger: {event: Never Again}
steps:
  - wait: 30 days
  - branch:
      - if: did('Order Completed', since=run.entered_at)
        then:
          - wait: 1 day
"""
_names = count(1)


@dataclass(slots=True)
class World:
    """One database of a size, and the digest on it."""

    ground: Ground
    url: str
    store: PostgresStore
    people: int
    now: datetime
    told: int = 0
    of_waiting: bool = False
    """Whether the events are those of people who wait; else of the last tenth, who never do."""

    def publish(self, journeys: int) -> None:
        """Have so many journeys live, none of which listens to what will happen."""
        sources = [
            Source(kind="journey", name=f"idle-{number}", text=_JOURNEY.format(number=number))
            for number in range(journeys)
        ]
        Publish(self.store).publish(sources)

    def cost(self, digest: Digest) -> float:
        """Return the CPU milliseconds of one event, of this process and PostgreSQL together."""
        self._tell(digest, WARM_UP)
        roots = {"PostgreSQL": self.ground.postgres.pid}
        before, own = cpu_seconds(roots)["PostgreSQL"], time.process_time()
        self._tell(digest, MEASURED)
        spent = time.process_time() - own + cpu_seconds(roots)["PostgreSQL"] - before
        return 1_000 * spent / MEASURED

    def cost_of_orders(self, digest: Digest, first: int) -> float:
        """Return the CPU milliseconds of one more order of some people, one of each of them a turn."""
        roots, half = {"PostgreSQL": self.ground.postgres.pid}, ROUNDS // 2
        for number in range(ROUNDS):
            if number == half:
                before, own = cpu_seconds(roots)["PostgreSQL"], time.process_time()
            self.told += CUSTOMERS
            self.now += timedelta(seconds=1)
            orders = [
                self._call(f"p{first + who}", self.told + who, "Order Completed") for who in range(CUSTOMERS)
            ]
            with self.store.transaction() as tx:
                tx.inbox.add(orders)
            digest.turn(range(LANES), self.now)
        spent = time.process_time() - own + cpu_seconds(roots)["PostgreSQL"] - before
        return 1_000 * spent / (CUSTOMERS * half)

    def _tell(self, digest: Digest, events: int) -> None:
        facts = [self._fact(self.told + number) for number in range(events)]
        self.told += events
        with self.store.transaction() as tx:
            tx.inbox.add(facts)
        while digest.turn(range(LANES), self.now).more:
            pass

    def _fact(self, number: int) -> NewFact:
        tenth = self.people // 10
        first = 0 if self.of_waiting else self.people - tenth
        return self._call(f"p{first + number * 7919 % tenth}", number, "Page Scrolled")

    def _call(self, user: str, number: int, event: str) -> NewFact:
        call = Call(
            kind=Kind.TRACK,
            message_id=f"g{number}",
            timestamp=self.now,
            identifiers=(Identifier("user_id", user),),
            event=event,
            properties={"sku": "S1", "total": 12, "currency": "USD"},
        )
        return NewFact(
            lane=lane_of(user),
            source="bench",
            message_id=call.message_id,
            received_at=self.now,
            payload=encode(call),
        )


def run_growth(ground: Ground, sizes: Sequence[int]) -> Figures:
    """Measure at each size, then with more journeys, with everybody waiting in one, and after longer histories."""
    require_proc()
    found: dict[str, float] = {}
    own: dict[str, float] = {}
    for people in sizes:
        world = _world(ground, people)
        for journeys in JOURNEYS if people == sizes[-1] else JOURNEYS[:1]:
            world.publish(journeys)
            digest = Digest(world.store, CompiledProject().catalog_of)
            found[f"ms_{people}_people_{journeys}_journeys"] = world.cost(digest)
        if people == sizes[-1]:
            waiting = people - people // 10
            let_wait(world.url, waiting, "idle-0", world.now, world.now + timedelta(days=30))
            digest = Digest(world.store, CompiledProject().catalog_of)
            found[f"ms_{people}_people_{waiting}_waiting"] = world.cost(digest)
            world.of_waiting = True
            own["ms_of_somebody_who_waits"] = world.cost(digest)
        world.store.close()
    own.update(_by_history(ground))
    cheapest, dearest = min(found.values()), max(found.values())
    return Figures(
        cpu_s_per_1000=dearest,
        more={**found, **own, "spread": dearest / cheapest, "profiles": float(sizes[-1])},
    )


def _by_history(ground: Ground) -> dict[str, float]:
    """Return what one more order costs after ever longer histories, while a rule counts all of them, and a journey those
    since each run's entry."""
    world = _world(ground, CUSTOMERS * len(HISTORIES))
    sources = [
        Source(kind="audience", name="regulars", text=_RULE),
        Source(kind="journey", name="asks", text=_ASKS),
    ]
    Publish(world.store).publish(sources)
    digest = Digest(world.store, CompiledProject().catalog_of)
    found: dict[str, float] = {}
    for number, orders in enumerate(HISTORIES):
        first = number * CUSTOMERS
        let_order(world.url, first, first + CUSTOMERS - 1, orders, world.now)
        found[f"ms_after_{orders}_orders"] = world.cost_of_orders(digest, first)
    world.store.close()
    return {**found, "history_spread": max(found.values()) / min(found.values())}


def _world(ground: Ground, people: int) -> World:
    name, now = f"growth_{next(_names)}", datetime.now(UTC)
    with psycopg.connect(ground.postgres.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = conninfo.make_conninfo(ground.postgres.url, dbname=name)
    migrate_schema(url)
    fill(url, people, now, events_a_head=EVENTS_A_HEAD)
    return World(ground=ground, url=url, store=PostgresStore(url, max_size=2), people=people, now=now)


def _run(place: Place, wish: Wish) -> Figures:
    largest = wish.profiles or LARGEST
    return run_growth(place.ground, [*(size for size in SIZES if size < largest), largest])


WORKLOAD = Workload(
    name="G",
    about="the CPU of one event with more people, more journeys and more runs waiting",
    budget=BUDGET,
    run=_run,
    alone=True,
)
