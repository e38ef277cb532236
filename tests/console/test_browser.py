"""A real browser shows the console as it is meant, keeps it fresh, and has nothing to complain of."""

import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from engage.storage.memory.reading import MemoryReading
from engage.storage.memory.store import MemoryStore
from tests.console.shop import ADA, Shop
from tests.sandbox.browser import QUIETLY

FLAGS = (
    *QUIETLY,
    "--enable-logging=stderr",
    "--virtual-time-budget=10000",
    "--dump-dom",
)


class Growing(MemoryReading):
    """There is one more job every time somebody looks."""

    jobs = 40

    def queues(self, now: datetime) -> dict[str, float]:
        """Return what waits."""
        self.jobs += 1
        return {**super().queues(now), "jobs": self.jobs}


@contextmanager
def listening_to(app: Starlette) -> Iterator[str]:
    """Serve a console and give its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/console"
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a console."""
    with listening_to(Shop().fill().app) as address:
        yield address


def seen(chromium: Path, folder: Path, url: str) -> str:
    """Return the page as the browser has it in the end; what it complains about fails the test."""
    done = subprocess.run(
        [str(chromium), *FLAGS, f"--user-data-dir={folder}", url],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line or "Security Policy" in line]
    assert complaints == []
    return done.stdout


def test_the_overview_shows_journeys_and_what_waits(chromium: Path, tmp_path: Path, address: str) -> None:
    page = seen(chromium, tmp_path, f"{address}/")

    assert '<a href="/console/journeys/abandoned-cart">Abandoned cart</a>' in page
    assert "At rest: nothing is due." in page
    assert "people inside journeys" in page


def test_a_person_is_shown_with_their_story(chromium: Path, tmp_path: Path, address: str) -> None:
    page = seen(chromium, tmp_path, f"{address}/people/{ADA}")

    assert "Entered abandoned-cart" in page
    assert "Skipped: not_opted_in (sms, promotions)" in page
    assert "Ada &lt;b&gt;Lovelace&lt;/b&gt;" in page


def test_a_journey_is_shown_with_its_picture(chromium: Path, tmp_path: Path, address: str) -> None:
    page = seen(chromium, tmp_path, f"{address}/journeys/abandoned-cart")

    assert "<h1>Abandoned cart" in page
    assert "/console/journeys/abandoned-cart.svg" in page


def test_the_overview_keeps_itself_fresh(chromium: Path, tmp_path: Path) -> None:
    with listening_to(Shop(reading=Growing(MemoryStore())).app) as address:
        page = seen(chromium, tmp_path, f"{address}/")

    shown = re.search(r"<dt>jobs</dt><dd>(\d+)</dd>", page)
    assert shown is not None
    assert int(shown[1]) > 41
