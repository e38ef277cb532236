"""Clocks: the machine's, and the demo's that makes an hour pass in a second."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import sleep

from engage.ports.clock import Clock

VARIABLE = "ENGAGE_CLOCK"


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
    """A clock that began at `start` when the machine's stood at `began`, and runs `speed` times as fast.

    All processes of one demo share it, so that they agree about the time. Implements `ports.clock.Clock`.
    """

    def __init__(self, start: datetime, began: datetime, speed: float) -> None:
        """Run from `start`."""
        self._start, self._began, self._speed = start, began, speed

    def now(self) -> datetime:
        """Return the lapsed time."""
        return self._start + (self.machine() - self._began) * self._speed

    def machine(self) -> datetime:
        """Return the machine's own time."""
        return datetime.now(UTC)

    def sleep_until(self, instant: datetime) -> None:
        """Sleep until `instant` has come on this clock."""
        remaining = (instant - self.now()) / timedelta(seconds=1) / self._speed
        if remaining > 0:
            sleep(remaining)

    def as_variable(self) -> str:
        """Return the value of `ENGAGE_CLOCK` that gives another process this clock."""
        return f"{self._start.isoformat()} {self._began.isoformat()} {self._speed}"


def clock_from_environment(environment: Mapping[str, str] | None = None) -> Clock:
    """Return the machine's clock, or the one that a demo's parent process describes.

    Raises:
        ValueError: the variable holds something else than `TimeLapse.as_variable` writes.
    """
    value = (os.environ if environment is None else environment).get(VARIABLE)
    if not value:
        return SystemClock()
    start, began, speed = value.split()
    return TimeLapse(datetime.fromisoformat(start), datetime.fromisoformat(began), float(speed))
