"""Workload O: ten times what the stack can do is offered, then what is normal again; all of it as ratios of one run.

The capacity is measured first: events of known people in batches, closed loop, until digested. Then come the normal rate, the
flood, and the normal rate again, while somebody asks for codes. What was answered 200 must be stored once, and the SMS that
each batch asks for must be at the provider once.
"""

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from engage.bench.children import crowd, play
from engage.bench.codes import ask_for_codes, waits
from engage.bench.crowd import FIRST_DIGITS, CrowdPlan, CrowdReport, newcomer
from engage.bench.customers import UNHEARD_EVENT
from engage.bench.figures import Budget, Figures, latencies
from engage.bench.load import Plan, Play
from engage.bench.stack import Stack, until
from engage.bench.watch import MEGABYTE, Sample, Watch
from engage.bench.workload import Place, Wish, Workload

PEOPLE = 2_000
FIRST, CODES_FIRST = 5_000_000, 5_500_000
BATCH = 100
SECONDS = 20.0
"""Of the flood, and of the normal time after it; the one before has half of it."""
WARM_UP, MEASURED_SECONDS = 20_000, 8.0
TIMES, NORMAL = 10.0, 0.3
"""Of the capacity."""
CODES_A_SECOND = 5.0
NORMAL_LAG_SECONDS = 1.5
"""A fact that is not older waits for nothing but its turn."""
PATIENCE = 600.0
STAGES = ("API", "engine worker", "deliver worker", "urgent worker")


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened while a crowd was at it."""

    report: CrowdReport
    codes_ms: dict[str, float]
    samples: list[Sample]


def run_overload(stack: Stack, seconds: float, times: float = TIMES) -> Figures:
    """Measure the capacity, offer `times` as much for so long, and see what becomes of it.

    Raises:
        BenchError: it does not come to rest.
    """
    capacity = measure_capacity(stack)
    watch = Watch(stack.roots, stack.ground.postgres.url, stack.ground.valkey.url, every_seconds=0.5)
    with watch.watching():
        before = _offer(stack, watch, "before", NORMAL * capacity, seconds / 2)
        flood = _offer(stack, watch, "flood", times * capacity, seconds, rude=0.5)
        after = _offer(stack, watch, "after", NORMAL * capacity, seconds)
        until(lambda: not stack.count("SELECT count(*) FROM inbox"), PATIENCE, "O: digest is behind")
    faults = [*_lost_or_doubled(stack, (before, flood, after)), *_odd(flood)]
    return Figures(
        per_s=capacity,
        p99_ms=flood.codes_ms["p99_ms"],
        more=_figures(capacity, before, flood, after),
        faults=faults,
    )


def measure_capacity(stack: Stack) -> float:
    """Return how many events a second are taken in and digested, with clients that wait for their answers.

    Raises:
        BenchError: digest does not come to an end.
    """
    _played(stack, "Ok", Play.KNOWN, 1)
    guess = _played(stack, "Ow", Play.EVENT, WARM_UP // PEOPLE)
    return _played(stack, "Oc", Play.EVENT, max(2, round(guess * MEASURED_SECONDS / PEOPLE)))


def _played(stack: Stack, source: str, what: Play, turns: int) -> float:
    plan = Plan(
        url=stack.url, write_key=stack.write_key, source=source, first=FIRST, count=PEOPLE, play=what,
        event=UNHEARD_EVENT, turns=turns, batch=BATCH,
    )  # fmt: skip
    report = play(plan, limit=PATIENCE)
    ended = until(lambda: not stack.count("SELECT count(*) FROM inbox"), PATIENCE, "O: digest is behind")
    return PEOPLE * turns / (ended - report.began)


def _offer(
    stack: Stack, watch: Watch, name: str, per_second: float, seconds: float, rude: float = 0.0
) -> Seen:
    watch.weather, over = name, threading.Event()
    place = ("before", "flood", "after").index(name)
    plan = CrowdPlan(
        url=stack.url, write_key=stack.write_key, source=f"O{name}", first=FIRST, people=PEOPLE,
        batches_from=place * 600_000, per_second=per_second, seconds=seconds, batch=BATCH, rude=rude,
    )  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        codes = pool.submit(ask_for_codes, stack, CODES_FIRST + place * 100_000, CODES_A_SECOND, over)
        try:
            report = crowd(plan, limit=seconds + PATIENCE)
        finally:
            over.set()
        due = codes.result()
    return Seen(report, latencies(waits(stack, due)), watch.under(name))


def _figures(capacity: float, before: Seen, flood: Seen, after: Seen) -> dict[str, float]:
    report, seconds = flood.report, flood.report.ended - flood.report.began
    resting = [*before.samples, *flood.samples, *after.samples]
    found = {
        "offered_ratio": report.offered / seconds / capacity,
        "accepted_ratio": BATCH * len(report.accepted) / seconds / capacity,
        "refused": float(report.answers.get("429", 0)),
        "unanswered": float(report.answers.get("0", 0)),
        "crowd_late_p99_ms": report.late_ms["p99_ms"],
        "inbox_most_s": max(sample.inbox for sample in resting) / capacity,
        "hints_most": float(max(sample.hints for sample in resting)),
        "lag_s_before": max(sample.lag_seconds for sample in before.samples),
        "lag_s_flood": max(sample.lag_seconds for sample in flood.samples),
        "recovered_s": recovered_seconds(after.samples),
        "grown_mb": max(_grown(before.samples, resting).values()),
    }
    for name, seen in (("before", before), ("flood", flood), ("after", after)):
        found |= {f"accepted_{share}_{name}": ms for share, ms in seen.report.accepted_ms.items()}
        found |= {f"code_{share}_{name}": ms for share, ms in seen.codes_ms.items()}
    return found | {f"refused_{share}": ms for share, ms in report.refused_ms.items()}


def recovered_seconds(samples: Sequence[Sample]) -> float:
    """Return how long after the first look the last one was that saw a lag beyond the normal; nobody looked, no lag."""
    late = [sample.at_seconds for sample in samples if sample.lag_seconds > NORMAL_LAG_SECONDS]
    return late[-1] - samples[0].at_seconds if late else 0.0


def _grown(before: Sequence[Sample], all_of_it: Sequence[Sample]) -> dict[str, float]:
    """Return by process how much more it held at most than at the end of the normal time, in megabytes."""
    return {
        name: (max(sample.memory[name] for sample in all_of_it) - before[-1].memory[name]) / MEGABYTE
        for name in STAGES
    }


def _odd(flood: Seen) -> list[str]:
    silent = flood.report.silent
    return [f"{silent} refusals did not say when to come back"] if silent else []


def _lost_or_doubled(stack: Stack, parts: Collection[Seen]) -> list[str]:
    """Return what is wrong about batches that were answered 200, and about the SMS of all that are stored."""
    stored = _stored(stack)
    accepted = {number for seen in parts for number in seen.report.accepted}
    found = {
        "batches answered 200 are not stored": len(accepted - stored.keys()),
        "batches are stored in part or twice": sum(count != BATCH - 1 for count in stored.values()),
    }
    expected = {newcomer(number) for number in stored}
    until(
        lambda: (
            not stack.count(
                "SELECT count(*) FROM delivery WHERE claim_at IS NOT NULL OR lease_until IS NOT NULL"
            )
        ),
        PATIENCE,
        "O: deliveries are behind",
    )
    times = Counter({to: len(at) for to, at in stack.sink.arrivals().items() if to >= newcomer(0)})
    found |= {
        "SMS of stored batches did not leave": len(expected - times.keys()),
        "SMS left twice": sum(count > 1 for count in times.values()),
        "SMS left that nobody asked for": len(times.keys() - expected),
    }
    return [f"{count} {what}" for what, count in found.items() if count]


def _stored(stack: Stack) -> dict[int, int]:
    """Return how many events there are of each batch, by its number; an identify is no event."""
    with psycopg.connect(stack.ground.postgres.url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT split_part(id, '-', 2)::bigint, count(*) FROM event WHERE id ~ '^O(before|flood|after)-' GROUP BY 1"
        ).fetchall()
    return {digits - FIRST_DIGITS: count for digits, count in rows}


def _run(place: Place, wish: Wish) -> Figures:
    return run_overload(place.stack, wish.seconds or SECONDS)


WORKLOAD = Workload(
    name="O",
    about="ten times the capacity is offered, then the normal rate again",
    budget=Budget(
        at_least={"offered_ratio": 0.95 * TIMES},
        at_most={
            "refused_p99_ms": 1_000,
            "code_p99_ms_flood": 1_000,
            "recovered_s": 5,
            "grown_mb": 100,
            "hints_most": 100,
        },
    ),
    run=_run,
    alone=True,
)
