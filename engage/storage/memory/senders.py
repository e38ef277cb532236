"""Rates of senders in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from engage.storage.memory.work import Work


class MemorySenders:
    """Rates of senders, shared by all workers."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def reserve(
        self, sender: str, now: datetime, spacing: float, costs: Sequence[int], horizon: float
    ) -> list[datetime]:
        """Take a slot for each cost in order, none later than `now + horizon` seconds."""
        self._work.lock(("sender", sender))
        step, last = timedelta(seconds=spacing), now + timedelta(seconds=horizon)
        slot = max(self._work.senders.get(sender) or now, now)
        slots: list[datetime] = []
        for cost in costs:
            if slot > last:
                break
            slots.append(slot)
            slot += step * cost
        self._work.senders.put(sender, slot)
        return slots
