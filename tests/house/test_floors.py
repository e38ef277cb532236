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


WRONG = [
    ("domain/timing", "import engage.storage", "Every module stands on a floor"),
    ("storage", "import engage.channels", "Every module stands on a floor"),
    ("api", "import engage.cli", "Every module stands on a floor"),
    ("engine", "import psycopg", "PostgreSQL and its migrations"),
    ("console", "import celery", "Celery is known"),
    ("cli", "import engage.storage", "Faces meet adapters only through bootstrap"),
    ("sandbox", "import engage.domain", "The sandbox knows nothing"),
    ("domain", "import random", "The core does no I/O"),
    ("unheard_of", "", "Every module stands on a floor"),
]


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy of the house with every wrong import in it, in one run."""
    copy = tmp_path_factory.mktemp("house")
    for package in ("engage", "workers"):
        shutil.copytree(REPOSITORY / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / ".importlinter", copy)
    for room, line, _ in WRONG:
        folder = copy / "engage" / room
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        (folder / "wrong.py").write_text(f"{line}\n")
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("room", "line", "broken"), WRONG)
def test_a_wrong_import_breaks_its_contract(linted: str, room: str, line: str, broken: str) -> None:
    assert any(said.startswith(broken) and "BROKEN" in said for said in linted.splitlines()), linted
    importer = f"engage.{room.replace('/', '.')}"
    assert (f"{importer}.wrong -> {line.removeprefix('import ')} (l.1)" if line else importer) in linted, (
        linted
    )
