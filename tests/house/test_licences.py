"""What is installed with us may be given on under Apache 2.0, and is what the lock files name, byte for byte."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.markers import Marker

REPOSITORY = Path(__file__).resolve().parents[2]
LOCKS = sorted(REPOSITORY.glob("requirements*.lock"))
PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
FREE = {
    *(
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "PostgreSQL",
        "Zlib",
    ),
    *("Apache Software License", "BSD License", "MIT License", "Python Software Foundation License"),
}
BESIDE_US = {"LGPL-3.0-only", "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"}
"""Bind their own files, not ours, as long as these stay as they are: we change and copy none."""
UNSAID = {"mrml": "MIT"}
"""Packages whose description names no licence; what the bill of materials in their wheel says."""


def pins(lock: Path) -> dict[str, str]:
    return {found[1].lower(): found[2] for found in PIN.finditer(lock.read_text())}


def installed_here(lock: Path) -> list[str]:
    """Return the packages whose markers hold on this machine."""
    marked = {name: re.search(r";(.*?)(?:\\|$)", rest, re.MULTILINE) for name, rest in pins(lock).items()}
    return [name for name, marker in marked.items() if marker is None or Marker(marker[1].strip()).evaluate()]


def licences(name: str) -> list[str]:
    """Return all that a package may be taken under, as its description says."""
    said = distribution(name).metadata
    if expressions := said.get_all("License-Expression"):
        return re.split(r" (?:OR|AND) ", expressions[0])
    named = [
        line.rpartition(" :: ")[2] for line in said.get_all("Classifier") or () if line.startswith("License")
    ]
    named = [line for line in named if line not in ("DFSG approved", "OSI Approved")]
    return named or [
        line.strip() for line in "".join(said.get_all("License") or [UNSAID.get(name, "")]).splitlines()[:1]
    ]


@pytest.mark.parametrize("name", installed_here(REPOSITORY / "requirements.lock"))
def test_a_dependency_may_be_given_on(name: str) -> None:
    found = licences(name)

    assert found
    assert set(found) <= FREE | BESIDE_US


def test_what_names_no_licence_is_known_for_that() -> None:
    for name in UNSAID:
        said = distribution(name).metadata
        assert not said.get_all("License-Expression")
        assert not said.get_all("License")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_hashes_and_comes_from_an_index(lock: Path) -> None:
    found = pins(lock)

    assert found
    assert {name for name, rest in found.items() if "--hash=sha256:" not in rest} == set()
    assert not re.search(r"^(-e|-f|--index|--extra|git\+|https?:)| @ ", lock.read_text(), re.MULTILINE)


@pytest.mark.parametrize("place", ["scripts/venv", "Makefile", "Dockerfile"])
def test_nothing_is_installed_from_a_lock_without_its_hashes(place: str) -> None:
    lines = (REPOSITORY / place).read_text().replace("\\\n", " ").splitlines()
    installing = [line for line in lines if re.search(r"install.*(-r\b|\"-r\")", line)]

    assert installing
    assert [line for line in installing if "--require-hashes" not in line] == []


def test_who_asks_about_weaknesses_is_checked_as_well() -> None:
    assert 'run([*pip, "--require-hashes", "-r", lock]' in (REPOSITORY / "scripts/audit").read_text()
