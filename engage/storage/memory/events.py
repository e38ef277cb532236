"""Events in memory."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from engage.domain.forms import names_match
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import RESERVED_TYPE, Event
from engage.storage.coding import decoder
from engage.storage.memory.work import Work


class MemoryEvents:
    """What happened to people."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def history(
        self, profiles: Collection[ProfileId], reads: Mapping[str, datetime | None]
    ) -> dict[ProfileId, list[Event]]:
        """Return events by name (or `Prefix*`) and bound, ordered by (timestamp, arrival)."""
        return self._of(dict.fromkeys(profiles, reads), lambda at, bound: at >= bound)

    def later(self, marks: Mapping[ProfileId, Mapping[str, datetime | None]]) -> dict[ProfileId, list[Event]]:
        """Return events by name (or `Prefix*`) that happened after each one's own instant, in order."""
        return self._of(marks, lambda at, bound: at > bound)

    def stored(self, profiles: Collection[ProfileId], events: Collection[str]) -> dict[ProfileId, set[str]]:
        """Return which of these events, by id, there are of these people."""
        return {
            profile: {
                row.key.id for row in self._work.events.where("profile", profile) if row.key.id in events
            }
            for profile in profiles
        }

    def _of(
        self,
        wanted: Mapping[ProfileId, Mapping[str, datetime | None]],
        reaches: Callable[[datetime, datetime], bool],
    ) -> dict[ProfileId, list[Event]]:
        decode = decoder(Event).decode
        found: dict[ProfileId, list[Event]] = {}
        for profile, reads in wanted.items():
            rows = [
                row
                for row in self._work.events.where("profile", profile)
                if row.type != RESERVED_TYPE
                and any(
                    names_match((name,), row.name) and (bound is None or reaches(row.key.timestamp, bound))
                    for name, bound in reads.items()
                )
            ]
            rows.sort(key=lambda row: (row.key.timestamp, row.arrival, row.key.id))
            found[profile] = [decode(row.doc) for row in rows]
        return found
