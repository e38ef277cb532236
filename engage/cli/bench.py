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
from engage.bench.workload import Place, Wish
from engage.bench.workloads import WORKLOADS
from engage.cli.arguments import COUNT, SOME_TIME
from engage.cli.terminal import screen

ALL = "all"


@click.command("bench")
@click.argument("workload", default=ALL, type=click.Choice([*WORKLOADS, ALL]))
@click.option("--naive", is_flag=True, help="Measure the naive twin too, and print ratios.")
@click.option("--messages", type=COUNT, help="Messages of A, B and M; events of I.")
@click.option("--profiles", type=COUNT, help="People of U, I, P, T and G.")
@click.option("--seconds", type=SOME_TIME, help="Length of L and U.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench_command(
    workload: str,
    naive: bool,
    messages: int | None,
    profiles: int | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Measure what the workloads of the budgets cost on this machine, and how fast they go.

    PostgreSQL runs with full durability, workers are real Celery workers, calls leave through the real SDKs to a sink in
    its own process. Missing a budget is said, with the stages that cost it; the exit code stays 0.
    """
    console = screen(stderr=as_json)
    wanted = list(WORKLOADS) if workload == ALL else [workload]
    wish = Wish(messages=messages, seconds=seconds, profiles=profiles)
    calibration = calibrate(Path(gettempdir()))
    console.print(str(calibration), highlight=False)
    found: dict[str, Figures] = {}
    with Place() as place:
        for name in wanted:
            if WORKLOADS[name].alone:
                place.clear()
            found[name] = WORKLOADS[name].run(place, wish)
            _show(console, name, found[name])
            if WORKLOADS[name].alone:
                place.clear()
    if naive:
        _measure_naive(console, wish, found)
    if as_json:
        sys.stdout.write(json.dumps(_as_json(found, calibration)) + "\n")


def _measure_naive(console: Console, wish: Wish, found: dict[str, Figures]) -> None:
    twins = {name: twin for name in found if (twin := WORKLOADS[name].naive) is not None}
    if not twins:
        return
    with Place() as place, running_naive(place.ground) as stack:
        for name, twin_of in twins.items():
            measured = twin_of(stack, wish)
            found[name] = replace(found[name], naive=measured)
            _show(console, name, measured, twin=True)
            console.print(f"  ratios: {found[name].ratios()}", highlight=False)


def _show(console: Console, name: str, figures: Figures, *, twin: bool = False) -> None:
    budget = Budget() if twin else WORKLOADS[name].budget
    title = f"{name}: {WORKLOADS[name].about}" + (", by the naive twin" if twin else "")
    table = Table(title=title, title_justify="left", box=None, header_style="dim")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("budget", justify="right")
    bounds = budget.as_json()
    for key, value in figures.values().items():
        table.add_row(key, f"{value:.3g}", f"{bounds[key]:g}" if key in bounds else "")
    for stage, cpu in sorted(figures.stages.items(), key=lambda item: -item[1]):
        table.add_row(f"  {stage}, CPU s per 1,000", f"{cpu:.3f}", "")
    console.print(table)
    for fault in figures.faults:
        console.print(f"  fault: {fault}", style="red")
    if missed := budget.missed(figures.values()):
        console.print(f"  over budget: {', '.join(missed)}", style="yellow")


def _as_json(found: dict[str, Figures], calibration: Calibration) -> dict[str, object]:
    figures: dict[str, object] = {name: found[name].as_json(WORKLOADS[name].budget) for name in found}
    return {**figures, "calibration": calibration.as_json()}
