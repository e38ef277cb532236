"""Clocks: the machine's, and the demo's that makes an hour pass in a second."""

import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

from engage.ports.clock import Clock

VARIABLE = "ENGAGE_CLOCK"
LOOK_SECONDS = 0.05
"""How often a process looks whether the time-lapse has begun."""


class SystemClock:
    """The machine's clock. Implements `ports.clock.Clock`."""

    def now(self) -> datetime:
        """Return the present instant."""
        return datetime.now(UTC)

    def machine(self) -> datetime:
        """Return the present instant."""
        return datetime.now(UTC)

    def sleep_until(self, instant: datetime) -> None:
        """Sleep until `instant` has come."""
        remaining = (instant - self.now()).total_seconds()
        if remaining > 0:
            sleep(remaining)


class TimeLapse:
    """A clock that shows `start` when the machine's shows `launched`, and from `began` on runs `speed` times as fast.

    It is described by a small file, so that all processes of one demo agree about the time, and so that the moment at
    which the time-lapse begins can be set once everything is up. Implements `ports.clock.Clock`.
    """

    def __init__(self, path: Path) -> None:
        """Read the clock that `set_up` wrote to `path`."""
        self._path = path
        self._read_at = 0.0
        self._lock = threading.Lock()
        self.start, self.launched, self.speed, self.began = self._read()

    @classmethod
    def set_up(cls, path: Path, start: datetime, speed: float) -> "TimeLapse":
        """Start a clock at `start`, at real speed for now."""
        path.write_text(f"{start.isoformat()} {datetime.now(UTC).isoformat()} {speed}")
        return cls(path)

    def begin(self, machine: datetime) -> None:
        """Have the time-lapse begin at an instant of the machine's clock, at least a second ahead."""
        whole = f"{self.start.isoformat()} {self.launched.isoformat()} {self.speed} {machine.isoformat()}"
        fresh = self._path.with_suffix(".new")
        fresh.write_text(whole)
        fresh.replace(self._path)
        self.began = machine

    def now(self) -> datetime:
        """Return the lapsed time."""
        return self.now_at(self.machine())

    def now_at(self, machine: datetime) -> datetime:
        """Return what this clock shows when the machine's shows `machine`."""
        if self.began is None:
            self._look_again()
        passed = machine - self.launched
        if self.began is not None and machine > self.began:
            passed = (self.began - self.launched) + (machine - self.began) * self.speed
        return self.start + passed

    def machine(self) -> datetime:
        """Return the machine's own time."""
        return datetime.now(UTC)

    def sleep_until(self, instant: datetime) -> None:
        """Sleep until `instant` has come on this clock."""
        while (remaining := (instant - self.now()) / timedelta(seconds=1)) > 0:
            running = self.began is not None and self.machine() >= self.began
            sleep(remaining / self.speed if running else min(remaining, LOOK_SECONDS))

    def _look_again(self) -> None:
        if monotonic() - self._read_at > LOOK_SECONDS:
            with self._lock:
                self.began = self._read()[3]

    def _read(self) -> tuple[datetime, datetime, float, datetime | None]:
        self._read_at = monotonic()
        start, launched, speed, *began = self._path.read_text().split()
        return (
            datetime.fromisoformat(start),
            datetime.fromisoformat(launched),
            float(speed),
            datetime.fromisoformat(began[0]) if began else None,
        )


def clock_from_environment(environment: Mapping[str, str] | None = None) -> Clock:
    """Return the machine's clock, or the one that a demo's parent process describes in a file."""
    path = (os.environ if environment is None else environment).get(VARIABLE)
    return TimeLapse(Path(path)) if path else SystemClock()
