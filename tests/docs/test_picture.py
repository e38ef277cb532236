"""The picture of the README is what `engage graph` draws today."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from engage.cli.main import engage

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURE = REPOSITORY / "docs" / "pictures" / "abandoned-cart.svg"


def test_the_readmes_picture_is_todays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ENGAGE_DATABASE_URL", raising=False)
    monkeypatch.setenv("ENGAGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ENGAGE_PROJECT", str(REPOSITORY))

    result = CliRunner().invoke(engage, ["graph", "abandoned-cart", "-o", "cart.svg"], prog_name="engage")

    assert result.exit_code == 0, result.output
    assert (tmp_path / "cart.svg").read_text() == PICTURE.read_text(), (
        f"draw it again: engage graph abandoned-cart -o {PICTURE.relative_to(REPOSITORY)}"
    )
    assert f"docs/pictures/{PICTURE.name}" in (REPOSITORY / "README.md").read_text()
