"""Numbers of the whole project in PostgreSQL."""

import re
from collections.abc import Sequence
from datetime import datetime

from engage.domain.delivery.delivery import Mark
from engage.domain.ids import LANES
from engage.ports.reading import COUNTED, JourneyNumbers, StatusCount, StepNumbers, Totals
from engage.storage import counting
from engage.storage.coding import decoder
from engage.storage.postgres.inbox import LANES_WITH_FACTS
from engage.storage.postgres.reading_base import PostgresReader
from engage.storage.postgres.runs import FIRST_TIMERS

_ENTERED = "SELECT journey, count(*) FROM run GROUP BY journey"
_GROUPS = """
SELECT journey, channel, status, reason, marks, count(*) FROM delivery
GROUP BY journey, channel, status, reason, marks
"""
_FUNNEL = """
SELECT version, place, sum(entered), sum(waiting) FROM (
    SELECT version, visit.key AS place, 1 AS entered, 0 AS waiting
    FROM run, json_each_text(coalesce(doc -> 'visits', '{}')) AS visit WHERE journey = %(journey)s
    UNION ALL
    SELECT version, step, 0, 1 FROM run WHERE journey = %(journey)s AND ended_at IS NULL AND step IS NOT NULL
) AS seen GROUP BY version, place ORDER BY version, place COLLATE "C"
"""
_RUNS = """
SELECT version, ended_at IS NULL, reason, count(*), count(goal_at) FROM run WHERE journey = %s GROUP BY 1, 2, 3
"""
_ENTERED_SINCE = "SELECT count(*) FROM run WHERE journey = %s AND entered_at >= %s"
_DID_SINCE = "SELECT count(DISTINCT profile_id) FROM event WHERE timestamp >= %s AND name LIKE ANY (%s)"
_STATUSES = """
SELECT channel, status, reason, count(*) FROM delivery WHERE journey = %s
GROUP BY channel, status, reason ORDER BY channel, status, reason NULLS FIRST
"""
_QUEUES = """
SELECT
    (SELECT count(*) FROM (SELECT FROM inbox LIMIT %(most)s) AS few) AS inbox,
    (SELECT count(*) FROM (SELECT FROM timer WHERE due_at <= %(now)s LIMIT %(most)s) AS few) AS timers_due,
    (SELECT count(*) FROM (SELECT FROM delivery WHERE claim_at <= %(now)s LIMIT %(most)s) AS few) AS deliveries_due,
    (SELECT min(claim_at) FROM delivery WHERE claim_at IS NOT NULL) AS deliveries_oldest,
    (SELECT count(*) FROM (SELECT FROM delivery WHERE lease_until IS NOT NULL LIMIT %(most)s) AS few) AS sending,
    (SELECT count(*) FROM (SELECT FROM delivery WHERE ask_at IS NOT NULL AND status = 'unknown' LIMIT %(most)s) AS few) AS unknown,
    (SELECT count(*) FROM (SELECT FROM quarantine LIMIT %(most)s) AS few) AS quarantine,
    (SELECT count(*) FROM job WHERE finished_at IS NULL) AS jobs,
    (SELECT count(*) FROM (SELECT FROM delivery WHERE claim_at > %(now)s LIMIT %(most)s) AS few) AS deliveries_later,
    (SELECT count(*) FROM (SELECT FROM run WHERE ended_at IS NULL LIMIT %(most)s) AS few) AS active_runs,
    (SELECT epoch FROM project) AS epoch
"""
_UNTIMED = """
SELECT journey, version, step, count(*) FROM run
WHERE ended_at IS NULL AND NOT EXISTS (
    SELECT FROM timer WHERE timer.profile_id = run.profile_id AND timer.kind = 'run' AND timer.ref = run.id::text
)
GROUP BY journey, version, step
"""
_IDLE = """
SELECT NOT (
    EXISTS (SELECT FROM inbox)
    OR EXISTS (SELECT FROM timer WHERE due_at <= %(now)s)
    OR EXISTS (SELECT FROM delivery WHERE claim_at <= %(now)s)
    OR EXISTS (SELECT FROM delivery WHERE lease_until IS NOT NULL)
    OR EXISTS (SELECT FROM delivery WHERE ask_at IS NOT NULL AND status = 'unknown')
    OR EXISTS (SELECT FROM job WHERE finished_at IS NULL)
)
"""
_DELIVERED = """
SELECT EXISTS (
    SELECT FROM delivery
    WHERE status IN ('delivered', 'opened', 'clicked', 'replied', 'complained', 'answered', 'completed')
)
"""


