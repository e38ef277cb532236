"""Clock and hints: the two things of the outside world that every room is given."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from engage.domain.delivery.delivery import Channel, Priority


class Clock(Protocol):
    """Tells the time and waits. The virtual one of tests waits in no time."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        ...

    def machine(self) -> datetime:
        """Return the machine's own time: for leases between processes, which no speed-up may shorten."""
        ...

    def sleep_until(self, instant: datetime) -> None:
        """Return once `instant` has come."""
        ...


class Hints(Protocol):
    """Tells workers that there is work. Never blocks, may be lost: sweeps find the work anyway."""

    def digest(self, lanes: Iterable[int], *, urgent: bool = False) -> None:
        """These lanes have facts or due timers; `urgent`: somebody waits for what follows from them."""
        ...

    def deliver(self, work: Iterable[tuple[Channel, Priority]]) -> None:
        """These channels have deliveries to release; told once for each, it is known how many there are."""
        ...


class NoHints:
    """Hints to nobody: the sweep does it all."""

    def digest(self, lanes: Iterable[int], *, urgent: bool = False) -> None:
        """Tell nobody."""

    def deliver(self, work: Iterable[tuple[Channel, Priority]]) -> None:
        """Tell nobody."""
