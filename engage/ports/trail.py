"""Trail: who changed what is live — publications, pauses, stops — kept for good."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from engage.domain.fact import Json


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing an operator did."""

    at: datetime
    actor: str
    """Who did it: `cli:ada`, a user's address, a token's name."""
    action: str
    """`publish`, `rollback`, `pause`, `resume`, `archive`, `stop_sending`, `resume_sending` …"""
    subject: str
    """What it was done to: a journey, a channel, `project`."""
    data: Json = {}
    """What else is worth knowing; never personal data."""


class Trail(Protocol):
    """The audit trail. Append-only."""

    def add(self, entry: AuditEntry) -> None:
        """Append one entry; it is there if the transaction commits."""
        ...

    def newest(self, limit: int) -> Sequence[AuditEntry]:
        """Return the last entries, newest first."""
        ...
