"""What the shared fixtures promise about a machine without a browser, and about marks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ASKS = "def test_page(chromium):\n    assert chromium\n\ndef test_plain():\n    pass\n"


def run(folder: Path, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / "test_asking.py").write_text(ASKS)
    base = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        str(REPOSITORY / "pyproject.toml"),
        "-p",
        "tests.conftest",
        "-v",
    ]
    clean = {name: value for name, value in os.environ.items() if name not in {"CI", "PATH"}}
    return subprocess.run(
        [*base, *arguments, str(folder / "test_asking.py")],
        cwd=REPOSITORY,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="a browser is found outside the PATH there")
@pytest.mark.parametrize(
    ("environment", "code", "words"), [({}, 0, "1 skipped"), ({"CI": "true"}, 1, "no browser")]
)
def test_a_missing_browser_skips_a_test_but_fails_it_where_one_was_promised(
    tmp_path: Path, environment: dict[str, str], code: int, words: str
) -> None:
    told = run(tmp_path, environment={"PATH": "", **environment})

    assert told.returncode == code, told.stdout + told.stderr
    assert words in told.stdout


def test_asking_for_the_browser_marks_a_test_and_cheap_tests_run_first(tmp_path: Path) -> None:
    browser = run(tmp_path, "--collect-only", "-q", "-m", "browser", environment={})
    everything = run(tmp_path, "--collect-only", "-q", environment={}).stdout

    assert "1/2 tests collected" in browser.stdout
    assert everything.index("test_plain") < everything.index("test_page")
