"""Destinations: systems of the project's that are told what happened to people."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from engage.domain.fact import Json
from engage.ports.channel import Answer

BATCH = 100
"""Calls in one request: Segment takes 500 KB, and a call is at most 32 KB but hardly ever above 2."""


class Destination(Protocol):
    """One system. Thread-safe. Every call carries its own `messageId`, so that repeating one is safe."""

    def take(self, calls: Sequence[Json], key: str) -> Answer:
        """Send calls in Segment's shapes in one request and say what became of it. Never raises for what it can do.

        `key` names the request: the same again is the same request.
        """
        ...


Destinations = Mapping[str, Destination]
"""By the name that `sync:` and `replay --to` use."""
