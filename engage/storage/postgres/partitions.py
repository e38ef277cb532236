"""Partitions: the months of `event`, made before they begin and dropped when they are too old."""

from datetime import UTC, datetime

from psycopg import sql

from engage.storage.postgres.session import Session

MONTHS_BEFORE = 1
MONTHS_AHEAD = 3

_PARTITIONING = 0x6D6F6E746873  # "months": the advisory lock under which one process changes partitions

_MISSING = "SELECT to_regclass(%s) IS NULL"
_TAKEN = "SELECT EXISTS (SELECT FROM event_default WHERE timestamp >= %s AND timestamp < %s)"
_MONTHS = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'event'::regclass AND relname ~ '^event_[0-9]{4}_[0-9]{2}$' ORDER BY relname
"""


def ensure_months(session: Session, now: datetime) -> None:
    """Create the partitions of the months around `now`; a month whose events already lie in the default stays there.

    Readers and writers of `event` wait while a partition is attached: moments, for it is empty. Idempotent.
    """
    _alone(session)
    month = _number(now)
    for number in range(month - MONTHS_BEFORE, month + MONTHS_AHEAD + 1):
        name, start, end = _name(number), _first(number), _first(number + 1)
        if session.one(_MISSING, name) and not session.one(_TAKEN, start, end):
            create = sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF event FOR VALUES FROM ({}) TO ({})")
            session.define(create.format(sql.Identifier(name), sql.Literal(start), sql.Literal(end)))


def drop_months(session: Session, instant: datetime) -> None:
    """Drop the partitions of months that were over by `instant`, with all their events. Idempotent."""
    _alone(session)
    kept = _name(_number(instant))
    for (name,) in session.rows(_MONTHS):
        if name < kept:
            session.define(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))


def first_of_month(instant: datetime) -> datetime:
    """Return when the month of an instant began: what `drop_months` drops lies before."""
    return _first(_number(instant))


def _alone(session: Session) -> None:
    # Two processes that attach partitions at once wait for each other's locks on the table and its default.
    session.rows("SELECT pg_advisory_xact_lock(%s)", _PARTITIONING)


def _number(instant: datetime) -> int:
    month = instant.astimezone(UTC)
    return month.year * 12 + month.month - 1


def _name(month: int) -> str:
    return f"event_{month // 12:04}_{month % 12 + 1:02}"


def _first(month: int) -> datetime:
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
