"""Workload M: what API, engine worker and deliver worker hold in memory after many messages, and after as many again."""

from engage.bench.accounting import memory_bytes
from engage.bench.figures import Budget, Figures
from engage.bench.stack import Stack
from engage.bench.workload import Place, Wish, Workload
from engage.bench.workloads.messages import SMS, run_messages, warm_up

MESSAGES = 100_000
FIRST = 1_000_000
STAGES = ("API", "engine worker", "deliver worker")
MEBIBYTE = 1024 * 1024
GROWTH = 0.05
"""What counts as none: allocators keep pages back, and the figure of an idle process wanders by a few per cent."""


def run_memory(stack: Stack, messages: int) -> Figures:
    """Send, weigh, send as many again, weigh again; shared pages are divided among those who share them."""
    warm_up(stack, SMS, FIRST + 4 * messages)
    first = run_messages(stack, SMS, FIRST, messages)
    early = _weighed(stack)
    second = run_messages(stack, SMS, FIRST + messages, messages)
    late = _weighed(stack)
    total, before = sum(late.values()), sum(early.values())
    more = {f"{stage.replace(' ', '_')}_mb": value for stage, value in late.items()}
    faults = [*first.faults, *second.faults]
    if total > before * (1 + GROWTH):
        faults.append(f"memory grew from {before:.0f} to {total:.0f} MB")
    return Figures(
        cpu_s_per_1000=second.cpu_s_per_1000,
        per_s=second.per_s,
        stages=second.stages,
        more={"pss_mb": total, "growth_mb": total - before, **more},
        faults=faults,
    )


def _weighed(stack: Stack) -> dict[str, float]:
    return {
        stage: size / MEBIBYTE
        for stage, size in memory_bytes({stage: stack.roots[stage] for stage in STAGES}).items()
    }


def _run(place: Place, wish: Wish) -> Figures:
    return run_memory(place.stack, wish.messages or MESSAGES)


WORKLOAD = Workload(
    name="M",
    about="memory of API, engine and deliver worker after twice so many SMS",
    budget=Budget(at_most={"pss_mb": 350}),
    run=_run,
    alone=True,
)
