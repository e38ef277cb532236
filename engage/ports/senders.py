"""Senders, as the rooms share their rates."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class Senders(Protocol):
    """Rates of senders, shared by all workers."""

    def reserve(
        self, sender: str, now: datetime, spacing: float, costs: Sequence[int], horizon: float
    ) -> list[datetime]:
        """Take a slot for each cost in order, none later than `now + horizon` seconds.

        A slot lasts its cost times `spacing` seconds; the next one begins then.
        """
        ...
