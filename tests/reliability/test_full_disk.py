"""A disk that is really full: clients are told to come again, nothing told "accepted" is gone, nothing is quarantined for it."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engage.domain.fact import Call, Identifier, Kind, NewFact, encode
from engage.domain.ids import lane_of
from engage.embedded import start_postgres
from engage.engine.accept.intake import Intake, Piece, Taken
from engage.ports.clock import NoHints
from engage.ports.storage import StorageAwayError
from engage.storage.migrations.apply import migrate
from engage.storage.postgres.store import PostgresStore

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

MEGABYTE = 1024 * 1024
DISK, LEFT = 180, 10
"""Megabytes: of the disk, and of it what is left once somebody else's file lies there."""
FACTS = 2_000
EACH = 30_000


@pytest.fixture
def disk(services_dir: Path) -> Iterator[Path]:
    """A small file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="small-", dir=services_dir))
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(mounting, capture_output=True, text=True, check=False)  # our own words
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)  # our own folder


def fact(number: int) -> Piece:
    name = f"full-{number}"
    call = Call(
        kind=Kind.TRACK,
        message_id=name,
        timestamp=datetime.now(UTC),
        identifiers=(Identifier("user_id", name),),
        event="Go",
        properties={"random": os.urandom(EACH // 2).hex()},
    )
    new = NewFact(
        lane=lane_of(name), source="test", message_id=name, received_at=call.timestamp, payload=encode(call)
    )
    return Piece(fact=new)


def test_a_disk_that_runs_full_refuses_and_forgets_nothing(disk: Path) -> None:
    server = start_postgres(disk)
    store = PostgresStore(server.url, min_size=1, max_size=2, patience=5)
    try:
        migrate(server.url)
        intake, told = Intake(store, NoHints()), 0
        filler = disk / "somebody-elses"
        with filler.open("wb") as file:
            while os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize > LEFT * MEGABYTE:
                file.write(bytes(MEGABYTE))
                file.flush()

        with suppress(StorageAwayError):
            for number in range(FACTS):
                intake.store(Taken([fact(number)]))
                told += 1
        assert 0 < told < FACTS, "the disk does not run full"

        filler.unlink()
        server.stop()
        server = start_postgres(disk)
        deadline = time.monotonic() + 60
        for number in range(told + 1):
            while True:
                try:
                    intake.store(Taken([fact(number)]))
                except StorageAwayError:
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
                else:
                    break
        with store.session() as session:
            assert session.one("SELECT count(*) FROM inbox") == told + 1
            assert session.one("SELECT count(*) FROM quarantine") == 0
    finally:
        store.close()
        server.stop()
