"""Children: the bench's own helpers, sink and load generator, as processes that are fed and heard by lines of JSON."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from engage.bench.crowd import CrowdPlan, CrowdReport
from engage.bench.load import Plan, Report
from engage.bench.sink import SinkSettings
from engage.embedded.process import with_parent

STOP_SECONDS = 5.0


class ChildError(Exception):
    """A helper process did not do its part."""


class RunningSink:
    """A sink in its own process."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        """It listens on `port` of loopback."""
        self._process = process
        self.url = f"http://127.0.0.1:{port}"

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def stats(self) -> dict[str, int]:
        """Return its counters: accepted, recipients, taken, pending, refused, lost."""
        found: dict[str, int] = self._ask("stats")
        return found

    def arrivals(self) -> dict[str, list[float]]:
        """Return per recipient when its messages arrived, on the machine's monotonic clock."""
        found: dict[str, list[float]] = self._ask("arrivals")
        return found

    def be_slow(self, seconds: float) -> None:
        """Have every answer to a send take so long from now on; what was sent has arrived all the same."""
        asked = urllib.request.Request(
            f"{self.url}/_bench/slow", data=str(seconds).encode(), method="POST"
        )  # our own child
        with urllib.request.urlopen(asked, timeout=30):
            pass

    def _ask(self, name: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/_bench/{name}", timeout=30) as answer:
            return json.loads(answer.read())


@contextmanager
def running_sink(settings: SinkSettings) -> Iterator[RunningSink]:
    """Run a sink for the length of a block.

    Raises:
        ChildError: it does not start.
    """
    process = _start("engage.bench.sink")
    try:
        said = _tell(process, settings)
        yield RunningSink(process, json.loads(said)["port"])
    finally:
        _stop(process)


def play(plan: Plan, *, limit: float) -> Report:
    """Play a plan in a process of its own and return its report.

    Raises:
        ChildError: it failed, or has not ended after `limit` seconds.
    """
    return msgspec.json.decode(_played("engage.bench.load", plan, limit), type=Report)


def crowd(plan: CrowdPlan, *, limit: float) -> CrowdReport:
    """Have a crowd offer what a plan says, in a process of its own, and return its report.

    Raises:
        ChildError: it failed, or has not ended after `limit` seconds.
    """
    return msgspec.json.decode(_played("engage.bench.crowd", plan, limit), type=CrowdReport)


def _played(module: str, plan: msgspec.Struct, limit: float) -> str:
    process = _start(module)
    try:
        said, _ = process.communicate(msgspec.json.encode(plan).decode() + "\n", timeout=limit)
    except subprocess.TimeoutExpired as exc:
        raise ChildError(f"the load generator did not end within {limit:.0f} s") from exc
    finally:
        _stop(process)
    if process.returncode != 0:
        raise ChildError(f"the load generator ended with code {process.returncode}")
    return said


def _start(module: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        with_parent([sys.executable, "-m", module]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _tell(process: subprocess.Popen[str], settings: SinkSettings) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(settings).decode() + "\n")
    process.stdin.flush()
    said = process.stdout.readline()
    if not said:
        raise ChildError("the sink did not start")
    return said


def _stop(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None and not stream.closed:
            stream.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
