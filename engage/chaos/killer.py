"""Killer: picks a victim by the seed, again and again, and sees to it that it is started again."""

import signal
import time
from collections import Counter
from random import Random
from typing import Protocol

BROKER, DATABASE, PAUSE = "broker, wiped", "postgres", "paused past its lease"
SERVICES = (BROKER, DATABASE)
PAUSED_SECONDS = 75.0
"""Longer than a lease (60 s): what the process had in hand is judged while it stands still, or not, and then it goes on."""
DOWN_SECONDS = 0.7


class Place(Protocol):
    """What an installation offers to be killed."""

    def victims(self) -> list[str]:
        """Return the processes that may be killed."""
        ...

    def signal(self, label: str, number: int) -> None:
        """Send a signal to one of them."""
        ...

    def kill_service(self, name: str, *, wipe: bool = False) -> None:
        """Kill PostgreSQL or the broker, and lose what it had."""
        ...


class Killer:
    """Kills at random. One instance, one thread."""

    def __init__(self, place: Place, seed: int, *, down_seconds: float = DOWN_SECONDS) -> None:
        """Kill in `place`, by the seed; what is dead stays so for at least `down_seconds`."""
        self.kills: Counter[str] = Counter()
        self._place, self._down_seconds = place, down_seconds
        self._random = Random(seed)  # noqa: S311  # choices of a test, no secrets
        self._paused: list[tuple[float, str]] = []

    def kill(self) -> str:
        """Kill one process or service, or stop one for longer than its lease; return what it was."""
        labels = self._place.victims()
        what = self._random.choice([*labels, *labels, *SERVICES, PAUSE])
        if what == PAUSE and self._paused:
            what = self._random.choice(labels)  # one at a time: somebody must go on
        if what == BROKER:
            self._place.kill_service("valkey", wipe=True)
        elif what == DATABASE:
            self._place.kill_service("postgres")
        elif what == PAUSE:
            victim = self._random.choice([label for label in labels if label.startswith("worker")])
            self._place.signal(victim, signal.SIGSTOP)
            self._paused.append((time.monotonic() + PAUSED_SECONDS, victim))
        else:
            self._place.signal(what, signal.SIGKILL)
        self.kills[what] += 1
        time.sleep(self._down_seconds)
        return what

    def wake(self, *, everybody: bool = False) -> None:
        """Let those go on that stood still long enough."""
        for until, label in list(self._paused):
            if everybody or time.monotonic() >= until:
                self._place.signal(label, signal.SIGCONT)
                self._paused.remove((until, label))

    @property
    def pauses(self) -> bool:
        """Whether somebody stands still."""
        return bool(self._paused)