class PostgresNumbers(PostgresReader):
    """Numbers of the whole project."""

    def journey(self, journey: str) -> JourneyNumbers:
        """Return the numbers of one journey."""
        with self._session() as session:
            steps = session.named(_FUNNEL, journey=journey)
            runs = session.rows(_RUNS, journey)
            statuses = session.rows(_STATUSES, journey)
        numbers = JourneyNumbers(
            funnel=[
                StepNumbers(version=version, step=step, entered=int(entered), waiting=int(waiting))
                for version, step, entered, waiting in steps
            ],
            deliveries=[
                StatusCount(channel=channel, status=status, reason=reason, count=count)
                for channel, status, reason, count in statuses
            ],
        )
        for version, active, reason, count, goals in runs:
            numbers.goals += goals
            if active:
                numbers.active[version] = count
            else:
                numbers.ended[reason or ""] = numbers.ended.get(reason or "", 0) + count
        return numbers

    def entered_since(self, journey: str, since: datetime) -> int:
        """Return how many runs of a journey began at `since` or later."""
        with self._session() as session:
            return int(session.one(_ENTERED_SINCE, journey, since) or 0)

    def did_since(self, names: Sequence[str], since: datetime) -> int:
        """See `Reading.did_since`."""
        plain = (re.sub(r"([\\%_])", r"\\\1", name.removesuffix("*")) for name in names)
        patterns = [
            text + ("%" if name.endswith("*") else "") for text, name in zip(plain, names, strict=True)
        ]
        with self._session() as session:
            return int(session.one(_DID_SINCE, since, patterns) or 0)

    def totals(self) -> Totals:
        """Return the numbers of everything."""
        marks = decoder(tuple[Mark, ...]).decode
        with self._session() as session:
            entered = session.rows(_ENTERED)
            groups = session.rows(_GROUPS)
        return counting.totals(
            [(journey, count) for journey, count in entered],
            [
                counting.Group(journey, channel, Mark(status), reason, marks(seen), count)
                for journey, channel, status, reason, seen, count in groups
            ],
        )

    def queues(self, now: datetime) -> dict[str, float]:
        """Return what waits and for how long."""
        with self._session() as session:
            (row,) = session.named(_QUEUES, now=now, most=COUNTED)
            facts = [at for _, at in session.rows(LANES_WITH_FACTS, LANES - 1)]
            timers = session.one(FIRST_TIMERS, LANES - 1)
        inbox, timers_due, deliveries_due, deliveries_oldest, sending, unknown, quarantine, jobs = row[:8]
        deliveries_later, active_runs, epoch = row[8:]
        return {
            "inbox": inbox,
            "inbox_oldest_seconds": counting.age(min(facts, default=None), now),
            "timers_due": timers_due,
            "timers_due_oldest_seconds": counting.age(timers, now),
            "deliveries_due": deliveries_due,
            "deliveries_due_oldest_seconds": counting.age(deliveries_oldest, now),
            "sending": sending,
            "unknown": unknown,
            "quarantine": quarantine,
            "jobs": jobs,
            "deliveries_later": deliveries_later,
            "active_runs": active_runs,
            "epoch": epoch,
        }

    def lags(self, now: datetime) -> dict[int, float]:
        """Return the age in seconds of the oldest fact of each lane that has one."""
        with self._session() as session:
            rows = session.rows(LANES_WITH_FACTS, LANES - 1)
        return {lane: counting.age(at, now) for lane, at in rows}

    def untimed(self) -> dict[tuple[str, int, str | None], int]:
        """Return active runs that no timer wakes, by (journey, version, step)."""
        with self._session() as session:
            rows = session.rows(_UNTIMED)
        return {(journey, version, step): count for journey, version, step, count in rows}

    def is_idle(self, now: datetime) -> bool:
        """Return whether nothing is left to do at `now`."""
        with self._session() as session:
            return bool(session.named(_IDLE, now=now)[0][0])

    def any_delivered(self) -> bool:
        """Return whether any delivery was delivered, or answered."""
        with self._session() as session:
            return bool(session.one(_DELIVERED))
