"""The process of its own: starts on an address, serves, ends cleanly on SIGTERM."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from engage.sandbox.__main__ import main, parse_arguments
from engage.sandbox.config import SandboxConfig
from engage.sandbox.server import running
from engage.sandbox.signing import generate_signing_key


def test_it_says_where_it_listens_and_ends_with_0(tmp_path: Path) -> None:
    key, public = generate_signing_key()
    (tmp_path / "key.pem").write_text(key)
    command = [sys.executable, "-m", "engage.sandbox", "--listen", "127.0.0.1:0"]
    command += ["--signing-key", str(tmp_path / "key.pem")]

    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("sandbox on ").strip()
        with urllib.request.urlopen(f"{url}_sandbox/config", timeout=5) as answer:
            config = json.loads(answer.read())
        process.send_signal(signal.SIGTERM)
        code = process.wait(10)
    finally:
        process.kill()
        process.communicate()

    assert code == 0
    assert config["public_key"] == public
    assert url == f"http://127.0.0.1:{config['port']}/"


def test_it_ends_with_0_too_when_it_is_told_to_before_it_serves() -> None:
    early = (
        "import os, signal, uvicorn\n"
        "from engage.sandbox.__main__ import main\n"
        "run = uvicorn.Server.run\n"
        "def told_before(self, sockets=None):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    run(self, sockets)\n"
        "uvicorn.Server.run = told_before\n"
        "raise SystemExit(main(['--listen', '127.0.0.1:0']))\n"
    )

    done = subprocess.run([sys.executable, "-c", early], capture_output=True, timeout=60)

    assert done.returncode == 0


def test_options_become_settings(tmp_path: Path) -> None:
    (tmp_path / "box.json").write_text('{"speed": 3, "open_share": 0.5}')

    settings = parse_arguments(
        ["--listen", "0.0.0.0:9", "--config", str(tmp_path / "box.json"), "--speed", "7", "--no-latencies",
         "--api-key", "SKx:y", "--number", "+14155550100"]
    )  # fmt: skip

    assert settings == {
        "host": "0.0.0.0",
        "port": 9,
        "speed": 7.0,
        "open_share": 0.5,
        "latencies": False,
        "api_keys": {"SKx": "y"},
        "numbers": ["+14155550100"],
    }


def test_wrong_settings_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--speed", "-1"]) == 2
    assert "speed" in capsys.readouterr().err


def test_a_taken_port_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(OSError), running(SandboxConfig(port=taken.getsockname()[1])):
            pass
        code = subprocess.run(
            [sys.executable, "-m", "engage.sandbox", "--listen", address],
            capture_output=True,
            text=True,
            timeout=20,
        )

    assert code.returncode == 2
    assert address in code.stderr
