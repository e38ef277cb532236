"""Folders for the embedded services: each test makes, breaks and removes its own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engage.embedded import start_postgres
from engage.embedded.place import POINTER


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can enter, removed afterwards with whatever data folders in it point to."""
    root = Path(tempfile.mkdtemp(prefix="engage-test-"))
    root.chmod(0o755)
    yield root
    for pointer in root.rglob(POINTER):
        if pointer.is_symlink():
            shutil.rmtree(pointer.readlink(), ignore_errors=True)
    shutil.rmtree(root)


@pytest.fixture
def data_dir(open_folder: Path) -> Path:
    """A data folder that does not exist yet."""
    return open_folder / ".engage"


@pytest.fixture(scope="session")
def cluster(services_dir: Path) -> Path:
    """A PostgreSQL data folder as a clean stop leaves it."""
    folder = services_dir / "cluster"
    start_postgres(folder, fast=True).stop()
    return folder


@pytest.fixture
def used_dir(cluster: Path, open_folder: Path) -> Path:
    """A data folder that has a stopped PostgreSQL already: copying one is quicker than making one."""
    subprocess.run(["cp", "-a", str(cluster), str(open_folder / ".engage")], check=True)
    return open_folder / ".engage"


@pytest.fixture
def as_root() -> None:
    """Skip where the test needs to be root."""
    if os.geteuid() != 0:
        pytest.skip("needs root, which alone can become another account")
