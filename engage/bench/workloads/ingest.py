"""Workload I: events of known people in batches of 100, from the POST until nothing is left to digest; no journey listens."""

from engage.bench.children import play
from engage.bench.customers import UNHEARD_EVENT
from engage.bench.figures import Budget, Figures
from engage.bench.load import Plan, Play
from engage.bench.stack import Stack, until
from engage.bench.workload import Place, Wish, Workload

BUDGET = Budget(at_most={"cpu_s_per_1000": 0.3}, at_least={"per_s": 5_000})
PROFILES = 2_000
FIRST = 6_000_000
EVENTS = 30_000
BATCH = 100
WARM_UP = 2_000
PATIENCE = 300.0


def run_ingest(stack: Stack, profiles: int, events: int, source: str = "I") -> Figures:
    """Make people known, then let each do something many times; `source` tells one time from another.

    Raises:
        BenchError: digest does not come to an end.
    """
    _played(stack, f"{source}k", profiles, Play.KNOWN, 1)
    _played(stack, f"{source}w", profiles, Play.EVENT, max(1, WARM_UP // profiles))
    stored = "SELECT count(*) FROM event WHERE name = 'Page Scrolled'"
    before, turns = stack.count(stored), max(1, events // profiles)
    cpu = stack.cpu()
    began, ended, lost = _played(stack, source, profiles, Play.EVENT, turns)
    spent = {name: used - cpu[name] for name, used in stack.cpu().items()}
    count = profiles * turns
    faults = [f"{lost} calls were refused for good"] if lost else []
    if (found := stack.count(stored) - before) != count:
        faults.append(f"{found} events for {count} calls")
    return Figures.of_cpu(
        count=count, seconds=ended - began, stages=spent, faults=faults, more={"events": float(count)}
    )


def _played(stack: Stack, source: str, profiles: int, what: Play, turns: int) -> tuple[float, float, int]:
    """Play, wait until everything is digested; return when it began, when it was over, and how many calls were lost."""
    plan = Plan(
        url=stack.url,
        write_key=stack.write_key,
        source=source,
        first=FIRST,
        count=profiles,
        play=what,
        event=UNHEARD_EVENT,
        turns=turns,
        batch=BATCH,
    )
    report = play(plan, limit=PATIENCE)
    ended = until(
        lambda: not stack.count("SELECT count(*) FROM inbox"), PATIENCE, "workload I: digest is behind"
    )
    return report.began, ended, report.lost


def _run(place: Place, wish: Wish) -> Figures:
    return run_ingest(place.stack, wish.profiles or PROFILES, wish.messages or EVENTS)


WORKLOAD = Workload(
    name="I", about="events in batches of 100, from the POST to fully digested", budget=BUDGET, run=_run
)
