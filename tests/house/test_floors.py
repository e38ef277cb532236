"""The import contracts cover the whole house, and can be broken."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LINT = "from importlinter.cli import lint_imports_command as main; main()"


def contract(name: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(REPOSITORY / ".importlinter")
    return parser[f"importlinter:contract:{name}"]


def rooms() -> set[str]:
    """Every module and package directly below `engage`."""
    inside = (REPOSITORY / "engage").iterdir()
    return {
        f"engage.{path.stem}" for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"engage.__init__"}


def test_the_sandbox_is_kept_from_every_other_room() -> None:
    kept_from = set(contract("sandbox")["forbidden_modules"].split())

    assert kept_from == rooms() - {"engage.sandbox"} | {"workers"}


def test_only_the_command_line_may_start_the_sandbox_the_bench_and_chaos() -> None:
    kept_out = set(contract("apart")["source_modules"].split())

    assert kept_out == rooms() - {"engage.sandbox", "engage.bench", "engage.chaos", "engage.cli"}


@pytest.mark.parametrize(
    ("room", "line", "broken"),
    [
        ("domain/timing", "import engage.storage", "Every module stands on a floor"),
        ("storage", "import engage.channels", "Every module stands on a floor"),
        ("api", "import engage.cli", "Every module stands on a floor"),
        ("engine", "import psycopg", "PostgreSQL and its migrations"),
        ("engine", "import celery", "Celery is known"),
        ("cli", "import engage.storage", "Faces meet adapters only through bootstrap"),
        ("sandbox", "import engage.domain", "The sandbox knows nothing"),
        ("domain", "import random", "The core does no I/O"),
        ("unheard_of", "", "Every module stands on a floor"),
    ],
)
def test_a_wrong_import_breaks_its_contract(tmp_path: Path, room: str, line: str, broken: str) -> None:
    for package in ("engage", "workers"):
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPOSITORY / ".importlinter", tmp_path)
    folder = tmp_path / "engage" / room
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    (folder / "wrong.py").write_text(f"{line}\n")

    told = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert told.returncode == 1, told.stdout + told.stderr
    assert any(said.startswith(broken) and "BROKEN" in said for said in told.stdout.splitlines()), told.stdout
