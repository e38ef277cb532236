"""Workload W: what real workers hold and an event costs while few people wait, and while a million do; one run, as ratios.

Everybody is there from the beginning, so that nothing differs but who waits. Latency is that of workload L, CPU that of
workload I, memory is weighed after both; in the end some become due, and the workers fire them.
"""

from datetime import UTC, datetime, timedelta

from engage.bench.accounting import memory_bytes
from engage.bench.figures import Budget, Figures
from engage.bench.multitude import fill, let_wait, make_due
from engage.bench.stack import Stack, until
from engage.bench.watch import MEGABYTE
from engage.bench.workload import Place, Wish, Workload
from engage.bench.workloads.ingest import run_ingest
from engage.bench.workloads.latency import run_latency
from engage.bootstrap import open_runtime
from engage.engine.publish.publish import Source
from engage.settings import load_settings

PROFILES = 1_000_000
FEW = 10_000
DUE = 10_000
SECONDS = 20.0
PEOPLE, EVENTS = 2_000, 20_000
LATE_FIRST = 950_000
PATIENCE = 300.0
STAGES = ("engine worker", "deliver worker")
NAME = "patience"
_JOURNEY = """
journey: patience
trigger: {event: Cart Updated}
entry: {reentry: always}
steps:
  - wait: 30 days
"""


def run_waiting(stack: Stack, profiles: int, seconds: float) -> Figures:
    """Have few wait and measure, have all wait and measure again, then let some of them be due.

    Raises:
        BenchError: something does not come to an end.
    """
    url, now = stack.ground.postgres.url, datetime.now(UTC)
    fill(url, profiles, now, events_a_head=1)
    with open_runtime(load_settings(stack.environment, dotenv=None)) as runtime:
        runtime.publish.publish([Source(kind="journey", name=NAME, text=_JOURNEY)], whole=False)
    _measured(stack, 0, seconds / 4)  # what the first time costs
    let_wait(url, min(FEW, profiles), NAME, now, now + timedelta(days=30))
    few = _measured(stack, 1, seconds)
    let_wait(url, profiles, NAME, now, now + timedelta(days=30))
    everybody = _measured(stack, 2, seconds)
    more = {f"{name}_few": value for name, value in few.items()}
    more |= {f"{name}_all": value for name, value in everybody.items()}
    more |= {f"{name}_growth": everybody[name] / few[name] for name in few}
    return Figures(per_s=_fired(stack, min(DUE, profiles)), more={**more, "waiting": float(profiles)})


def _measured(stack: Stack, turn: int, seconds: float) -> dict[str, float]:
    latency = run_latency(stack, LATE_FIRST + turn * 10_000, seconds)
    ingest = run_ingest(stack, PEOPLE, EVENTS, source=f"W{turn}")
    weighed = memory_bytes({stage: stack.roots[stage] for stage in STAGES})
    found = {f"{stage.replace(' ', '_')}_mb": size / MEGABYTE for stage, size in weighed.items()}
    assert latency.p50_ms is not None
    assert latency.p95_ms is not None
    assert ingest.cpu_s_per_1000 is not None
    return {**found, "p50_ms": latency.p50_ms, "p95_ms": latency.p95_ms, "cpu_ms": ingest.cpu_s_per_1000}


def _fired(stack: Stack, count: int) -> float:
    """Return how many timers a second the workers fire."""
    began = datetime.now(UTC)
    due = make_due(stack.ground.postgres.url, count, began)
    late = f"SELECT count(*) FROM timer WHERE due_at < '{began.isoformat()}'"
    until(lambda: not stack.count(late), PATIENCE, "W: timers are behind")
    return due / (datetime.now(UTC) - began).total_seconds()


def _run(place: Place, wish: Wish) -> Figures:
    return run_waiting(place.stack, wish.profiles or PROFILES, wish.seconds or SECONDS)


WORKLOAD = Workload(
    name="W",
    about="memory, latency and CPU of an event with few people waiting and with all; then timers fire, over Celery",
    budget=Budget(
        at_most={"cpu_ms_growth": 1.2, "engine_worker_mb_growth": 1.1, "deliver_worker_mb_growth": 1.1}
    ),
    run=_run,
    alone=True,
)
