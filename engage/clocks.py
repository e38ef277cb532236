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
    """A clock that shows `start` when the machine's shows `began`, and from then on runs `speed` times as fast.

    All processes of one demo share it, so that they agree about the time. Implements `ports.clock.Clock`.
    """

    def __init__(self, start: datetime, began: datetime, speed: float) -> None:
        """Run from `start`."""
        self.start, self.began, self.speed = start, began, speed

    def now(self) -> datetime:
        """Return the lapsed time."""
        return self.now_at(self.machine())

    def now_at(self, machine: datetime) -> datetime:
        """Return what this clock shows when the machine's shows `machine`; before `began` it runs at real speed."""
        passed = machine - self.began
        return self.start + (passed * self.speed if passed > timedelta(0) else passed)

    def machine(self) -> datetime:
        """Return the machine's own time."""
        return datetime.now(UTC)

    def sleep_until(self, instant: datetime) -> None:
        """Sleep until `instant` has come on this clock."""
        while (remaining := instant - self.now()) > timedelta(0):
            if self.machine() < self.began:
                sleep(min(remaining, self.began - self.machine()) / timedelta(seconds=1))
            else:
                sleep(remaining / self.speed / timedelta(seconds=1))

    def as_variable(self) -> str:
        """Return the value of `ENGAGE_CLOCK` that gives another process this clock."""
        return f"{self.start.isoformat()} {self.began.isoformat()} {self.speed}"


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
