"""Auditing: whether everything that was begun has an end and a reason, or something to wait for."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from engage.domain.delivery.delivery import Mark
from engage.domain.ids import DeliveryId

OPEN = frozenset({Mark.QUEUED, Mark.HELD, Mark.SENDING, Mark.UNKNOWN})
"""Statuses after which something must still come."""
REASONED = frozenset({Mark.SKIPPED, Mark.FAILED, Mark.UNDELIVERED, Mark.BOUNCED, Mark.CANCELED})
"""Statuses that nobody understands without a reason, or a code of the provider's."""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """How many things in the ledger have no explanation. A sound ledger at rest has zeros, but for `open`."""

    open: int
    """Deliveries that have not come to an end: queued, held, being sent, or of unknown outcome."""
    stuck_deliveries: int
    """Those of them that nothing will ever move: no due time, no lease."""
    unexplained_deliveries: int
    """Deliveries that were skipped, failed, were not delivered or cancelled, and nothing says why."""
    unexplained_runs: int
    """Runs that ended, and nothing says why."""
    stuck_runs: int
    """Active runs that wait for nothing: no timer, no delivery under way, and their journey is not paused."""

    @property
    def sound(self) -> bool:
        """Return whether everything is explained and nothing is stuck."""
        return not (
            self.stuck_deliveries or self.unexplained_deliveries or self.unexplained_runs or self.stuck_runs
        )


class Auditing(Protocol):
    """Looks through the whole ledger: seconds, where there are millions of rows."""

    def audit(self) -> Audit:
        """Return what has no explanation. Facts that still lie in the inbox may be the missing ones."""
        ...

    def refs(self) -> Iterable[DeliveryId]:
        """Return the ids of all deliveries that a provider accepted, in order: what was sent as our reference."""
        ...
