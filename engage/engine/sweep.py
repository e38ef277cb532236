"""Sweep: finds the work that nobody hinted at, from the tables alone: a lost hint costs a second, never a person."""

from dataclasses import dataclass, field
from datetime import datetime

from engage.domain.delivery.delivery import Channel, Priority
from engage.engine import strays
from engage.engine.broadcast.agenda import KINDS, is_due
from engage.engine.publish.backfill import BACKFILL
from engage.ports.storage import Store

LEASES = 50
"""Of those that ran out so many are looked at: more are of the same channels, or are found by the next sweep."""


@dataclass(slots=True)
class Found:
    """Work that is due."""

    lanes: set[int] = field(default_factory=set)
    deliveries: set[tuple[Channel, Priority]] = field(default_factory=set)
    unsettled: bool = False
    """Work for the settle room."""
    jobs: list[str] = field(default_factory=list)
    """Backfills."""
    broadcasts: list[str] = field(default_factory=list)
    """Ticks, signals and broadcasts that are due."""


class Sweep:
    """The room. Read-only and cheap: a few index look-ups, however many people wait."""

    def __init__(self, store: Store) -> None:
        """Sweep `store`."""
        self._store = store

    def look(self, now: datetime, machine: datetime | None = None) -> Found:
        """Return what is due at `now`; leases are judged by the machine's own time.

        A lease that ran out is its worker's work, too, if that lives: it alone knows what it never called, or could not
        write down, and nobody else may judge it.
        """
        with self._store.transaction() as tx:
            unfinished = tx.jobs.unfinished()
            expired = [delivery for delivery, _, _ in tx.deliveries.expired_leases(machine or now, LEASES)]
            held = tx.deliveries.get(expired).values() if expired else ()
            return Found(
                lanes=set(tx.inbox.lanes()) | tx.runs.due_lanes(now),
                deliveries=tx.deliveries.due_work(now) | {(one.channel, one.priority) for one in held},
                unsettled=bool(
                    expired
                    or tx.deliveries.unknown(now, 1)
                    or tx.deliveries.overdue_calls(now, 1)
                    or strays.are_due(unfinished, now)
                ),
                jobs=[job.name for job in unfinished if job.kind == BACKFILL],
                broadcasts=[job.name for job in unfinished if job.kind in KINDS and is_due(job, now)],
            )
