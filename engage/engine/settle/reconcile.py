"""Reconcile: what a provider took and never told the end of — it is asked, and the answer comes in as its callback would have.

A look goes through the ledger of sends in the order of ids, a page a turn: read (a transaction), ask, write. Where it stands
lies in the job's row, so that a killed worker costs a page of questions; an answer that came in already is heard once.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog

from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import Receipt
from engage.domain.ids import DeliveryId, first_id
from engage.engine.accept.intake import Intake, Taken
from engage.engine.deliver.hands import Hands
from engage.engine.receive import receipt_piece
from engage.ports.channel import Sender, Sent, TellingSender
from engage.ports.clock import Clock, Hints
from engage.ports.storage import Job, Store

log = structlog.get_logger(__name__)

KIND = "reconcile"
VALIDITY = timedelta(hours=10, minutes=30)
"""Longer than a provider goes on trying (ten hours at most): its word after that is its last."""
LOOKS = (timedelta(hours=12), timedelta(days=2), timedelta(days=10))
"""How long after a delivery was asked for it is looked at: the first time if it left within an hour and a half; the later looks
are for what left late, as it was held, or we were away."""
OLDEST = timedelta(days=30)
"""What is older is asked about no more: an installation that begins to look does not ask about years."""
PATIENCE = timedelta(days=1)
"""How long a look waits for an answer about one delivery while the provider answers about others."""
PAGE = 2000
QUESTIONS = 50
QUESTIONS_AT_ONCE = 25
OPEN = frozenset({Mark.ACCEPTED, Mark.SENT, Mark.ANSWERED})
"""Statuses that are no end: a message that is `answered` there is none."""

Answer = tuple[Delivery, Sequence[Receipt] | None]


class Reconcile:
    """The room. Idempotent: two that ask at once are heard once, and so is a callback that comes after all."""

    def __init__(
        self,
        store: Store,
        senders: Mapping[Channel, Sender],
        clock: Clock,
        hints: Hints,
        *,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        """Ask those of `senders` that can tell; `pool` none asks one by one (tests)."""
        self._store, self._clock = store, clock
        self._tellers = {key: one for key, one in senders.items() if isinstance(one, TellingSender)}
        self._intake = Intake(store, hints)
        self._hands = None if pool is None else Hands(pool, QUESTIONS_AT_ONCE)

    def turn(self) -> bool:
        """Take every look a page further, with at most `QUESTIONS` questions; whether there is more to do now."""
        went_on = [self._look(age) for age in LOOKS]
        return any(went_on)

    def _look(self, age: timedelta) -> bool:
        now = self._clock.now()
        name = f"{KIND}:{age // timedelta(hours=1)}h"
        with self._store.transaction() as tx:
            job = tx.jobs.lock(name)
            before = None if job is None else job.cursor
            after = max(before or "", first_id(now - OLDEST))
            page = tx.deliveries.between(after, first_id(now - age), PAGE)
            still_open = [
                key
                for key, channel, status, accepted_at in page
                if channel in self._tellers
                and status in OPEN
                and accepted_at is not None
                and accepted_at <= now - VALIDITY
            ]
            found = tx.deliveries.get(still_open[:QUESTIONS])
        if not page:
            return False
        answers = self._ask_all([found[key] for key in sorted(found)], now)
        self._intake.store(
            Taken(
                [receipt_piece(delivery.lane, one, now) for delivery, told in answers for one in told or ()]
            )
        )
        keys = [key for key, *_ in page]
        rest = still_open[QUESTIONS:]
        end = keys.index(rest[0]) if rest else len(keys)
        waits = _waits(answers, now - age)
        if waits is not None:
            log.warning("reconcile.away", look=name)
            end = keys.index(waits)
        self._save(name, before, keys[end - 1] if end else after, len(answers))
        return waits is None and (bool(rest) or len(page) == PAGE)

    def _ask_all(self, deliveries: Sequence[Delivery], now: datetime) -> Sequence[Answer]:
        if self._hands is None:
            return [self._ask(delivery, now) for delivery in deliveries]
        return self._hands.do(lambda delivery: self._ask(delivery, now), deliveries)

    def _ask(self, delivery: Delivery, now: datetime) -> Answer:
        if delivery.provider_id is None:
            return delivery, ()
        sent = Sent(
            delivery=delivery.id,
            provider_id=delivery.provider_id,
            asked_at=now,
            sender=delivery.sender,
            to=delivery.address,
        )
        try:
            return delivery, self._tellers[delivery.channel].fate(sent)
        except Exception:
            # A mistake in a sender, or an answer nobody foresaw: it must not keep the others' questions from being asked.
            log.exception("fate.failed", channel=delivery.channel)
            return delivery, None

    def _save(self, name: str, before: str | None, cursor: str, asked: int) -> None:
        with self._store.transaction() as tx:
            job = tx.jobs.lock(name)
            if (None if job is None else job.cursor) != before:
                return  # another worker was here
            done = asked + (0 if job is None else job.done)
            # Always finished: it goes on for ever, and nobody waits for it.
            tx.jobs.save(Job(name=name, kind=KIND, cursor=cursor, done=done, finished_at=self._clock.now()))


def _waits(answers: Sequence[Answer], due: datetime) -> DeliveryId | None:
    """Return the first delivery that the look is not to pass, as the provider said nothing of it; one alone is not waited for for ever."""
    is_away = all(told is None for _, told in answers)
    silent = [
        delivery.id
        for delivery, told in answers
        if told is None and (is_away or delivery.id > first_id(due - PATIENCE))
    ]
    return min(silent, default=None)
