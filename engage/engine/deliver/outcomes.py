"""Outcomes: a provider's answer becomes a fact, and is kept until the database has taken it."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.delivery.ledger import NOT_CALLED
from engage.domain.fact import Json, NewFact, Outcome, encode
from engage.ports.channel import Accepted, Answer, Busy, Outbound, Rejected, Unknown
from engage.ports.clock import Clock, Hints
from engage.ports.storage import StorageAwayError, StorageBusyError, Store

WRITE_ATTEMPTS = 10
"""How often, a second apart, an outcome is offered to a database that does not take it."""
SOURCE = "deliver"


class Outcomes:
    """Writes outcomes. Nobody else knows them: what the database does not take is kept for the next time. Thread-safe."""

    def __init__(self, store: Store, clock: Clock, hints: Hints) -> None:
        """Write into the inbox of `store`, and tell digest."""
        self._store, self._clock, self._hints = store, clock, hints
        self._unwritten: list[NewFact] = []
        self._guard = threading.Lock()

    def write(self, outcomes: Sequence[NewFact], ends: Sequence[tuple[str, datetime]] = ()) -> None:
        """Write these, with what is left of earlier ones, and until when each call counts against its sender's rate.

        Raises:
            StorageAwayError: the database did not take them; they are kept.
        """
        with self._guard:
            facts, self._unwritten = [*self._unwritten, *outcomes], []
        if not facts:
            return
        try:
            self._offer(facts, ends)
        except BaseException:
            with self._guard:
                self._unwritten = [*facts, *self._unwritten]
            raise
        self._hints.digest({fact.lane for fact in facts})

    def _offer(self, facts: Sequence[NewFact], ends: Sequence[tuple[str, datetime]]) -> None:
        for attempt in range(1, WRITE_ATTEMPTS + 1):
            try:
                with self._store.transaction() as tx:
                    tx.inbox.add(facts)
                    tx.senders.close_calls(ends)
            except (StorageAwayError, StorageBusyError):
                if attempt == WRITE_ATTEMPTS:
                    raise
                self._clock.sleep_until(self._clock.now() + timedelta(seconds=1))
            else:
                return


def outcome_of(
    delivery: Delivery, outbound: Outbound, answer: Answer, at: datetime, provider: str | None
) -> Outcome:
    """Return the fact that a provider's answer is."""
    base = Outcome(
        delivery=delivery.id,
        profile=delivery.profile,
        mark=Mark.ACCEPTED,
        at=at,
        attempt=delivery.calls,
        provider=provider,
        address=outbound.to,
        sender=outbound.sender,
    )
    replace = msgspec.structs.replace
    match answer:
        case Accepted(provider_id=provider_id, segments=segments):
            return replace(base, provider_id=provider_id, segments=segments, answer=_told(answer))
        case Busy(code=code) if code == NOT_CALLED:
            return replace(base, mark=Mark.HELD, detail=NOT_CALLED)
        case Busy(retry_after=wait, code=code):
            retry_at = None if wait is None else at + wait
            return replace(
                base,
                mark=Mark.HELD,
                code=code,
                retry_at=retry_at,
                slows=answer.slows,
                cap=answer.cap,
                answer=_told(answer),
            )
        case Rejected(reason=reason, code=code, suppress=suppress, opt_out=opt_out):
            return replace(
                base,
                mark=Mark.FAILED,
                reason=reason,
                code=code,
                suppress=suppress,
                opt_out=opt_out,
                answer=_told(answer),
            )
        case Unknown(code=code):
            return replace(base, mark=Mark.UNKNOWN, code=code)


def _told(answer: Accepted | Busy | Rejected) -> Json | None:
    return None if answer.answer is None else dict(answer.answer)


def outcome_fact(delivery: Delivery, outcome: Outcome, at: datetime) -> NewFact:
    """Return an outcome as it goes into the inbox; one per delivery, attempt and kind."""
    return NewFact(
        lane=delivery.lane,
        source=SOURCE,
        message_id=f"{delivery.id}/{delivery.calls}/{outcome.mark}",
        received_at=at,
        payload=encode(outcome),
    )
