"""Auditing in memory."""

from collections.abc import Iterator

from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.ids import DeliveryId
from engage.domain.journey.run import Run
from engage.domain.turn.changes import TimerKind
from engage.ports.auditing import OPEN, REASONED, Audit
from engage.storage.coding import decoder
from engage.storage.memory.reading_base import MemoryReader


class MemoryAuditing(MemoryReader):
    """Looks through the whole ledger."""

    def audit(self) -> Audit:
        """Return what has no explanation."""
        work = self._look()
        deliveries = [decoder(Delivery).decode(row.doc) for row in work.deliveries.all()]
        runs = [decoder(Run).decode(row.doc) for row in work.runs.all()]
        paused = {
            row.definition.name
            for row in work.definitions.all()
            if row.live and row.definition.kind == "journey" and row.definition.state == "paused"
        }
        under_way = {one.run for one in deliveries if one.status in OPEN}
        return Audit(
            open=sum(one.status in OPEN for one in deliveries),
            stuck_deliveries=sum(one.status in OPEN and not _moves(one) for one in deliveries),
            unexplained_deliveries=sum(
                one.status in REASONED and not one.reason and not one.code for one in deliveries
            ),
            unexplained_runs=sum(not run.active and not run.reason for run in runs),
            stuck_runs=sum(
                run.active
                and work.timers.get((run.profile, TimerKind.RUN, run.id)) is None
                and run.id not in under_way
                and run.journey not in paused
                for run in runs
            ),
        )

    def refs(self) -> Iterator[DeliveryId]:
        """Yield the ids of all deliveries that a provider accepted, in order."""
        rows = self._look().deliveries.all()
        yield from sorted(row.id for row in rows if row.accepted_at is not None)


def _moves(delivery: Delivery) -> bool:
    """Whether a sweep will take it up: at the end of its lease while it is being sent, else when it is due."""
    return (delivery.lease_until if delivery.status is Mark.SENDING else delivery.due_at) is not None
