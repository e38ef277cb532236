"""What a command imports is what it needs: half a second for SDKs that it never calls is felt each time."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("what", ["engage.cli.demo.play", "engage.cli.session", "engage.cli.main"])
def test_a_command_that_calls_nobody_imports_no_sdk(what: str) -> None:
    code = f"import sys, {what}; print(sorted({{'twilio', 'sendgrid', 'fastapi', 'celery'}} & sys.modules.keys()))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert said == "[]\n"


def test_a_worker_has_imported_them_when_it_starts() -> None:
    code = "import sys, workers.tasks; print({'twilio', 'sendgrid'} <= sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert said == "True\n"
