"""Partitions: the months of `event`, made before they begin."""

from datetime import UTC, datetime

from psycopg import sql

from engage.storage.postgres.session import Session

MONTHS_BEFORE = 1
MONTHS_AHEAD = 3

_MISSING = "SELECT to_regclass(%s) IS NULL"
_TAKEN = "SELECT EXISTS (SELECT FROM event_default WHERE timestamp >= %s AND timestamp < %s)"


def ensure_months(session: Session, now: datetime) -> None:
    """Create the partitions of the months around `now`; a month whose events already lie in the default stays there.

    Readers and writers of `event` wait while a partition is attached: moments, for it is empty.
    """
    month = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1
    for number in range(month - MONTHS_BEFORE, month + MONTHS_AHEAD + 1):
        name, start, end = f"event_{number // 12}_{number % 12 + 1:02}", _first(number), _first(number + 1)
        if session.one(_MISSING, name) and not session.one(_TAKEN, start, end):
            create = sql.SQL("CREATE TABLE {} PARTITION OF event FOR VALUES FROM ({}) TO ({})")
            session.define(create.format(sql.Identifier(name), sql.Literal(start), sql.Literal(end)))


def _first(month: int) -> datetime:
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
