"""Workload L: at low load, how long from the event's POST until the provider has the SMS."""

import time

from engage.bench.children import play
from engage.bench.customers import SMS_EVENT, phone_of
from engage.bench.figures import Budget, Figures, latencies
from engage.bench.load import Plan, Play
from engage.bench.stack import Stack, until
from engage.bench.workload import Place, Wish, Workload

RATE = 5.0
"""Events a second."""
BUDGET = Budget(at_most={"p50_ms": 30, "p95_ms": 80})
DIGESTED_SECONDS = 30.0
SECONDS = 20.0


def run_latency(stack: Stack, first: int, seconds: float) -> Figures:
    """Make customers known, then post one event each on time; the times are between two processes' monotonic clocks.

    Raises:
        BenchError: an SMS did not arrive.
    """
    count = int(seconds * RATE)
    known = Plan(
        url=stack.url,
        write_key=stack.write_key,
        source=f"Lk{first}",
        first=first,
        count=count,
        play=Play.KNOWN,
    )
    play(known, limit=60)
    until(
        lambda: not stack.count("SELECT count(*) FROM inbox"),
        DIGESTED_SECONDS,
        "workload L: digest is behind",
    )
    before = stack.sink.stats()["accepted"]
    event = Plan(
        url=stack.url,
        write_key=stack.write_key,
        source=f"L{first}",
        first=first,
        count=count,
        play=Play.EVENT,
        event=SMS_EVENT,
        per_second=RATE,
    )
    report = play(event, limit=seconds + 60)
    until(
        lambda: stack.sink.stats()["accepted"] - before >= count,
        DIGESTED_SECONDS,
        "workload L: not every SMS arrived",
    )
    arrivals = stack.sink.arrivals()
    times = [
        arrivals[phone_of(int(customer))][-1] - sent
        for customer, sent in report.sent_at.items()
        if arrivals.get(phone_of(int(customer)))
    ]
    time.sleep(0.2)
    found = latencies(times)
    return Figures(
        p50_ms=found["p50_ms"],
        p95_ms=found["p95_ms"],
        p99_ms=found["p99_ms"],
        more={"events": float(len(times))},
    )


def _run(place: Place, wish: Wish) -> Figures:
    return run_latency(place.stack, 900_000, wish.seconds or SECONDS)


WORKLOAD = Workload(
    name="L", about="low load: from the POST of an event to the SMS at the provider", budget=BUDGET, run=_run
)
