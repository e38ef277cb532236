"""Long work in PostgreSQL."""

from typing import Any

from engage.ports.jobs import ASIDE, Job
from engage.storage.coding import decoder
from engage.storage.postgres.session import Session, json

_COLUMNS = "SELECT name, kind, data, cursor, done, total, finished_at FROM job"
_LOCK = f"{_COLUMNS} WHERE name = %s FOR UPDATE SKIP LOCKED"
_UNFINISHED = f"{_COLUMNS} WHERE finished_at IS NULL ORDER BY seq"
_ASIDE = f"{_COLUMNS} WHERE json_typeof(data -> %s::text) IS NOT NULL ORDER BY seq DESC LIMIT %s"
_SAVE = """
INSERT INTO job (name, kind, data, cursor, done, total, finished_at)
SELECT name, kind, data, cursor, done, total, finished_at FROM json_to_recordset(%s) AS (
    name text, kind text, data json, cursor text, done bigint, total bigint, finished_at timestamptz
)
ON CONFLICT (name) DO UPDATE SET
    data = excluded.data, cursor = excluded.cursor, done = excluded.done, total = excluded.total,
    finished_at = excluded.finished_at
"""


class PostgresJobs:
    """Long work, resumable."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def lock(self, name: str) -> Job | None:
        """Return a job and keep others from it until commit; None if there is none or another has it."""
        for row in self._session.rows(_LOCK, name):
            return _job(row)
        return None

    def save(self, job: Job) -> None:
        """Write a job (insert or update by name)."""
        self._session.run(_SAVE, json([job]))

    def unfinished(self) -> list[Job]:
        """Return the jobs that are not finished, oldest first."""
        return [_job(row) for row in self._session.rows(_UNFINISHED)]

    def with_people_aside(self, limit: int) -> list[Job]:
        """Return the last jobs that set people aside, finished ones too, newest first."""
        return [_job(row) for row in self._session.rows(_ASIDE, ASIDE, limit)]


def _job(row: tuple[Any, ...]) -> Job:
    name, kind, data, cursor, done, total, finished_at = row
    return Job(
        name=name,
        kind=kind,
        data=decoder(dict).decode(data),
        cursor=cursor,
        done=done,
        total=total,
        finished_at=finished_at,
    )
