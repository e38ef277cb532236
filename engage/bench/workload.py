"""Workload: one line of the budget page — what is done, on what, and what it may cost."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Self

from engage.bench.figures import Budget, Figures
from engage.bench.stack import Ground, Stack, ground, running_stack


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What was asked for; none: the workload's own default."""

    messages: int | None = None
    seconds: float | None = None
    profiles: int | None = None


class Place:
    """Where workloads run: servers and processes, started when the first workload asks for them, stopped at the end."""

    def __init__(self) -> None:
        self._open = ExitStack()

    @cached_property
    def ground(self) -> Ground:
        """PostgreSQL and Valkey in a folder of their own."""
        return self._open.enter_context(ground())

    @cached_property
    def stack(self) -> Stack:
        """API, workers and beat with the bench's project live; workloads share it and each has people of its own."""
        return self._open.enter_context(running_stack(self.ground))

    def clear(self) -> None:
        """Stop everything: who comes next begins with an empty folder."""
        self._open.close()
        for name in ("ground", "stack"):
            self.__dict__.pop(name, None)

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was started."""
        self.clear()


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """One row of the table in `workloads/`."""

    name: str
    """Its letter on the budget page."""
    about: str
    """What the figures are figures of, in a few words."""
    budget: Budget
    run: Callable[[Place, Wish], Figures]
    naive: Callable[[Stack, Wish], Figures] | None = None
    """The same on the naive twin, where there is one."""
    alone: bool = False
    """Whether it wants an empty database, and leaves one behind that nobody else should measure on."""
