"""Beat goes on whatever becomes of the machine's clock, and its sweeps are taken by machines whose clocks differ a little."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from tests.live.stack import eventually
from workers import steady
from workers.app import app
from workers.hints import EXPIRES


def test_beats_clock_is_moved_by_time_that_passes_and_by_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = 100.0
    monkeypatch.setattr(steady, "monotonic", lambda: passed)
    before = steady.steady_now()

    passed += 1.5

    assert steady.steady_now() - before == timedelta(seconds=1.5)
    assert before.tzinfo is UTC


def test_a_sweep_is_due_a_second_after_the_last_one_also_if_the_clock_was_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = 100.0
    monkeypatch.setattr(steady, "monotonic", lambda: passed)
    monkeypatch.setattr(app, "now", lambda: datetime.now(UTC) - timedelta(hours=1))
    sweep = app.conf.beat_schedule["sweep"]["schedule"]
    last = sweep.now()

    passed += 0.4
    assert not sweep.is_due(last).is_due
    passed += 0.6
    assert sweep.is_due(last).is_due


def test_hints_outlive_what_two_machines_clocks_may_differ() -> None:
    assert all(entry["options"]["expires"] >= EXPIRES for entry in app.conf.beat_schedule.values())
    assert EXPIRES >= 30


@pytest.mark.timeout(120)
def test_two_beats_of_one_folder_share_no_file(tmp_path: Path, valkey_url: str) -> None:
    settings = {"ENGAGE_DATA_DIR": str(tmp_path), "ENGAGE_BROKER_URL": valkey_url}
    command = [sys.executable, "-m", "engage.cli", "beat"]
    beats = [subprocess.Popen(command, cwd=tmp_path, env=os.environ | settings) for _ in range(2)]
    broker = redis.Redis(unix_socket_path=valkey_url.partition("://")[2].partition("?")[0])
    broker.delete("engine")

    assert eventually(lambda: broker.llen("engine") >= 6, 60)  # three seconds of two
    assert [beat.poll() for beat in beats] == [None, None]
    for beat in beats:
        beat.terminate()
        beat.wait(20)
    assert [path.name for path in tmp_path.iterdir() if path.name != "pycache"] == []
    broker.delete("engine")
