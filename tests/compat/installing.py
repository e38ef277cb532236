"""Segment's own clients, unmodified, from the registries: pinned with hashes, kept below `.engage/clients` between runs.

They never come into `.venv`: two versions of one client cannot, and the engine must not lean on what they bring.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).parent / "clients"
KEPT = REPOSITORY / ".engage" / "clients"
MINUTES = 5


def python_client(name: str) -> Path:
    """Return the folder with a Python client and all it needs; `name` is its lock file's."""
    lock = CLIENTS / f"{name}.txt"
    return _kept(name, [lock], lambda folder: _pip(lock, folder))


def node_clients() -> Path:
    """Return the folder whose `node_modules` hold Segment's clients for Node and the browser."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("no node and npm on the PATH")
    files = [CLIENTS / "package.json", CLIENTS / "package-lock.json"]
    return _kept("node", files, lambda folder: _npm(files, folder))


def missing(reason: str) -> None:
    """Skip the test, or fail it where `CI=true` promises that everything is there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _kept(name: str, locks: list[Path], install: Callable[[Path], list[str]]) -> Path:
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks) + sys.version.encode())
    folder = KEPT / f"{name}-{digest.hexdigest()[:12]}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{name}.lock").open("w") as lock:  # several test processes may want it at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            half = folder.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            command = install(half)
            done = subprocess.run(command, cwd=half, capture_output=True, text=True, timeout=MINUTES * 60)
            if done.returncode != 0:
                missing(f"{name} cannot be installed: {' '.join(command[:4])} …: {done.stderr[-500:]}")
            half.rename(folder)
    return folder


def _pip(lock: Path, folder: Path) -> list[str]:
    wanted = ["--quiet", "--target", str(folder), "--require-hashes", "--requirement", str(lock)]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--python", sys.executable, *wanted]
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *wanted]
    missing("neither uv nor pip is here to install a client with")
    raise AssertionError


def _npm(files: list[Path], folder: Path) -> list[str]:
    for file in files:
        shutil.copy(file, folder)
    return ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
