"""Pacing: a schedule in each person's own zone enters people no faster than its pace, over all zones and workers."""

from collections import Counter
from datetime import datetime, timedelta

from engage.domain.journey.clockwork import paced_clock
from engage.domain.turn.changes import TimerKind
from engage.domain.turn.turn import Turn
from engage.engine.digest.play import Batch
from engage.ports.storage import Transaction

FARTHEST = timedelta(days=3650)
"""No slot is later than this; at one a minute that is five million people."""


def reserved(tx: Transaction, turn: Turn, batch: Batch) -> dict[str, list[datetime]]:
    """Take a slot for everybody whose clock strikes in this turn, by journey: one row a journey, shared by all workers."""
    striking = Counter(
        paced
        for timer in batch.timers
        if timer.kind is TimerKind.CLOCK
        if (paced := paced_clock(turn.catalog, timer.ref)) is not None
    )
    return {
        journey: tx.senders.reserve(
            f"pace:{journey}",
            turn.clock,
            1 / float(pace),
            [1] * count,
            FARTHEST.total_seconds(),
        )
        for (journey, pace), count in sorted(striking.items())
    }
