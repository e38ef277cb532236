"""What the console needs from the rest of the house; whoever mounts it fills it in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from engage.domain.catalog import Catalog
from engage.domain.journey import Journey
from engage.ports.reading import Reading, StepNumbers


class Now(Protocol):
    """The clock, as far as this face needs it."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        ...


Graph = Callable[[Journey, Mapping[str, StepNumbers]], str]
"""Draws a journey with the numbers of its steps, by their ids, as SVG."""


@dataclass(frozen=True, kw_only=True)
class ConsoleDeps:
    """Everything `create_console` is given."""

    reading: Reading
    catalog: Callable[[], Catalog]
    """The live definitions: the same object until they change, and cheap to ask for."""
    clock: Now
    holder: Callable[[str], str | None]
    """The name of whoever holds an API token that may read, None for nobody. May ask the database."""
    secrets: Sequence[str] = field(repr=False)
    """For sessions: the first signs, all verify."""
    graph: Graph | None = None
    """Without it a journey is shown as a table of its steps alone."""
    public: bool = False
    """No login: the demo, on one's own machine."""
    secure: bool = False
    """Whether the console is reached by HTTPS, so that its cookie may insist on that."""
