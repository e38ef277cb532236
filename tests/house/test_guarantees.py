"""Every line of docs/guarantees.md names what proves it, and that is there."""

import re
from pathlib import Path

from engage.testing.invariants import PROMISES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
PROOFS = {"chaos", "the simulation", "the same"}


def tables() -> dict[str, list[list[str]]]:
    """Return the cells of the page's tables by the heading of their last column."""
    found: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    for line in PAGE.read_text().splitlines():
        if not line.startswith("|"):
            rows = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not rows:
            rows = found.setdefault(cells[-1], [])
            rows.append(cells)
        elif not set(line) <= set("|- "):
            rows.append(cells)
    return found


def test_every_line_says_what_proves_it() -> None:
    lines = [row for row in tables()["proved by"] if row[-1] != "proved by"]

    assert len(lines) > 20
    for row in lines:
        for part in row[-1].split(", "):
            assert part.startswith("`") or part in PROOFS, (row[0], part)


def test_every_promise_of_the_code_is_on_the_page_and_every_one_of_the_page_in_the_code() -> None:
    promises = {promise.__name__ for promise in PROMISES}
    proofs = {name for row in tables()["proved by"] for name in re.findall(r"`(\w+)`", row[-1])}

    assert proofs == promises


def test_every_test_that_is_named_exists_and_tests() -> None:
    named = set(re.findall(r"`((?:[\w/]+/)?test_\w+\.py)`", PAGE.read_text()))

    assert len(named) > 10
    for name in sorted(named):
        path = ROOT / (name if "/" in name else f"tests/reliability/{name}")
        assert path.is_file(), name
        assert "\ndef test_" in path.read_text(), name
