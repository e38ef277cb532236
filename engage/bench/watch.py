"""Watch: what an installation holds and how far it is behind, looked at every few seconds while something else loads it."""

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg
import redis

from engage.bench.accounting import memory_bytes

QUEUES = ("engine", "email", "sms", "voice", "sync", "urgent")
MEGABYTE = 2**20
_BEHIND = """
SELECT (SELECT count(*) FROM inbox),
    (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0) FROM inbox),
    (SELECT count(*) FROM delivery WHERE claim_at IS NOT NULL),
    (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(claim_at)), 0) FROM delivery
     WHERE claim_at < clock_timestamp()),
    (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0) FROM timer
     WHERE due_at < clock_timestamp())
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One look."""

    at_seconds: float
    weather: str
    memory: dict[str, int]
    """PSS in bytes by process."""
    hints: int
    """Tasks in the broker."""
    inbox: int
    lag_seconds: float
    """Age of the oldest fact that is not digested."""
    unsent: int
    """Deliveries that wait for their time."""
    late_seconds: float
    """How long the first of them could have left."""
    timers_late_seconds: float


@dataclass(slots=True)
class Watch:
    """Looks at an installation from a thread of its own, and keeps what it saw."""

    roots: Mapping[str, int]
    """Process ids by name."""
    database_url: str
    broker_url: str
    every_seconds: float = 5.0
    weather: str = "fair"
    samples: list[Sample] = field(default_factory=list)
    tell: Callable[[str], object] = lambda _: None
    into: Path | None = None
    """A file that gets a line of JSON with every look."""

    @contextmanager
    def watching(self) -> Iterator[Self]:
        """Look for the length of a block."""
        over = threading.Event()
        thread = threading.Thread(target=self._run, args=(over,), name="watch")
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    def _run(self, over: threading.Event) -> None:
        broker = redis.Redis(unix_socket_path=urlsplit(self.broker_url).path)
        began = time.monotonic()
        with psycopg.connect(self.database_url, autocommit=True) as connection, broker:
            while not over.wait(self.every_seconds):
                self._look(connection, broker, time.monotonic() - began)

    def _look(self, connection: psycopg.Connection, broker: redis.Redis, seconds: float) -> None:
        row = connection.execute(_BEHIND.encode()).fetchone()
        assert row is not None
        inbox, lag, unsent, late, timers = row
        sample = Sample(
            at_seconds=round(seconds, 1),
            weather=self.weather,
            memory=memory_bytes(self.roots),
            hints=sum(broker.llen(queue) for queue in QUEUES),
            inbox=inbox,
            lag_seconds=round(float(lag), 2),
            unsent=unsent,
            late_seconds=round(float(late), 2),
            timers_late_seconds=round(float(timers), 2),
        )
        self.samples.append(sample)
        if self.into is not None:
            with self.into.open("a") as file:
                file.write(json.dumps({name: getattr(sample, name) for name in Sample.__slots__}) + "\n")
        if len(self.samples) % 6 == 0:
            self.tell(line_of(sample))

    def under(self, weather: str) -> list[Sample]:
        """Return what was seen in one weather."""
        return [sample for sample in self.samples if sample.weather == weather]


def line_of(sample: Sample) -> str:
    """Return one look in one line."""
    memory = " ".join(
        f"{name.removeprefix('worker-')} {size / MEGABYTE:.1f}" for name, size in sample.memory.items()
    )
    return (
        f"{sample.at_seconds:5.0f} s {sample.weather:8} inbox {sample.inbox:5} lag {sample.lag_seconds:5.2f} s"
        f"  unsent {sample.unsent:5} late {sample.late_seconds:5.2f} s  timers late {sample.timers_late_seconds:5.2f} s"
        f"  hints {sample.hints:3}  MB: {memory}"
    )


def middle(samples: Sequence[Sample], name: str) -> float:
    """Return the median PSS of one process, in bytes."""
    return statistics.median(sample.memory[name] for sample in samples)
