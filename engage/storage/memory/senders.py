"""Rates of senders in memory."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from engage.domain.delivery.slots import give_slots
from engage.domain.delivery.slowing import Slowness, slowed
from engage.storage.memory.rows import SenderCall
from engage.storage.memory.work import Work


class MemorySenders:
    """Rates of senders, shared by all workers."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def reserve(
        self,
        sender: str,
        now: datetime,
        spacing: float,
        costs: Sequence[int],
        horizon: float,
        most: int | None = None,
    ) -> list[datetime]:
        """Take a slot for each cost in order, none later than `now + horizon` seconds."""
        self._work.lock(("sender", sender))
        first = max(self._work.senders.get(sender) or now, now)
        opened: list[tuple[datetime, int]] = []
        if most is not None:
            for call in list(self._work.sender_calls.where("sender", sender)):
                if call.until <= now:
                    self._work.sender_calls.delete(call.name)
                else:
                    opened.append((call.until, call.cost))
        last = now + timedelta(seconds=horizon)
        slots, following = give_slots(first, last, spacing, costs, opened, most)
        self._work.senders.put(sender, following)
        return slots

    def open_calls(self, sender: str, calls: Sequence[tuple[str, int]], until: datetime) -> None:
        """Note calls (name, cost) of a sender as open until then, unless it is heard before that they are over."""
        for name, cost in calls:
            self._work.sender_calls.put(name, SenderCall(name, sender, cost, until))

    def slow_down(self, complaints: Iterable[tuple[str, datetime, str]]) -> None:
        """Let senders go slower from these instants on, because of these codes."""
        for sender, at, code in complaints:
            self._work.slowness.put(sender, slowed(self._work.slowness.get(sender), at, code))

    def slowness(self, senders: Collection[str]) -> dict[str, Slowness]:
        """Return what is known of those that were ever told to slow down."""
        found = {sender: self._work.slowness.get(sender) for sender in senders}
        return {sender: slowness for sender, slowness in found.items() if slowness is not None}

    def close_calls(self, ends: Sequence[tuple[str, datetime]]) -> None:
        """Note until when each call counts. Idempotent; a call that is not open is no mistake."""
        for name, until in ends:
            call = self._work.sender_calls.get(name)
            if call is not None:
                self._work.sender_calls.put(name, call._replace(until=until))
