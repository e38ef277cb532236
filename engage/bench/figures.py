"""Figures: what a workload has measured, what it may cost, and whether it kept to that."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """The most, or the least, that may be; a figure that is not named is not judged."""

    at_most: Mapping[str, float] = field(default_factory=dict)
    at_least: Mapping[str, float] = field(default_factory=dict)

    def missed(self, values: Mapping[str, Any]) -> list[str]:
        """Return the names of figures outside the budget; one that was not measured counts as outside."""
        low = [n for n, most in self.at_most.items() if values.get(n) is None or values[n] > most]
        return low + [n for n, least in self.at_least.items() if values.get(n) is None or values[n] < least]

    def as_json(self) -> dict[str, float]:
        """Return the bounds by figure."""
        return {**self.at_most, **self.at_least}


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One workload's outcome. Times in the unit their name says; `stages` are CPU seconds per 1,000."""

    cpu_s_per_1000: float | None = None
    per_s: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    more: Mapping[str, float] = field(default_factory=dict)
    """Figures of this workload alone, by a name that carries the unit."""
    faults: Sequence[str] = ()
    """What went wrong apart from speed: lost, duplicated, refused. Any of them makes the run not ok."""
    naive: "Figures | None" = None

    @classmethod
    def of_cpu(cls, *, count: int, seconds: float, stages: Mapping[str, float], **rest: Any) -> Self:
        """Return the figures of `count` things done in `seconds` of wall time with these CPU seconds by stage."""
        per_thousand = {name: spent * 1000 / count for name, spent in stages.items()}
        return cls(
            cpu_s_per_1000=sum(per_thousand.values()), per_s=count / seconds, stages=per_thousand, **rest
        )

    def values(self) -> dict[str, float]:
        """Return every single figure by name."""
        own = {f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), int | float)}
        return {**own, **self.more}

    def as_json(self, budget: Budget | None = None) -> dict[str, Any]:
        """Return the workload's object of `engage bench --json`."""
        found: dict[str, Any] = {name: round(value, 4) for name, value in self.values().items()}
        if budget is not None:
            found["budget"] = budget.as_json()
            found["ok"] = not budget.missed(self.values()) and not self.faults
        if self.stages:
            found["stages"] = {name: round(value, 4) for name, value in self.stages.items()}
        if self.faults:
            found["faults"] = list(self.faults)
        if self.naive is not None:
            found["naive"] = {**self.naive.as_json(), **self.ratios()}
        return found

    def ratios(self) -> dict[str, float]:
        """Return how many times the naive twin's CPU ours is worth, and how many times its rate ours is."""
        if self.naive is None:
            return {}
        ours, theirs = self.values(), self.naive.values()
        found = {}
        if ours.get("cpu_s_per_1000") and theirs.get("cpu_s_per_1000"):
            found["times_cpu"] = round(theirs["cpu_s_per_1000"] / ours["cpu_s_per_1000"], 1)
        if ours.get("per_s") and theirs.get("per_s"):
            found["times_rate"] = round(ours["per_s"] / theirs["per_s"], 1)
        return found


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds.

    Raises:
        ValueError: nothing was measured.
    """
    if not seconds:
        raise ValueError("no latency was measured")
    ordered = sorted(seconds)
    return {f"p{share}_ms": ordered[_rank(len(ordered), share)] * 1000 for share in (50, 95, 99)}


def _rank(count: int, share: int) -> int:
    """Nearest rank: the smallest value that at least `share` per cent do not exceed."""
    return max(0, -(-count * share // 100) - 1)


def median(runs: Sequence[Figures]) -> Figures:
    """Return the runs' medians, figure by figure; faults of any run stay.

    Raises:
        ValueError: there are no runs.
    """
    if not runs:
        raise ValueError("no run to take a median of")
    if len(runs) == 1:
        return runs[0]

    def middle(name: str) -> float | None:
        known = [value for run in runs if (value := getattr(run, name)) is not None]
        return statistics.median(known) if known else None

    return replace(
        runs[-1],
        cpu_s_per_1000=middle("cpu_s_per_1000"),
        per_s=middle("per_s"),
        p50_ms=middle("p50_ms"),
        p95_ms=middle("p95_ms"),
        p99_ms=middle("p99_ms"),
        stages=_middles([run.stages for run in runs]),
        more=_middles([run.more for run in runs]),
        faults=[fault for run in runs for fault in run.faults],
    )


def _middles(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs if name in run) for name in runs[-1]}
