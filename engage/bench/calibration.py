"""Calibration: how fast this machine is right now, so that figures of two days can be compared at all."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TURNS = 1_000_000
_PAGE = b"\0" * 8192  # what PostgreSQL writes at least per durable commit
_FSYNC_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """Two figures of the bare machine."""

    loop_ms: float
    """CPU milliseconds of a loop of a million additions in this Python; the least of three."""
    fsyncs_per_s: float
    """Writes of 8 KB made durable one after the other, where the database's files are."""
    load: float
    """Processes that ran or waited for a core in the minute before."""

    def as_json(self) -> dict[str, float]:
        """Return the figures, rounded."""
        return {
            "loop_ms": round(self.loop_ms, 1),
            "fsyncs_per_s": round(self.fsyncs_per_s),
            "load": round(self.load, 2),
        }

    def __str__(self) -> str:
        """Return one line for people."""
        return (
            f"calibration: a million additions {self.loop_ms:.1f} ms CPU, {self.fsyncs_per_s:.0f} fsyncs/s, "
            f"load {self.load:.2f} on {os.cpu_count()} cores"
        )


def calibrate(folder: Path) -> Calibration:
    """Measure for about a second; `folder` stands where the database will."""
    return Calibration(
        loop_ms=min(_loop_ms() for _ in range(3)), fsyncs_per_s=_fsyncs(folder), load=os.getloadavg()[0]
    )


def _loop_ms() -> float:
    began = time.process_time()
    total = 0
    for number in range(_TURNS):
        total += number
    return (time.process_time() - began) * 1000


def _fsyncs(folder: Path) -> float:
    path = folder / "calibration"
    count = 0
    with path.open("wb", buffering=0) as file:
        began = time.perf_counter()
        while time.perf_counter() - began < _FSYNC_SECONDS:
            os.pwrite(file.fileno(), _PAGE, 0)
            os.fdatasync(file.fileno())
            count += 1
        spent = time.perf_counter() - began
    path.unlink()
    return count / spent
