"""Bringing a file in: progress, the error report, and going on where it stood — the same for people, consents and suppressions."""

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from engage.bootstrap import Runtime
from engage.cli.session import say_json
from engage.cli.terminal import screen
from engage.domain.ids import LANES
from engage.engine.people.bring_in import BringIn, Kind, Standing, chunks
from engage.engine.people.listfile import PROBLEM, Format, Row, Writer, header_of, read_rows
from engage.files import private_file

_DIGEST_CHARACTERS = 24
_TURNS = 64
"""Turns of digest behind one chunk at most: other facts come in too, and are the workers' as well."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to bring in."""

    path: Path
    format: Format
    content: str
    size: int

    def meant_for(self, purpose: str) -> "File":
        """Return the same file as another one: what it was brought in for before does not count for this."""
        told = hashlib.sha256(f"{self.content}:{purpose}".encode()).hexdigest()
        return replace(self, content=told[:_DIGEST_CHARACTERS])


def format_of(path: Path, named: str | None) -> Format:
    """Return how a file is written: as somebody says, else by its ending.

    Raises:
        click.UsageError: the ending says nothing.
    """
    if named is not None:
        return Format(named)
    endings = {".csv": Format.CSV, ".tsv": Format.CSV, ".txt": Format.CSV}
    endings |= {".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".json": Format.JSONL}
    found = endings.get(path.suffix.lower())
    if found is None:
        raise click.UsageError(f"say how {path} is written: `--format csv` or `--format jsonl`")
    return found


def file_of(path: Path, named: str | None) -> File:
    """Return a file with the digest of its content, by which it is known again."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGEST_CHARACTERS]
        return File(path, format_of(path, named), digest, file.tell())


class Report:
    """The error report: the rows that were refused, as they are, with what is wrong, to be mended and imported again."""

    def __init__(self, source: File, standing: Standing) -> None:
        """Go on with the report, behind what belongs to the rows that are done."""
        self.path, self._source = Path(standing.report), source
        self._keep = standing.reported
        self._file: BinaryIO | None = None

    def __call__(self, refused: Sequence[tuple[Row, str]]) -> int:
        """Add refused rows; return how long the report is, once it is on disk."""
        if not refused:
            return self._keep
        file = self._opened()
        for row, why in refused:
            self._writer.row({**row.values, PROBLEM: why})
        file.flush()
        os.fsync(file.fileno())
        self._keep = file.tell()
        return self._keep

    def _opened(self) -> BinaryIO:
        if self._file is None:
            # A link that somebody else put there is not followed.
            file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
            file.truncate(self._keep)
            file.seek(self._keep)
            self._file, self._writer = file, Writer(file, self._source.format, self._columns())
            if self._keep == 0:
                self._writer.header()
        return self._file

    def _columns(self) -> list[str]:
        if self._source.format is Format.JSONL:
            return []
        with self._source.path.open("rb") as file:
            return [*(name for name in header_of(file)[0] if name != PROBLEM), PROBLEM]

    def close(self) -> None:
        """Close the file; what a dead process wrote beyond the last commit goes."""
        if self._file is None and self.path.exists() and self._keep:
            os.truncate(self.path, self._keep)
        if self._file is not None:
            self._file.close()


def bring_in(
    runtime: Runtime,
    file: File,
    kind: Kind[Any],
    lanes: set[int],
    *,
    errors: Path | None,
    again: bool,
    as_json: bool,
) -> None:
    """Bring a file in, from where it stood, with progress; exit 1 if rows were refused."""
    room: BringIn[Any] = BringIn(runtime.store, kind, file.content, file.size)
    standing = room.standing(str((errors or _free(file)).absolute()), afresh=again)
    known = standing.finished_at is not None
    if not known:
        report = Report(file, standing)
        try:
            standing = _turns(runtime, room, file, standing, report, lanes)
        finally:
            report.close()
    _tell(standing, known=known, as_json=as_json)


def _free(file: File) -> Path:
    """Return where a report may be written: never over an earlier one, which somebody may be mending."""
    path = file.path.with_suffix(f".errors.{file.format}")
    number = 2
    while path.exists():
        path = file.path.with_suffix(f".errors-{number}.{file.format}")
        number += 1
    return path


def _turns(
    runtime: Runtime, room: BringIn[Any], file: File, standing: Standing, report: Report, lanes: set[int]
) -> Standing:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    shown = sys.stderr.isatty()
    with (
        Progress(*columns, console=screen(stderr=True), disable=not shown, transient=True) as bar,
        file.path.open("rb") as source,
    ):
        task = bar.add_task(file.path.name, total=max(file.size, 1), completed=standing.place.offset)
        if standing.place.rows:
            lanes.update(range(LANES))  # of what was stored before, some may not have been digested yet
        for chunk in chunks(read_rows(source, file.format, standing.place)):
            standing = room.turn(standing, chunk, report, runtime.clock.now())
            _digest(runtime, lanes)
            bar.update(
                task,
                completed=standing.place.offset,
                description=f"{file.path.name}: {standing.place.rows:,} rows",
            )
    return standing


def _digest(runtime: Runtime, lanes: set[int]) -> None:
    """Digest what a chunk left, together with whatever workers there are: live facts wait behind one chunk at most."""
    wanted = set(lanes)
    lanes.clear()
    for _ in range(_TURNS):
        if not wanted:
            return
        done = runtime.digest.turn(wanted, runtime.clock.now())
        wanted -= done.busy
        if not done.more:
            return


def _tell(standing: Standing, *, known: bool, as_json: bool) -> None:
    told = {"rows": standing.place.rows, "taken": standing.taken, "refused": standing.refused}
    if as_json:
        say_json({**told, "errors": standing.report if standing.refused else None, "known": known})
    elif known:
        click.echo(
            f"this very file was imported {standing.finished_at:%Y-%m-%d %H:%M}: {standing.taken:,} rows taken,"
            f" {standing.refused:,} refused; `--again` imports it once more"
        )
    else:
        click.echo(f"{standing.taken:,} rows taken, {standing.refused:,} refused")
        if standing.refused:
            click.echo(
                f"what is wrong with them stands in {standing.report}: mend it there and import that file"
            )
    if standing.refused and not known:
        raise SystemExit(1)


def written(path: Path | None, write: Callable[[BinaryIO], int]) -> int:
    """Let `write` write a file whole or not at all; without a path, to standard output."""
    if path is None or str(path) == "-":
        count = write(sys.stdout.buffer)
        with suppress(BrokenPipeError):
            sys.stdout.buffer.flush()
        return count
    with private_file(path) as file:
        return write(file)
