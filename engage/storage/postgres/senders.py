"""Rates of senders in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from engage.storage.postgres.session import Session

_TAKE = """
INSERT INTO sender (id, next_slot) VALUES (%s, %s)
ON CONFLICT (id) DO UPDATE SET next_slot = greatest(sender.next_slot, excluded.next_slot)
RETURNING next_slot
"""


class PostgresSenders:
    """Rates of senders, shared by all workers."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def reserve(
        self, sender: str, now: datetime, spacing: float, costs: Sequence[int], horizon: float
    ) -> list[datetime]:
        """Take a slot for each cost in order, none later than `now + horizon` seconds.

        The first statement locks the sender until the transaction ends, so that the second cannot be overtaken.
        """
        step, last = timedelta(seconds=spacing), now + timedelta(seconds=horizon)
        slot: datetime = self._session.one(_TAKE, sender, now)
        slots: list[datetime] = []
        for cost in costs:
            if slot > last:
                break
            slots.append(slot)
            slot += step * cost
        if slots:
            self._session.run("UPDATE sender SET next_slot = %s WHERE id = %s", slot, sender)
        return slots
