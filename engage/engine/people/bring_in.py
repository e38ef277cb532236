"""Bring in: a file's rows in chunks — each written in one transaction with how far the file is, so that none is lost or done twice."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from engage.domain.errors import EngageError
from engage.engine.people.listfile import Place, Row
from engage.ports.jobs import Job
from engage.ports.storage import StorageBusyError, Store, Transaction

IMPORT = "import"
CHUNK = 2_000
"""Rows of a transaction: facts of live people wait behind one chunk at most."""
ATTEMPTS = 20
T = TypeVar("T")


class Misfit(Exception):  # noqa: N818 - a value of the reader's making, told in the report
    """A row cannot be taken; the text tells its author what to write instead. Never leaves this room."""


class AnotherImportsError(EngageError):
    """Another process is importing the same file."""


class Kind(Protocol[T]):
    """What the rows of a file are."""

    name: str

    def read(self, row: Row) -> T:
        """Return what a row means.

        Raises:
            Misfit: it means nothing.
        """
        ...

    def write(self, tx: Transaction, rows: Sequence[tuple[Row, T]], now: datetime) -> dict[int, str]:
        """Write rows, and return the numbers of those that cannot be, with why."""
        ...


@dataclass(slots=True)
class Standing:
    """How far a file is."""

    job: str
    total: int
    place: Place = field(default_factory=Place)
    refused: int = 0
    report: str = ""
    reported: int = 0
    """Bytes of the error report that belong to rows up to `place`; what is behind them was written for a chunk that was lost."""
    finished_at: datetime | None = None

    @property
    def taken(self) -> int:
        """Rows that were taken."""
        return self.place.rows - self.refused


class BringIn(Generic[T]):
    """Writes one file. The file is known by its content: the same one again goes on where it stood, or is done already."""

    def __init__(self, store: Store, kind: Kind[T], content: str, total: int) -> None:
        """Bring in rows of `kind` from a file of `total` bytes whose digest is `content`."""
        self._store, self._kind = store, kind
        self._name = f"{IMPORT}:{kind.name}:{content}"
        self._total = total

    def standing(self, report: str, *, afresh: bool = False) -> Standing:
        """Return how far the file is, and where its report is: in `report`, if it begins only now.

        `afresh`: forget that it was brought in before.
        """
        with self._store.transaction() as tx:
            job = tx.jobs.lock(self._name)
            if job is None or (afresh and job.finished_at is not None):
                data = {"rows": 0, "refused": 0, "reported": 0, "report": report}
                job = Job(name=self._name, kind=IMPORT, total=self._total, data=data)
                tx.jobs.save(job)
            return _standing(job)

    def turn(
        self,
        standing: Standing,
        rows: Sequence[Row],
        report: Callable[[Sequence[tuple[Row, str]]], int],
        now: datetime,
    ) -> Standing:
        """Write the next rows; `report` is given those refused, before the commit, and returns how long the report is now.

        Raises:
            AnotherImportsError: somebody else got further with the same file.
        """
        read: list[tuple[Row, T]] = []
        refused: dict[int, str] = {}
        for row in rows:
            if row.problem is not None:
                refused[row.number] = row.problem
                continue
            try:
                read.append((row, self._kind.read(row)))
            except Misfit as exc:
                refused[row.number] = str(exc)
        for _ in range(ATTEMPTS):
            try:
                return self._write(standing, rows, read, refused, report, now)
            except StorageBusyError:
                continue
        raise AnotherImportsError(
            "the database is too busy; start the import again, it goes on where it stood"
        )

    def _write(
        self,
        standing: Standing,
        rows: Sequence[Row],
        read: Sequence[tuple[Row, T]],
        unread: dict[int, str],
        report: Callable[[Sequence[tuple[Row, str]]], int],
        now: datetime,
    ) -> Standing:
        with self._store.transaction() as tx:
            job = tx.jobs.lock(self._name)
            if job is None or _standing(job) != standing:
                raise AnotherImportsError("another process is importing this very file")
            refused = unread | (self._kind.write(tx, read, now) if read else {})
            told = [(row, refused[row.number]) for row in rows if row.number in refused]
            job.data |= {
                "rows": rows[-1].number if rows else standing.place.rows,
                "refused": standing.refused + len(told),
                "reported": report(told),
            }
            job.cursor = str(rows[-1].after if rows else standing.place.offset)
            job.done = int(job.cursor)
            job.finished_at = None if rows else now
            tx.jobs.save(job)
            return _standing(job)


def _standing(job: Job) -> Standing:
    data: dict[str, Any] = job.data
    return Standing(
        job=job.name,
        total=job.total,
        place=Place(int(data["rows"]), int(job.cursor or 0)),
        refused=int(data["refused"]),
        report=str(data["report"]),
        reported=int(data["reported"]),
        finished_at=job.finished_at,
    )


def chunks(rows: Iterable[Row], size: int = CHUNK) -> Iterable[Sequence[Row]]:
    """Yield rows in chunks; the last one is empty, and says that there are no more."""
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
    yield []
