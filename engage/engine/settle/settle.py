"""Settle: calls whose outcome nobody knows — by callback, else by asking, and only then by the topic's class."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from engage.domain.catalog import Catalog
from engage.domain.delivery.delivery import Channel, Delivery, FailReason, Mark
from engage.domain.delivery.ledger import ASK_AFTER, GIVE_UP_AFTER
from engage.domain.delivery.withdrawing import TAKE_BACK
from engage.domain.fact import NewFact, Outcome, encode
from engage.engine import strays
from engage.engine.accept.intake import Intake
from engage.engine.accept.intake import Taken as Told
from engage.engine.deliver.hands import Hands
from engage.engine.receive import placed_pieces
from engage.ports.channel import CannotSay, NotTaken, Question, Sender, Taken
from engage.ports.clock import Clock, Hints
from engage.ports.storage import Store, Transaction

log = structlog.get_logger(__name__)

BATCH = 200
QUESTIONS_AT_ONCE = 25
SOURCE = "settle"
AT_ONCE = timedelta(minutes=5)
"""Calls to one address within this time are told apart by nothing but the provider's ids; two minutes and clocks that differ."""

CatalogOf = Callable[[Transaction], Catalog]


@dataclass(slots=True)
class Settled:
    """What a turn did."""

    lost_workers: int = 0
    asked: int = 0


