"""Numbers of the whole project in memory."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.forms import names_match
from engage.domain.journey.run import Run
from engage.domain.turn.changes import TimerKind
from engage.ports.reading import JourneyNumbers, StatusCount, StepNumbers, Totals
from engage.storage import counting
from engage.storage.coding import decoder
from engage.storage.memory.definitions import MemoryDefinitions
from engage.storage.memory.inbox import MemoryInbox
from engage.storage.memory.reading_base import MemoryReader

_DELIVERED = frozenset(
    {
        Mark.DELIVERED,
        Mark.OPENED,
        Mark.CLICKED,
        Mark.REPLIED,
        Mark.COMPLAINED,
        Mark.ANSWERED,
        Mark.COMPLETED,
    }
)


class MemoryNumbers(MemoryReader):
    """Numbers of the whole project."""

    def journey(self, journey: str) -> JourneyNumbers:
        """Return the numbers of one journey."""
        decode = decoder(Run).decode
        runs = [decode(row.doc) for row in self._look().runs.where("journey", journey)]
        entered = Counter((run.version, step) for run in runs for step in run.visits)
        waiting = Counter((run.version, run.step) for run in runs if run.active and run.step is not None)
        statuses = Counter(
            (delivery.channel, delivery.status, delivery.reason)
            for delivery in self._deliveries()
            if delivery.journey == journey
        )
        return JourneyNumbers(
            funnel=[
                StepNumbers(
                    version=version, step=step, entered=entered[version, step], waiting=waiting[version, step]
                )
                for version, step in sorted({*entered, *waiting})
            ],
            active=dict(Counter(run.version for run in runs if run.active)),
            ended=dict(Counter(run.reason or "" for run in runs if not run.active)),
            goals=sum(run.goal_at is not None for run in runs),
            deliveries=[
                StatusCount(channel=channel, status=status, reason=reason, count=count)
                for (channel, status, reason), count in sorted(
                    statuses.items(), key=lambda item: (*item[0][:2], item[0][2] or "")
                )
            ],
        )

    def entered_since(self, journey: str, since: datetime) -> int:
        """Return how many runs of a journey began at `since` or later."""
        decode = decoder(Run).decode
        runs = (decode(row.doc) for row in self._look().runs.where("journey", journey))
        return sum(run.entered_at >= since for run in runs)

    def did_since(self, names: Sequence[str], since: datetime) -> int:
        """See `Reading.did_since`."""
        rows = self._look().events.all()
        return len(
            {
                row.key.profile
                for row in rows
                if row.key.timestamp >= since and names_match(tuple(names), row.name)
            }
        )

    def totals(self) -> Totals:
        """Return the numbers of everything."""
        entered = Counter(row.journey for row in self._look().runs.all())
        groups = [
            counting.Group(one.journey, one.channel, one.status, one.reason, tuple(one.marks), 1)
            for one in self._deliveries()
        ]
        return counting.totals(entered.items(), groups)

    def queues(self, now: datetime) -> dict[str, float]:
        """Return what waits and for how long."""
        work = self._look()
        facts = MemoryInbox(work).lanes().values()
        timers = [timer.due_at for timer in work.timers.all() if timer.due_at is not None]
        rows = work.deliveries.among("status", (Mark.QUEUED, Mark.HELD))
        claims = [row.due_at for row in rows if row.due_at is not None]
        sending = work.deliveries.where("status", Mark.SENDING)
        unknown = work.deliveries.where("status", Mark.UNKNOWN)
        return {
            "inbox": len(work.inbox.all()),
            "inbox_oldest_seconds": counting.age(min(facts, default=None), now),
            "timers_due": sum(due <= now for due in timers),
            "timers_due_oldest_seconds": counting.age(min(timers, default=None), now),
            "deliveries_due": sum(due <= now for due in claims),
            "deliveries_due_oldest_seconds": counting.age(min(claims, default=None), now),
            "sending": sum(row.lease_until is not None for row in sending),
            "unknown": sum(row.due_at is not None for row in unknown),
            "quarantine": len(work.quarantine.all()),
            "jobs": sum(not job.finished for job in work.jobs.all()),
            "deliveries_later": sum(due > now for due in claims),
            "active_runs": sum(run.active for run in work.runs.all()),
            "epoch": MemoryDefinitions(work).epoch(),
        }

    def lags(self, now: datetime) -> dict[int, float]:
        """Return the age in seconds of the oldest fact of each lane that has one."""
        lanes = MemoryInbox(self._look()).lanes()
        return {lane: counting.age(at, now) for lane, at in lanes.items()}

    def untimed(self) -> dict[tuple[str, int, str | None], int]:
        """Return active runs that no timer wakes, by (journey, version, step)."""
        work, decode = self._look(), decoder(Run).decode
        runs = [decode(row.doc) for row in work.runs.all() if row.active]
        return dict(
            Counter(
                (run.journey, run.version, run.step)
                for run in runs
                if work.timers.get((run.profile, TimerKind.RUN, run.id)) is None
            )
        )

    def is_idle(self, now: datetime) -> bool:
        """Return whether nothing is left to do at `now`."""
        waits = self.queues(now)
        return not any(
            waits[name] for name in ("inbox", "timers_due", "deliveries_due", "sending", "unknown", "jobs")
        )

    def any_delivered(self) -> bool:
        """Return whether any delivery was delivered, or answered."""
        return any(row.status in _DELIVERED for row in self._look().deliveries.all())

    def _deliveries(self) -> list[Delivery]:
        decode = decoder(Delivery).decode
        return [decode(row.doc) for row in self._look().deliveries.all()]
