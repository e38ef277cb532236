"""The audit trail in memory."""

from collections.abc import Sequence

from engage.ports.trail import AuditEntry
from engage.storage.coding import decoder, encode
from engage.storage.memory.work import Work


class MemoryTrail:
    """The audit trail."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def add(self, entry: AuditEntry) -> None:
        """Append one entry."""
        self._work.audit.put(next(self._work.sequences.other), encode(entry))

    def newest(self, limit: int) -> Sequence[AuditEntry]:
        """Return the last entries, newest first."""
        table = self._work.audit
        numbers = sorted({*table.table.rows, *table.changed}, reverse=True)[:limit]
        rows = [row for number in numbers if (row := table.get(number)) is not None]
        return [decoder(AuditEntry).decode(row) for row in rows]
