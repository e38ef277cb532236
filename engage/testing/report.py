"""Report: what became of every scenario, as lines for a person and as JSON for a machine."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from engage.engine.explain.explain import Told


@dataclass(frozen=True, slots=True)
class Explained:
    """Every decision about one person of a scenario, up to its end; `told` is None where nobody is called so."""

    name: str
    zone: ZoneInfo
    told: Sequence[Told] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One scenario and everything that did not hold in it."""

    name: str
    file: str
    line: int
    failures: tuple[str, ...] = ()
    explained: tuple[Explained, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return not self.failures

    def lines(self, told: dict[str, str]) -> Iterator[str]:
        """Yield a line that says how it went, then what did not hold, indented.

        `told` remembers where a failure of several lines was told first: the others only point there.
        """
        yield f"{'ok  ' if self.ok else 'FAIL'}  {self.file}:{self.line}  {self.name}"
        for failure in self.failures:
            here = f"{self.file}:{self.line}"
            first = told.setdefault(failure, here) if "\n" in failure else here
            shown = failure if first == here else f"{failure.partition(chr(10))[0]} the same as at {first}"
            for line in shown.splitlines():
                yield f"        {line}"

    def as_json(self) -> dict[str, Any]:
        """Return its part of what `--json` prints."""
        return {
            "name": self.name,
            "file": self.file,
            "line": self.line,
            "ok": self.ok,
            "failures": list(self.failures),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All results, in the order of files and lines."""

    results: Sequence[Result]

    @property
    def passed(self) -> int:
        """How many scenarios held."""
        return sum(result.ok for result in self.results)

    @property
    def failed(self) -> int:
        """How many did not, those that could not be read included."""
        return len(self.results) - self.passed

    @property
    def ok(self) -> bool:
        """Whether all of them held."""
        return self.failed == 0

    def lines(self, below: Callable[[Result], Iterable[str]] = lambda result: ()) -> Iterator[str]:
        """Yield what `engage test` prints; the last line counts. `below` adds lines to a scenario's."""
        told: dict[str, str] = {}
        for result in self.results:
            yield from result.lines(told)
            yield from (f"        {line}" for line in below(result))
        yield f"{self.passed} passed, {self.failed} failed"

    def as_json(self) -> dict[str, Any]:
        """Return what `engage test --json` prints (scenarios.md)."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "scenarios": [result.as_json() for result in self.results],
        }
