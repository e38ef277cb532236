"""Senders, as the rooms share their rates."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from engage.domain.delivery.slowing import Slowness


class Senders(Protocol):
    """Rates of senders, shared by all workers."""

    def reserve(
        self,
        sender: str,
        now: datetime,
        spacing: float,
        costs: Sequence[int],
        horizon: float,
        most: int | None = None,
    ) -> list[datetime]:
        """Take a slot for each cost in order, none later than `now + horizon` seconds.

        A slot lasts its cost times `spacing` seconds; the next one begins then. With `most`, the costs of the calls that are
        open (see `open_calls`) never exceed it. Whoever reserves a sender's slots keeps others from it until the transaction ends.
        """
        ...

    def open_calls(self, sender: str, calls: Sequence[tuple[str, int]], until: datetime) -> None:
        """Note calls (name, cost) of a sender as open until then, unless it is heard before that they are over."""
        ...

    def slow_down(self, complaints: Iterable[tuple[str, datetime, str]]) -> None:
        """Let senders go slower from these instants on, because of these codes; see `engage.domain.delivery.slowing`."""
        ...

    def slowness(self, senders: Collection[str]) -> dict[str, Slowness]:
        """Return what is known of those that were ever told to slow down."""
        ...

    def close_calls(self, ends: Sequence[tuple[str, datetime]]) -> None:
        """Note until when each call counts. Idempotent; a call that is not open is no mistake."""
        ...