class Settle:
    """The room. Idempotent: what it finds goes into the inbox under an id of its own."""

    def __init__(
        self,
        store: Store,
        catalog_of: CatalogOf,
        senders: Mapping[Channel, Sender],
        clock: Clock,
        hints: Hints,
        *,
        stream_window: timedelta = timedelta(minutes=10),
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        """`stream_window`: how long a provider's event stream may be silent about a mail that it did take; `pool` none
        asks one by one (tests)."""
        self._store, self._catalog_of, self._senders = store, catalog_of, senders
        self._clock, self._hints, self._window = clock, hints, stream_window
        self._hands = None if pool is None else Hands(pool, QUESTIONS_AT_ONCE)
        self._intake = Intake(store, hints)

    def turn(self) -> Settled:
        """Judge expired leases of dead workers, say which phone calls are to be taken back, place receipts that came too
        early, then ask about unknown outcomes whose time has come."""
        now = self._clock.now()
        self._place_strays(now)
        with self._store.transaction() as tx:
            expired = tx.deliveries.expired_leases(self._clock.machine(), BATCH)
            lost = [delivery for delivery, _, worker in expired if not self._store.worker_alive(worker)]
            facts = [
                _fact(delivery, _outcome(delivery, Mark.UNKNOWN, now, detail="lease"), now, "lost")
                for delivery in tx.deliveries.get(lost).values()
            ]
            overdue = tx.deliveries.get(tx.deliveries.overdue_calls(now, BATCH))
            facts += [
                _fact(delivery, _outcome(delivery, Mark.HELD, now, detail=TAKE_BACK), now, TAKE_BACK)
                for delivery in overdue.values()
            ]
            unknown = tx.deliveries.get([delivery for delivery, _ in tx.deliveries.unknown(now, BATCH)])
            catalog = self._catalog_of(tx)
            questions = [
                (delivery, self._question(tx, delivery), self._not_in_stream(tx, delivery, now))
                for delivery in unknown.values()
            ]
        # Whoever waits for a judgement is not to wait for a provider's answers about somebody else's call.
        self._write(facts)
        self._write(self._ask_all(catalog, questions))
        return Settled(lost_workers=len(lost), asked=len(questions))

    def _place_strays(self, now: datetime) -> None:
        with self._store.transaction() as tx:
            found, jobs = strays.look(tx, now)
        if found:
            self._intake.store(Told([piece for one in found for piece in placed_pieces(*one)]))
            with self._store.transaction() as tx:
                strays.finish(tx, jobs, now)

    def _write(self, facts: Sequence[NewFact]) -> None:
        if facts:
            with self._store.transaction() as tx:
                tx.inbox.add(facts)
            self._hints.digest({fact.lane for fact in facts})

    def _ask_all(
        self, catalog: Catalog, questions: Sequence[tuple[Delivery, Question, bool]]
    ) -> Sequence[NewFact]:
        if self._hands is None:
            return [self._ask(catalog, *question) for question in questions]
        return self._hands.do(lambda question: self._ask(catalog, *question), questions)

    def _question(self, tx: Transaction, delivery: Delivery) -> Question:
        address = delivery.address or ""
        return Question(
            delivery=delivery.id,
            channel=delivery.channel,
            to=address,
            called_at=delivery.sending_at or delivery.asked_at,
            known_ids=tx.deliveries.ids_at(delivery.channel, address),
            sender=delivery.sender,
        )

    def _not_in_stream(self, tx: Transaction, delivery: Delivery, now: datetime) -> bool:
        """Whether the provider told us of later sends, for long enough, and never of this one: mail's own proof."""
        if delivery.channel is not Channel.EMAIL:
            return False
        called = delivery.sending_at or delivery.asked_at
        return now >= called + self._window and tx.deliveries.heard_of_later(delivery.channel, called)

    def _ask(self, catalog: Catalog, delivery: Delivery, question: Question, silent: bool) -> NewFact:
        answer = self._answer(question)
        now = self._clock.now()
        if isinstance(answer, Taken) and self._is_perhaps_anothers(question, answer):
            answer = CannotSay()
        match answer:
            case Taken(provider_id=provider_id):
                outcome = _outcome(delivery, Mark.ACCEPTED, now, provider_id=provider_id)
            case NotTaken():
                outcome = _outcome(delivery, Mark.HELD, now, detail="not_taken")
            case CannotSay():
                outcome = self._cannot_say(catalog, delivery, silent, now)
        return _fact(delivery, outcome, now, "asked")

    def _answer(self, question: Question) -> Taken | NotTaken | CannotSay:
        sender = self._senders.get(question.channel)
        try:
            return CannotSay() if sender is None else sender.ask(question)
        except Exception:
            # A mistake in a sender, or an answer nobody foresaw: it must not keep the others' questions from being asked.
            log.exception("ask.failed", channel=question.channel)
            return CannotSay()

    def _is_perhaps_anothers(self, question: Question, answer: Taken) -> bool:
        """Whether what the provider found may be the fruit of another call to the same address.

        It was found by address and time. Whoever's it is had reserved it before, so that it is looked for after the answer.
        """
        with self._store.transaction() as tx:
            if answer.provider_id in tx.deliveries.ids_at(question.channel, question.to):
                return True
            doubtful = tx.deliveries.in_doubt_at(question.channel, question.to)
        return any(
            one.id != question.delivery
            and abs((one.sending_at or one.asked_at) - question.called_at) < AT_ONCE
            for one in doubtful
        )

    def _cannot_say(self, catalog: Catalog, delivery: Delivery, silent: bool, now: datetime) -> Outcome:
        if silent:
            return _outcome(delivery, Mark.HELD, now, detail="not_taken")
        if now < (delivery.unknown_since or now) + GIVE_UP_AFTER:
            return _outcome(delivery, Mark.UNKNOWN, now, retry_at=now + ASK_AFTER)
        if catalog.settings.never_lost(delivery.topic):
            return _outcome(delivery, Mark.HELD, now, detail="send_again")
        return _outcome(delivery, Mark.FAILED, now, reason=FailReason.UNKNOWN_OUTCOME)


def _outcome(
    delivery: Delivery,
    mark: Mark,
    at: datetime,
    *,
    provider_id: str | None = None,
    reason: str | None = None,
    retry_at: datetime | None = None,
    detail: str | None = None,
) -> Outcome:
    return Outcome(
        delivery=delivery.id,
        profile=delivery.profile,
        mark=mark,
        at=at,
        attempt=delivery.calls,
        provider_id=provider_id,
        reason=reason,
        retry_at=retry_at,
        detail=detail,
    )


def _fact(delivery: Delivery, outcome: Outcome, at: datetime, what: str) -> NewFact:
    """One fact per delivery, call and question: two settlers that ask at once are heard once."""
    moment = "" if what == "lost" else f"/{delivery.due_at.isoformat() if delivery.due_at else ''}"
    return NewFact(
        lane=delivery.lane,
        source=SOURCE,
        message_id=f"{delivery.id}/{delivery.calls}/{what}{moment}",
        received_at=at,
        payload=encode(outcome),
    )
