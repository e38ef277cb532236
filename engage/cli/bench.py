"""`engage bench`: the workloads of the performance budgets, on this machine, beside a naive twin in the same run."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir

import click
from rich.console import Console
from rich.table import Table

from engage.bench.calibration import Calibration, calibrate
from engage.bench.figures import Budget, Figures
from engage.bench.naive.stack import running_naive
from engage.bench.stack import Ground, Stack, ground, running_stack
from engage.bench.workloads.latency import BUDGET as LATENCY
from engage.bench.workloads.latency import run_latency
from engage.bench.workloads.messages import EMAIL, SMS, MessageWorkload, run_messages, warm_up

NAIVE_SHARE = 10
"""The naive twin gets a tenth of the customers: it is that much slower, and its cost does not depend on the number."""
WORKLOADS = ("A", "B", "L")
BUDGETS: dict[str, Budget] = {"A": SMS.budget, "B": EMAIL.budget, "L": LATENCY}
_MESSAGES = {"A": SMS, "B": EMAIL}


@click.command("bench")
@click.argument("workload", default="all", type=click.Choice([*WORKLOADS, "all"]))
@click.option("--naive", is_flag=True, help="Measure the naive twin too, and print ratios.")
@click.option("--messages", type=int, help="Messages of A and B.")
@click.option("--seconds", default=20.0, show_default=True, help="Length of L.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench_command(workload: str, naive: bool, messages: int | None, seconds: float, as_json: bool) -> None:
    """Measure what 1,000 messages cost in CPU seconds of all our processes, and how fast they go.

    PostgreSQL runs with full durability, workers are real Celery workers, calls leave through the real SDKs to a sink in
    its own process. Missing a budget is said, with the stages that cost it; the exit code stays 0.
    """
    console = Console(stderr=as_json)
    wanted = WORKLOADS if workload == "all" else (workload,)
    calibration = calibrate(Path(gettempdir()))
    console.print(str(calibration), highlight=False)
    found: dict[str, Figures] = {}
    with ground() as place:
        with running_stack(place) as stack:
            for name in wanted:
                found[name] = _measure(stack, name, messages, seconds)
                _show(console, name, found[name])
        if naive:
            _measure_naive(console, place, wanted, messages, found)
    if as_json:
        sys.stdout.write(json.dumps(_as_json(found, calibration)) + "\n")


def _measure(stack: Stack, name: str, messages: int | None, seconds: float) -> Figures:
    if name == "L":
        return run_latency(stack, 900_000, seconds)
    workload = _MESSAGES[name]
    warm_up(stack, workload, 500_000 if name == "A" else 600_000)
    first = 0 if name == "A" else 300_000
    return run_messages(stack, workload, first, messages or workload.customers)


def _measure_naive(
    console: Console, place: Ground, wanted: tuple[str, ...], messages: int | None, found: dict[str, Figures]
) -> None:
    names = [name for name in wanted if name in _MESSAGES]
    if not names:
        return
    with running_naive(place) as stack:
        for name in names:
            workload = _MESSAGES[name]
            twin = _naive_run(stack, workload, max(200, (messages or workload.customers) // NAIVE_SHARE))
            found[name] = replace(found[name], naive=twin)
            _show(console, f"{name}, naive twin", twin)
            console.print(f"  ratios: {found[name].ratios()}", highlight=False)


def _naive_run(stack: Stack, workload: MessageWorkload, count: int) -> Figures:
    run_messages(stack, workload, 500_000, 100)
    return run_messages(stack, workload, 0, count)


def _show(console: Console, name: str, figures: Figures) -> None:
    budget = BUDGETS.get(name)
    table = Table(title=f"workload {name}", title_justify="left", box=None, header_style="dim")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("budget", justify="right")
    bounds = budget.as_json() if budget is not None else {}
    for key, value in figures.values().items():
        table.add_row(key, f"{value:.3g}", f"{bounds[key]:g}" if key in bounds else "")
    for stage, cpu in sorted(figures.stages.items(), key=lambda item: -item[1]):
        table.add_row(f"  {stage}, CPU s per 1,000", f"{cpu:.3f}", "")
    console.print(table)
    for fault in figures.faults:
        console.print(f"  fault: {fault}", style="red")
    missed = [] if budget is None else budget.missed(figures.values())
    if missed:
        console.print(f"  over budget: {', '.join(missed)}", style="yellow")


def _as_json(found: dict[str, Figures], calibration: Calibration) -> dict[str, object]:
    figures: dict[str, object] = {name: found[name].as_json(BUDGETS[name]) for name in found}
    return {**figures, "calibration": calibration.as_json()}
