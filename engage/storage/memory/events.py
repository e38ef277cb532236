"""Events in memory."""

from collections.abc import Collection, Mapping
from datetime import datetime

from engage.domain.ids import ProfileId
from engage.domain.profile import Event
from engage.storage.coding import decoder
from engage.storage.memory.rows import EventRow
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
        names = {name: bound for name, bound in reads.items() if not name.endswith("*")}
        prefixes = [(name[:-1], bound) for name, bound in reads.items() if name.endswith("*")]
        decode = decoder(Event).decode

        def wanted(row: EventRow) -> bool:
            if row.type == "reserved":
                return False
            at = row.key.timestamp
            if row.name in names and ((bound := names[row.name]) is None or at >= bound):
                return True
            return any(row.name.startswith(prefix) and (b is None or at >= b) for prefix, b in prefixes)

        found: dict[ProfileId, list[Event]] = {}
        for profile in profiles:
            rows = [row for row in self._work.events.where("profile", profile) if wanted(row)]
            rows.sort(key=lambda row: (row.key.timestamp, row.arrival, row.key.id))
            found[profile] = [decode(row.doc) for row in rows]
        return found
