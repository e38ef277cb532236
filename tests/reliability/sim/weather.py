"""Weather: what goes wrong in one world, chosen by its seed; and the store at whose borders it goes wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from engage.ports.storage import StorageAwayError
from engage.storage.memory import MemoryStore
from engage.testing.scheduler import Scheduler

FREEZES = tuple(timedelta(seconds=seconds) for seconds in (0.7, 3, 25, 130))
"""How long a process is held up: within a ledger's freshness, beyond it, beyond a lock's patience, beyond a lease."""


@dataclass(slots=True)
class Weather:
    """Chances, per place where the thing can happen."""

    deaths: float = 0.0
    freezes: float = 0.0
    broken: float = 0.0
    """Connections to the database that break: before anything happened, before the commit, or after it."""
    busy: float = 0.0
    """Calls a provider refuses before it takes anything."""
    unknown: float = 0.0
    """Calls without an answer, half of them taken."""
    slow: float = 0.0
    refused: float = 0.0
    """Calls refused for good: an opt-out the provider knows of, a number that does not exist."""
    overtaken: float = 0.0
    """Receipts that arrive before the answer to the call."""
    lost: float = 0.0
    """Receipts that never arrive."""
    doubled: float = 0.0
    late: float = 0.0
    """Receipts that arrive hours behind others."""
    unhappy: float = 0.0
    """Messages that the provider takes and that do not arrive, or are not wanted."""
    away: float = 0.0
    """Questions about what was taken, and about lists, that nobody answers."""
    accidents: float = 0.0
    """Mistakes in a sender: it raises."""

    @classmethod
    def of(cls, random: Random) -> "Weather":
        """Draw the weather of one world: each thing is absent in half of them, so that no fault hides another."""
        most = {
            "deaths": 0.006,
            "freezes": 0.004,
            "broken": 0.02,
            "busy": 0.3,
            "unknown": 0.25,
            "slow": 0.2,
            "refused": 0.1,
            "overtaken": 0.5,
            "lost": 0.3,
            "doubled": 0.5,
            "late": 0.3,
            "unhappy": 0.6,
            "away": 0.5,
            "accidents": 0.1,
        }
        return cls(
            **{name: chance * random.random() for name, chance in most.items() if random.random() < 0.5}
        )

    def clear(self) -> None:
        """End everything that goes wrong: what is left must be made good now."""
        for name in self.__slots__:
            setattr(self, name, 0.0)


class Borders:
    """A store in memory at whose borders workers are switched, held up, cut off and killed."""

    def __init__(self, scheduler: Scheduler, weather: Weather, now: Callable[[], datetime]) -> None:
        self._scheduler, self._weather, self._now = scheduler, weather, now
        self.store = MemoryStore(checkpoint=self._pass, wait=scheduler.wait)

    def _pass(self, place: str) -> None:
        if not self._scheduler.is_working:
            return  # the test itself looks into the store
        self._scheduler.pause(place)
        random, weather = self._scheduler.random, self._weather
        if weather.freezes and random.random() < weather.freezes:
            self._scheduler.sleep_until(self._now() + random.choice(FREEZES))
        if weather.broken and random.random() < weather.broken:
            raise StorageAwayError(f"the connection broke at {place}")
