"""Workload T: a million people wait; how fast due timers fire, and what it costs to find them among the rest."""

import time
from datetime import UTC, datetime, timedelta

from engage.bench.accounting import cpu_seconds, require_proc
from engage.bench.figures import Budget, Figures
from engage.bench.multitude import fill, let_wait, make_due
from engage.bench.workload import Place, Wish, Workload
from engage.compiled import CompiledProject
from engage.domain.ids import LANES
from engage.engine.digest.digest import Digest
from engage.engine.publish.publish import Publish, Source
from engage.services import migrate_schema
from engage.storage.postgres import PostgresStore

PROFILES = 1_000_000
FEW = 10_000
"""People waiting, against whom the cost of a claim is compared."""
DUE = 10_000
LANES_A_TURN = 32
"""As many as a worker takes."""
CLAIMS = 200
BUDGET = Budget(at_most={"claim_growth": 1.2}, at_least={"per_s": 5_000})
NAME = "patience"
_JOURNEY = """
journey: patience
trigger: {event: Cart Updated}
entry: {reentry: always}
steps:
  - wait: 30 days
"""


def run_timers(place: Place, profiles: int) -> Figures:
    """Have few wait, then all; each time let some become due and fire them."""
    require_proc()
    url, now = place.ground.postgres.url, datetime.now(UTC)
    migrate_schema(url)
    fill(url, profiles, now, events_a_head=1)
    store = PostgresStore(url, max_size=2)
    try:
        Publish(store).publish([Source(kind="journey", name=NAME, text=_JOURNEY)])
        few = min(FEW, profiles)
        let_wait(url, few, NAME, now, now + timedelta(days=30))
        claim_few = _claim(store, now)
        let_wait(url, profiles, NAME, now, now + timedelta(days=30))
        claim_all = _claim(store, now)
        due = make_due(url, min(DUE, profiles), now)
        digest = Digest(store, CompiledProject().catalog_of)
        roots = {"PostgreSQL": place.ground.postgres.pid}
        before, own, began = cpu_seconds(roots), time.process_time(), time.monotonic()
        fired = _fire(digest, now)
        seconds = time.monotonic() - began
        spent = {name: used - before[name] for name, used in cpu_seconds(roots).items()}
        spent["digest"] = time.process_time() - own
    finally:
        store.close()
    return Figures.of_cpu(
        count=due,
        seconds=seconds,
        stages=spent,
        faults=[] if fired == due else [f"{fired} of {due} fired"],
        more={
            "claim_ms_few": claim_few,
            "claim_ms_all": claim_all,
            "claim_growth": claim_all / claim_few,
            "waiting": float(profiles),
        },
    )


def _claim(store: PostgresStore, now: datetime) -> float:
    """Return the milliseconds of asking for due timers where none is due."""
    with store.transaction() as tx:
        for lane in range(LANES):
            tx.runs.due(lane, now, 500)
        began = time.perf_counter()
        for number in range(CLAIMS):
            tx.runs.due(number % LANES, now, 500)
        return 1_000 * (time.perf_counter() - began) / CLAIMS


def _fire(digest: Digest, now: datetime) -> int:
    fired, lanes = 0, [range(first, first + LANES_A_TURN) for first in range(0, LANES, LANES_A_TURN)]
    for some in lanes:
        more = True
        while more:
            done = digest.turn(some, now)
            fired, more = fired + done.timers, done.more
    return fired


def _run(place: Place, wish: Wish) -> Figures:
    return run_timers(place, wish.profiles or PROFILES)


WORKLOAD = Workload(
    name="T",
    about="everybody waits; timers due fire, one worker",
    budget=BUDGET,
    run=_run,
    alone=True,
)
