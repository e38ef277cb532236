"""Workload R: from `make demo` in an empty folder to the first delivered message, and once more where all is in place."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from engage.bench.figures import Budget, Figures
from engage.bench.stack import BenchError
from engage.bench.workload import Place, Wish, Workload

HERE = Path(__file__).parents[3]
LEFT_BEHIND = shutil.ignore_patterns(
    ".*cache", ".venv", ".engage", ".git", ".hypothesis", "__pycache__", ".env"
)
"""What a fresh checkout does not have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """One `make demo`."""

    ready: float
    """Seconds from typing it to the first delivery."""
    total: float
    faults: list[str]


def run_ready(sources: Path) -> Figures:
    """Copy the sources, run the demo there twice; the first makes `.venv`, the second finds it.

    Raises:
        BenchError: these are no sources, or the demo does not play.
    """
    if not (sources / "Makefile").exists():
        raise BenchError("workload R needs the sources: run it in a checkout")
    with tempfile.TemporaryDirectory(prefix="engage-bench-") as name:
        folder = Path(name) / "engage"
        shutil.copytree(sources, folder, ignore=LEFT_BEHIND)
        first, second = _demo(folder), _demo(folder)
    return Figures(
        more={"first_s": first.ready, "second_s": second.ready, "demo_s": first.total},
        faults=[*first.faults, *second.faults],
    )


def _demo(folder: Path) -> Start:
    hidden = ("ENGAGE_", "TWILIO_", "SENDGRID_", "MAKE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    began = time.monotonic()
    with subprocess.Popen(
        ["make", "demo", "ONCE=1", "JSON=1"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        said, heard = "", began
        for line in process.stdout:
            said, heard = line, time.monotonic()
    if not said.startswith("{"):
        raise BenchError(f"make demo ended with {process.returncode} and no figures")
    found = json.loads(said)
    # The demo counts from its own start; what make did before that is what is left.
    before = heard - began - found["seconds"]["total"]
    faults = [f"{found[name]} {name}" for name in ("duplicates", "lost", "unexplained") if found[name]]
    return Start(ready=before + found["seconds"]["ready"], total=heard - began, faults=faults)


def _run(place: Place, wish: Wish) -> Figures:
    del place, wish
    return run_ready(HERE)


WORKLOAD = Workload(
    name="R",
    about="`make demo` in an empty folder, until the first message is delivered",
    budget=Budget(at_most={"first_s": 30, "second_s": 5}),
    run=_run,
)
