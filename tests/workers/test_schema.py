"""A worker that Celery's own command starts keeps to the schema as ours do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.conftest import create_database

pytestmark = pytest.mark.live


@pytest.mark.timeout(120)
def test_celery_starts_no_worker_on_a_schema_that_is_not_ours(
    tmp_path: Path, postgres_url: str, valkey_url: str
) -> None:
    url = create_database(postgres_url, "a worker's empty one")
    settings = {"ENGAGE_DATABASE_URL": url, "ENGAGE_BROKER_URL": valkey_url, "ENGAGE_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "engine"]

    done = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode != 0
    assert "run `engage migrate` first" in done.stderr
    assert "Traceback" not in done.stderr
