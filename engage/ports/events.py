"""Events: what happened to people, as storage has it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Event


class Events(Protocol):
    """What happened to people."""

    def history(
        self, profiles: Collection[ProfileId], reads: Mapping[str, datetime | None]
    ) -> dict[ProfileId, list[Event]]:
        """Return events by name (or `Prefix*`), each not older than its bound (none: all), ordered by
        (timestamp, arrival). Events of type `reserved` are not history."""
        ...

    def later(self, marks: Mapping[ProfileId, Mapping[str, datetime | None]]) -> dict[ProfileId, list[Event]]:
        """Return events by name (or `Prefix*`) that happened after each person's own instant for it (none: all), in the
        order of `history`."""
        ...

    def stored(self, profiles: Collection[ProfileId], events: Collection[str]) -> dict[ProfileId, set[str]]:
        """Return which of these events, by id, there are of these people; whoever has none has an empty set."""
        ...
