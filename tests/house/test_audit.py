"""The audit of dependencies fails for what is known to be weak, and never takes silence for soundness."""

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LOADER = SourceFileLoader("audit", str(REPOSITORY / "scripts/audit"))
SPEC = importlib.util.spec_from_loader("audit", LOADER)
assert SPEC is not None
audit: Any = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(audit)

SOUND = {"name": "jinja2", "version": "3.1.6", "vulns": []}
UNKNOWN = {"name": "mrml", "skip_reason": "not found"}
WEAK = {
    "name": "pyyaml",
    "version": "5.3",
    "vulns": [{"id": "PYSEC-2021-142", "aliases": ["CVE-2020-14343"], "fix_versions": ["5.4"]}],
}


def test_a_known_weakness_fails_and_is_named() -> None:
    code, lines = audit.judged([{"dependencies": [SOUND, UNKNOWN]}, {"dependencies": [WEAK]}])

    assert code == 1
    assert lines == ["pyyaml 5.3: PYSEC-2021-142 CVE-2020-14343; mended in 5.4"]


def test_what_was_asked_and_is_sound_passes() -> None:
    assert audit.judged([{"dependencies": [SOUND, UNKNOWN]}]) == (
        0,
        ["1 packages, none with a known weakness", "not known there: mrml"],
    )


def test_an_index_that_knows_nothing_is_no_proof(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = audit.judged([{"dependencies": [UNKNOWN]}])

    assert audit.told(code, lines, strict=True) == 3
    assert audit.told(code, lines, strict=False) == 0
    assert "NOT AUDITED" in capsys.readouterr().err


@pytest.mark.parametrize("strict", [True, False])
def test_without_a_network_it_says_so(
    strict: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refusing = tmp_path / "refusing"
    refusing.write_text("#!/bin/sh\necho 'no route to the index' >&2\nexit 2\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(audit, "installed", lambda: refusing)

    assert audit.main(strict) == (3 if strict else 0)
    assert "NOT AUDITED: no route to the index" in capsys.readouterr().err


def test_every_lock_file_is_asked_about() -> None:
    assert sorted(audit.LOCKS) == sorted(path.name for path in REPOSITORY.glob("requirements*.lock"))
