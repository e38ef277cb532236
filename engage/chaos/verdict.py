"""Verdict: the ledger against the sandbox's record, in the numbers that interfaces.md names."""

from datetime import UTC, datetime

import msgspec

from engage.chaos.installation import Installation
from engage.chaos.story import NEVER_LOST
from engage.domain.delivery.delivery import FailReason, Mark
from engage.ports.auditing import REASONED
from engage.storage.postgres.store import PostgresStore
from engage.testing.evidence import ledger_of_postgres
from engage.testing.invariants import (
    Ledger,
    No,
    Outside,
    breaches,
    everything_has_come_to_rest,
    no_is_heard,
    nobody_gets_anything_twice,
    nobody_is_stuck,
    nothing_accepted_is_lost_or_counted_twice,
)
from engage.testing.record import taken


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What chaos came to; all but `accepted`, `unknown_outcome` and `kills` must be 0."""

    accepted: int
    """Deliveries that a provider accepted."""
    duplicates: int
    """Accepted more than once for one (run, step, visit) of `never_twice`."""
    lost: int
    """Accepted facts, or deliveries, without a final state and reason."""
    after_stop: int
    """Calls that started more than two seconds after the answer to an opt-out."""
    stuck: int
    """Runs that wait for nothing."""
    unknown_outcome: int
    """Deliveries openly given up, or still being asked about."""
    kills: int

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.duplicates or self.lost or self.after_stop or self.stuck)


def judge(place: Installation, told: dict[str, str], noes: list[No], kills: int) -> tuple[Verdict, list[str]]:
    """Return the verdict, and every broken promise in words."""
    with place.sandbox() as sandbox:
        messages = sandbox.call("GET", "/_sandbox/messages", timeout=120)["messages"]
    outside = Outside(told=dict(told), calls=taken(messages), noes=list(noes))
    store = PostgresStore(place.services.database_url, min_size=1, max_size=1)
    try:
        ledger = ledger_of_postgres(store, datetime.now(UTC), never_lost=NEVER_LOST)
    finally:
        store.close()
    return verdict_of(ledger, outside, kills), breaches(ledger, outside)


def verdict_of(ledger: Ledger, outside: Outside, kills: int) -> Verdict:
    """Return what a ledger at rest, and what happened outside, come to."""
    lost = (nothing_accepted_is_lost_or_counted_twice, everything_has_come_to_rest)
    without_end = {Mark.QUEUED, Mark.HELD, Mark.SENDING}
    without_reason = [
        d for d in ledger.deliveries.values() if d.status in REASONED and not (d.reason or d.code)
    ]
    return Verdict(
        accepted=len(outside.taken()),
        duplicates=len(list(nobody_gets_anything_twice(ledger, outside))),
        lost=sum(len(list(promise(ledger, outside))) for promise in lost)
        + sum(delivery.status in without_end for delivery in ledger.deliveries.values())
        + len(without_reason),
        after_stop=len(list(no_is_heard(ledger, outside))),
        stuck=len(list(nobody_is_stuck(ledger, outside))),
        unknown_outcome=sum(
            delivery.status is Mark.UNKNOWN or delivery.reason == FailReason.UNKNOWN_OUTCOME
            for delivery in ledger.deliveries.values()
        ),
        kills=kills,
    )
