"""Rates of senders in PostgreSQL."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from engage.domain.delivery.slots import give_slots
from engage.domain.delivery.slowing import Slowness, slowed
from engage.storage.postgres.session import Session, texts

_TAKE = """
INSERT INTO sender (id, next_slot) VALUES (%s, %s)
ON CONFLICT (id) DO UPDATE SET next_slot = greatest(sender.next_slot, excluded.next_slot)
RETURNING next_slot
"""
_OPEN = "SELECT until, cost FROM sender_call WHERE sender = %s ORDER BY until"
_BEGIN = """
INSERT INTO sender_call (call, sender, cost, until)
SELECT call, %s, cost, %s FROM unnest(%s::text[], %s::integer[]) AS given (call, cost)
ON CONFLICT (call) DO UPDATE SET until = excluded.until
"""
_END = """
UPDATE sender_call SET until = ended.until FROM unnest(%s::text[], %s::timestamptz[]) AS ended (call, until)
WHERE sender_call.call = ended.call
"""

_SLOW = """
INSERT INTO slowness (sender, at, factor, code) VALUES (%s, %s, %s, %s)
ON CONFLICT (sender) DO UPDATE SET at = excluded.at, factor = excluded.factor, code = excluded.code
"""
_SLOWNESS = "SELECT sender, at, factor, code FROM slowness WHERE sender = ANY(%s::text[])"


class PostgresSenders:
    """Rates of senders, shared by all workers."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def reserve(
        self,
        sender: str,
        now: datetime,
        spacing: float,
        costs: Sequence[int],
        horizon: float,
        most: int | None = None,
    ) -> list[datetime]:
        """Take a slot for each cost in order, none later than `now + horizon` seconds.

        The first statement locks the sender until the transaction ends, so that what follows cannot be overtaken.
        """
        first: datetime = self._session.one(_TAKE, sender, now)
        opened: list[tuple[datetime, int]] = []
        if most is not None:
            self._session.run("DELETE FROM sender_call WHERE sender = %s AND until <= %s", sender, now)
            opened = [(until, cost) for until, cost in self._session.rows(_OPEN, sender)]
        last = now + timedelta(seconds=horizon)
        slots, following = give_slots(first, last, spacing, costs, opened, most)
        if slots:
            self._session.run("UPDATE sender SET next_slot = %s WHERE id = %s", following, sender)
        return slots

    def open_calls(self, sender: str, calls: Sequence[tuple[str, int]], until: datetime) -> None:
        """Note calls (name, cost) of a sender as open until then, unless it is heard before that they are over."""
        if calls:
            names, costs = [name for name, _ in calls], [cost for _, cost in calls]
            self._session.run(_BEGIN, sender, until, names, costs)

    def slow_down(self, complaints: Iterable[tuple[str, datetime, str]]) -> None:
        """Let senders go slower from these instants on, because of these codes. Two at once: the later one counts."""
        told = sorted(complaints)
        known = self.slowness([sender for sender, _, _ in told])
        for sender, at, code in told:
            known[sender] = slowed(known.get(sender), at, code)
        for sender, slowness in sorted(known.items()):
            self._session.run(_SLOW, sender, *slowness)

    def slowness(self, senders: Collection[str]) -> dict[str, Slowness]:
        """Return what is known of those that were ever told to slow down."""
        if not senders:
            return {}
        rows = self._session.rows(_SLOWNESS, texts(senders))
        return {sender: Slowness(at, factor, code) for sender, at, factor, code in rows}

    def close_calls(self, ends: Sequence[tuple[str, datetime]]) -> None:
        """Note until when each call counts. Idempotent; a call that is not open is no mistake."""
        if ends:
            ordered = sorted(ends)
            self._session.run(_END, [name for name, _ in ordered], [until for _, until in ordered])
