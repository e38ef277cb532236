"""Where somebody else listens already, `engage up` starts nothing, and says what to do."""

import socket

import click
import pytest
from click.testing import CliRunner

from engage.cli.main import engage
from engage.cli.ports import free_port, require_port
from engage.settings import load_settings


@pytest.mark.parametrize("command", ["up", "api"])
def test_a_taken_port_is_said_before_anything_starts(
    command: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGAGE_DATA_DIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setenv("ENGAGE_LISTEN", taken)
        result = CliRunner().invoke(engage, [command], prog_name="engage")
    assert result.exit_code == 1
    assert f"{taken} is taken by another program" in result.output
    assert "take a free port: ENGAGE_LISTEN=127.0.0.1:" in result.output


def test_an_address_of_another_machine_is_no_taken_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGAGE_LISTEN", "192.0.2.1:8000")
    with pytest.raises(click.ClickException, match=r"nobody can listen on 192\.0\.2\.1:8000"):
        require_port(load_settings())


def test_the_wanted_port_is_taken_only_where_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        assert free_port(taken) != taken
    assert free_port(taken) == taken
