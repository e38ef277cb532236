"""The API as a process of its own: told to stop, it ends what it was doing and says that all is well."""

import os
import signal
import subprocess
import sys
import time
import urllib.request

from engage.cli.ports import free_port
from tests.cli.conftest import Author


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_api_ends_with_0_when_it_is_told_to_stop(shop: Author) -> None:
    port = free_port(8000)
    environment = os.environ | {"ENGAGE_LISTEN": f"127.0.0.1:{port}", "ENGAGE_DATA_DIR": str(shop.folder)}
    command = [sys.executable, "-m", "engage.cli", "api"]
    process = subprocess.Popen(command, env=environment, cwd=shop.folder, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not _answers(f"http://127.0.0.1:{port}/healthz"):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 0, said
    assert "Traceback" not in said
