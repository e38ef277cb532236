"""Touched: what one fact changed about a person, as far as rules may care."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engage.domain.expression import EventRead, Reads

_IDENTIFIERS = frozenset({"id", "user_id", "anonymous_id"})
_ADDRESSES = frozenset({"email", "phone"})
"""Traits that say on which address a person is subscribed."""


@dataclass(slots=True)
class Touched:
    """What one fact changed about a person, as far as rules may care."""

    traits: set[str] = field(default_factory=set)
    values: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Traits that have another value now: before and after."""
    at: datetime | None = None
    """When the values changed, where that is not now."""
    events: set[str] = field(default_factory=set)
    audiences: set[str] = field(default_factory=set)
    consent: bool = False
    everything: bool = False

    def __bool__(self) -> bool:
        """Whether anything changed at all."""
        return bool(self.traits or self.events or self.audiences or self.consent or self.everything)

    def concerns(self, reads: Reads) -> bool:
        """Return whether an expression that reads `reads` may have another value now."""
        return (
            self.everything
            or not self.traits.isdisjoint(reads.traits)
            or not self.traits.isdisjoint(reads.changed_at)
            or not self.audiences.isdisjoint(reads.audiences)
            or (reads.subscriptions and (self.consent or not self.traits.isdisjoint(_ADDRESSES)))
            or (bool(reads.identifiers) and not self.traits.isdisjoint(_IDENTIFIERS))
            or any(_read_names(read, self.events) for read in reads.events)
        )


def _read_names(read: EventRead, events: Collection[str]) -> bool:
    if read.name.endswith("*"):
        return any(name.startswith(read.name[:-1]) for name in events)
    return read.name in events
