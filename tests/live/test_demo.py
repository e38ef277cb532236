"""`make demo ONCE=1 JSON=1`: what a stranger sees first."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(290)]

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_demo_loses_nothing_doubles_nothing_and_explains_everything(services_dir: Path) -> None:
    folder = services_dir / "demo"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENGAGE_")}
    environment |= {"ENGAGE_DATA_DIR": str(folder), "ENGAGE_PROJECT": str(REPOSITORY)}

    done = subprocess.run(
        [sys.executable, "-m", "engage.cli", "demo", "--once", "--json", "--people", "40"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert (verdict["duplicates"], verdict["lost"], verdict["unexplained"]) == (0, 0, 0)
    for channel in ("sms", "email", "voice"):
        assert verdict["channels"][channel]["delivered"] > 0
    assert set(verdict["journeys"]) >= {"welcome", "abandoned-cart", "order-notice"}
    assert _left_behind(folder) == []


def _left_behind(folder: Path) -> list[str]:
    """Return the command lines of processes that know this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in environment + command and int(process.name) != os.getpid():
            found.append(command.decode(errors="replace").replace("\0", " "))
    return found
