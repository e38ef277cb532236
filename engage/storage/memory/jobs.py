"""Long work in memory."""

from itertools import islice

from engage.ports.jobs import ASIDE, Job
from engage.storage.coding import decoder, encode
from engage.storage.memory.rows import JobRow
from engage.storage.memory.work import Work


class MemoryJobs:
    """Long work, resumable."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def lock(self, name: str) -> Job | None:
        """Return a job and keep others from it until commit; None if there is none or another has it."""
        if not self._work.try_lock(("job", name)):
            return None
        row = self._work.jobs.get(name)
        return None if row is None else decoder(Job).decode(row.doc)

    def save(self, job: Job) -> None:
        """Write a job (insert or update by name)."""
        there = self._work.jobs.get(job.name)
        seq = next(self._work.sequences.other) if there is None else there.seq
        self._work.jobs.put(job.name, JobRow(seq, job.finished_at is not None, encode(job)))

    def unfinished(self) -> list[Job]:
        """Return the jobs that are not finished, oldest first."""
        rows = [row for row in self._work.jobs.all() if not row.finished]
        return [decoder(Job).decode(row.doc) for row in sorted(rows, key=lambda row: row.seq)]

    def with_people_aside(self, limit: int) -> list[Job]:
        """Return the last jobs that set people aside, finished ones too, newest first."""
        rows = sorted(self._work.jobs.all(), key=lambda row: row.seq, reverse=True)
        jobs = (decoder(Job).decode(row.doc) for row in rows)
        return list(islice((job for job in jobs if ASIDE in job.data), limit))
