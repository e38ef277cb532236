"""Accounting: what processes have cost so far, with all their children, living and reaped; read from /proc (Linux)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")  # per second; unit of the times in /proc/<pid>/stat


class NoAccountingError(Exception):
    """This machine has no /proc: CPU seconds of other processes cannot be read."""


@dataclass(frozen=True, slots=True)
class _Line:
    parent: int
    ticks: int
    """Own user and system time, and that of children already waited for."""


def require_proc(proc: Path = PROC) -> None:
    """Say so where nothing can be accounted.

    Raises:
        NoAccountingError: there is no /proc.
    """
    if not (proc / "self" / "stat").exists():
        raise NoAccountingError("CPU seconds are read from /proc, which only Linux has")


def _read(stat: Path) -> _Line | None:
    try:
        text = stat.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold spaces and parentheses itself; proc(5) counts the fields after it.
    fields = text[text.rindex(b")") + 2 :].split()
    return _Line(parent=int(fields[1]), ticks=sum(int(field) for field in fields[11:15]))


def _table(proc: Path) -> dict[int, _Line]:
    lines = {int(path.name): _read(path / "stat") for path in proc.iterdir() if path.name.isdecimal()}
    return {pid: line for pid, line in lines.items() if line is not None}


def _tree(table: Mapping[int, _Line], root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, line in table.items():
        children.setdefault(line.parent, []).append(pid)
    found, todo = set(), [root] if root in table else []
    while todo:
        pid = todo.pop()
        found.add(pid)
        todo.extend(children.get(pid, ()))
    return found


def cpu_seconds(roots: Mapping[str, int], proc: Path = PROC) -> dict[str, float]:
    """Return the CPU seconds (user and system) that each named process and all its descendants have used since they began.

    A descendant that has ended counts through its parent, which waited for it. A process that is gone has 0.
    """
    table = _table(proc)
    return {
        name: sum(table[pid].ticks for pid in _tree(table, root)) / _TICKS for name, root in roots.items()
    }


def memory_bytes(roots: Mapping[str, int], proc: Path = PROC) -> dict[str, int]:
    """Return the memory of each named process and its descendants in bytes, shared pages divided among their users (PSS)."""
    table = _table(proc)
    return {name: sum(_pss(proc, pid) for pid in _tree(table, root)) for name, root in roots.items()}


def _pss(proc: Path, pid: int) -> int:
    try:
        text = (proc / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
