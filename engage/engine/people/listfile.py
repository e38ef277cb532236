"""List files: CSV and JSONL, read row by row with the place behind each row, and written so that no spreadsheet runs a cell."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, BinaryIO

import msgspec

from engage.domain.errors import EngageError
from engage.engine.canonical.call import MAX_ITEM, Refused, read_item

PROBLEM = "import_error"
"""The column, or key, in which an error report says what is wrong; importing the report again ignores it."""
MAX_CELL = 1024 * 1024
"""Characters of one cell; more is a quote that was never closed."""
_SEPARATORS = (",", ";", "\t")
# What spreadsheets take for a formula (OWASP, CSV injection), but for plain numbers and phone numbers, which are none.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_encoder = msgspec.json.Encoder(decimal_format="number")


class Format(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSONL = "jsonl"


class ListFileError(EngageError):
    """The file as a whole cannot be read; the text says what to mend."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number (the first is 1), what it holds, and where in the file the next one begins."""

    number: int
    values: Mapping[str, Any]
    after: int
    problem: str | None = None
    """Why it cannot be read; `values` are then what is known of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on: behind so many rows, at this byte."""

    rows: int = 0
    offset: int = 0


class _Lines:
    """Lines as text, with the place behind the last one; bytes that are no UTF-8 stay what they are."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file, self.offset = file, offset
        file.seek(offset)

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline():
            at_start = self.offset == 0
            self.offset += len(line)
            text = line.decode("utf-8", "surrogateescape")
            yield text.removeprefix("\ufeff") if at_start else text


def header_of(file: BinaryIO) -> tuple[list[str], str, int]:
    """Return the columns of a CSV file, its separator, and where its rows begin.

    Raises:
        ListFileError: there is no header, it is not UTF-8, or names a column twice.
    """
    lines = _Lines(file, 0)
    first = next(iter(lines), "")
    separator = max(_SEPARATORS, key=first.count)
    try:
        columns = [_unguarded(name.strip()) for name in next(csv.reader([first], delimiter=separator), [])]
    except csv.Error as exc:
        raise ListFileError(f"the header cannot be read: {exc}; a line ends with LF or CR LF") from exc
    if not any(columns):
        raise ListFileError("the file has no header: its first line names the columns")
    if _csv_problem(columns, columns) is not None:
        raise ListFileError(
            'the header is not UTF-8; save the file as UTF-8 (spreadsheets call it "CSV UTF-8")'
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ListFileError(f"the header names {', '.join(twice)} twice")
    return columns, separator, lines.offset


def read_rows(file: BinaryIO, kind: Format, place: Place | None = None) -> Iterator[Row]:
    """Yield the rows behind `place`, blank ones left out.

    Raises:
        ListFileError: the file cannot be read on from somewhere.
    """
    place = place or Place()
    return _csv_rows(file, place) if kind is Format.CSV else _json_rows(file, place)


def _csv_rows(file: BinaryIO, place: Place) -> Iterator[Row]:
    columns, separator, begin = header_of(file)
    csv.field_size_limit(MAX_CELL)
    lines = _Lines(file, place.offset or begin)
    number = place.rows
    rows = csv.reader(lines, delimiter=separator)
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as exc:
            raise ListFileError(f"row {number + 1} cannot be read: {exc}; is a quote not closed?") from exc
        if cells is None:
            return
        if not any(cells):
            continue
        number += 1
        values = dict(zip(columns, map(_unguarded, cells), strict=False))
        yield Row(number, values, lines.offset, _csv_problem(cells, columns))


def _csv_problem(cells: Sequence[str], columns: Sequence[str]) -> str | None:
    if len(cells) != len(columns):
        return f"{len(cells)} cells where the header has {len(columns)}"
    if any("\udc80" <= character <= "\udcff" for cell in cells for character in cell):
        return "not UTF-8"
    return None


def _json_rows(file: BinaryIO, place: Place) -> Iterator[Row]:
    lines = _Lines(file, place.offset)
    number = place.rows
    for line in lines:
        text = line.strip()
        if not text:
            continue
        number += 1
        found = read_item(text.encode("utf-8", "surrogateescape"), MAX_ITEM)
        if isinstance(found, dict):
            yield Row(number, found, lines.offset)
        else:
            why = found.detail if isinstance(found, Refused) else "a line is one JSON object"
            yield Row(number, {"raw": text}, lines.offset, why)


class Writer:
    """Writes rows of one format."""

    def __init__(self, file: BinaryIO, kind: Format, columns: Sequence[str] = ()) -> None:
        """Write into `file`; a CSV's `columns` are written by `header`."""
        self._file, self._kind, self._columns = file, kind, list(columns)

    def header(self) -> None:
        """Write the header of a CSV."""
        if self._kind is Format.CSV:
            self._file.write(_csv_line([cell(name) for name in self._columns]))

    def row(self, values: Mapping[str, Any]) -> None:
        """Write one row."""
        if self._kind is Format.CSV:
            self._file.write(_csv_line([cell(values.get(name)) for name in self._columns]))
        else:
            plain = {
                name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
                for name, value in values.items()
            }
            self._file.write(_encoder.encode(plain) + b"\n")


def cell(value: Any) -> str:
    """Return a value as the text of a cell that no spreadsheet takes for a formula."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            text = value
        case datetime():
            text = value.isoformat()
        case _:
            text = _encoder.encode(value).decode()
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _unguarded(text: str) -> str:
    """Take off the quote that `cell` put before what looks like a formula."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text[1:]) else text


def _csv_line(cells: Sequence[str]) -> bytes:
    quoted = [
        '"' + text.replace('"', '""') + '"'
        if any(mark in text for mark in ',;"\r\n\t') or text != text.strip()
        else text
        for text in cells
    ]
    line = ",".join(quoted)
    # A line of nothing would be read as no row.
    return ((line or '""') + "\r\n").encode("utf-8", "surrogateescape")
