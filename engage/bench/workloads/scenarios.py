"""Workload S: `engage test` on 500 scenarios, from the start of its process to the end."""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engage.bench.figures import Budget, Figures
from engage.bench.stack import BenchError
from engage.bench.workload import Place, Wish, Workload

SCENARIOS = 500
HERE = Path(__file__).parents[3]
STARTER = HERE / "engage" / "project" / "starter"


def run_scenarios_often(project: Path, tests: list[Path]) -> Figures:
    """Copy these scenario files until there are 500 scenarios, run them in one process, and scale to exactly 500.

    Raises:
        BenchError: `engage test` itself fails.
    """
    with tempfile.TemporaryDirectory(prefix="engage-bench-") as name:
        folder = Path(name)
        for part in ("journeys", "templates"):
            shutil.copytree(project / part, folder / part)
        _copy(tests, folder, 1)
        _copy(tests, folder, -(-SCENARIOS // _tested(folder)[0]))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        count, failed = _tested(folder)
        seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    share = SCENARIOS / count
    return Figures(
        more={"seconds": seconds * share, "cpu_seconds": cpu * share, "scenarios": float(count)},
        faults=[f"{failed} scenarios failed"] if failed else [],
    )


def _copy(tests: list[Path], folder: Path, times: int) -> None:
    there = folder / "journeys" / "tests"
    shutil.rmtree(there, ignore_errors=True)
    for number in range(times):
        (there / str(number)).mkdir(parents=True)
        for file in tests:
            shutil.copy(file, there / str(number) / file.name)


def _tested(folder: Path) -> tuple[int, int]:
    command = [sys.executable, "-m", "engage.cli", "test", "--json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise BenchError(f"engage test ended with {done.returncode}: {done.stderr[-500:]}")
    found = json.loads(done.stdout)
    return found["passed"] + found["failed"], found["failed"]


def _run(place: Place, wish: Wish) -> Figures:
    """This project's own scenarios where the sources stand, else those of a new project."""
    del place, wish
    project = HERE if (HERE / "journeys").is_dir() else STARTER
    folders = (project / "journeys" / "tests", project / "tests" / "scenarios")
    return run_scenarios_often(
        project, [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
    )


WORKLOAD = Workload(
    name="S",
    about="`engage test` on 500 scenarios",
    budget=Budget(at_most={"seconds": 5}),
    run=_run,
)
