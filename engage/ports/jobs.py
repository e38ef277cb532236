"""Jobs: long work, done in turns, that can be taken up again where it stood."""

from datetime import datetime
from typing import Protocol

import msgspec

from engage.domain.fact import Json

ASIDE = "aside"
"""Under this name a job's `data` counts the people whom a mistake of ours kept it from dealing with."""


class Job(msgspec.Struct, kw_only=True):
    """A long piece of work that is done in turns and can be taken up again where it stood."""

    name: str
    kind: str
    """`backfill`"""
    data: Json = {}
    cursor: str | None = None
    done: int = 0
    total: int = 0
    finished_at: datetime | None = None


class Jobs(Protocol):
    """Long work, resumable."""

    def lock(self, name: str) -> Job | None:
        """Return a job and keep others from it until commit; None if there is none or another has it."""
        ...

    def save(self, job: Job) -> None:
        """Write a job (insert or update by name)."""
        ...

    def unfinished(self) -> list[Job]:
        """Return the jobs that are not finished, oldest first."""
        ...

    def with_people_aside(self, limit: int) -> list[Job]:
        """Return the last jobs that set people aside, finished ones too, newest first."""
        ...
