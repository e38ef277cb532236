"""Everything the twins can do is written down, and tried by some test: faults, settings, what a reader does."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from engage.sandbox.config import SandboxConfig
from engage.sandbox.faults import AFTER, BEFORE, CALLBACK, Fault
from engage.sandbox.sendgrid.mail_life import REACTIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/sandbox.md").read_text()
CONFIG = (ROOT / "engage/sandbox/config.py").read_text()
TRIED = "\n".join(
    path.read_text()
    for folder in ("sandbox", "twin")
    for path in (ROOT / "tests" / folder).glob("*.py")
    if path.name != Path(__file__).name
)


@pytest.mark.parametrize("fault", list(Fault))
def test_a_fault_is_described_tried_and_strikes_somewhere(fault: Fault) -> None:
    assert f"`{fault.value}`" in PAGE
    assert f'"{fault.value}"' in TRIED or f'"{fault.value.split("_")[0]}_{{' in TRIED
    assert sum(fault in group for group in (BEFORE, AFTER, CALLBACK)) == 1


@pytest.mark.parametrize("action", REACTIONS)
def test_what_a_reader_does_by_a_click_is_tried(action: str) -> None:
    assert f'"{action}"' in TRIED or f"'{action}'" in TRIED


@pytest.mark.parametrize("setting", [item.name for item in fields(SandboxConfig)])
def test_a_setting_is_used_and_explained(setting: str) -> None:
    used = [
        path
        for path in (ROOT / "engage/sandbox").rglob("*.py")
        if path.name != "config.py" and setting in path.read_text()
    ]
    assert used
    assert setting in PAGE or setting in CONFIG
