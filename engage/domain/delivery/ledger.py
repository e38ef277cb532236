"""Ledger: what an outcome or a receipt does to a delivery, to consent, and to the run that waits for it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from engage.domain.consent.consent import (
    EVERY_TOPIC,
    ConsentState,
    SuppressionEntry,
    family,
    ledger_key,
)
from engage.domain.consent.unreached import UNREACHABLE, is_given_up
from engage.domain.consent.writing import stop, write_consent
from engage.domain.decision import Decided
from engage.domain.delivery.delivery import (
    SETTLED,
    TEMPLATE_ONLY,
    UNSUCCESSFUL,
    Channel,
    Delivery,
    FailReason,
    HoldReason,
    Mark,
    SkipReason,
    reached,
)
from engage.domain.delivery.events import delivery_properties, event_of
from engage.domain.delivery.once_more import ask_for_template, ask_next_day
from engage.domain.delivery.withdrawing import TAKE_BACK, take_back, withdraw_if_late
from engage.domain.fact import Outcome, Receipt
from engage.domain.journey.awaited import tell_run
from engage.domain.journey.run import Run
from engage.domain.journey.walk import NO_RUN
from engage.domain.profile.person import Person
from engage.domain.profile.touched import Touched
from engage.domain.turn.changes import ReceiptRow
from engage.domain.turn.react import react
from engage.domain.turn.turn import Turn

GIVE_UP_AFTER = timedelta(hours=1)
"""How long a refused or unknown call is tried again; vocabulary.md, "Provider trouble"."""
ASK_AFTER = timedelta(seconds=60)
"""A provider is not asked about an unknown outcome before this; vocabulary.md, "Provider trouble"."""
RETRY_AFTER_NOT_TAKEN = timedelta(seconds=1)
MAX_BACKOFF = timedelta(minutes=5)
NOT_CALLED = "not_called"
"""Detail of an attempt that we took back ourselves: no refusal of the provider's, so that it counts for nothing."""
RUN_ENDED = "run_ended"
"""Why a call is not repeated whose run ended so long ago that its own reason is not at hand."""

_TELLING = ("code", "reason", "url", "link_id", "digits", "speech", "choice", "answered_by", "duration")
_COUNTED = ("SMS ", "WhatsApp ")
"""Events of messages that may have segments."""
_REPEATABLE = frozenset({Mark.OPENED, Mark.OPENED_ANY, Mark.CLICKED, Mark.DEFERRED, Mark.DIGITS})


def on_outcome(turn: Turn, person: Person, delivery: Delivery, outcome: Outcome) -> None:
    """Take in what became of an attempt, or of a judgement at release. Idempotent: a repeat changes nothing."""
    mark = Mark(outcome.mark)
    if outcome.detail == TAKE_BACK:
        turn.changes.deliveries[delivery.id] = delivery
        take_back(turn, person, delivery)
        return
    if mark is not Mark.UNKNOWN and mark in delivery.marks:
        return
    if delivery.marks and outcome.reason == FailReason.UNKNOWN_OUTCOME:
        return  # it became known while the question was under way
    if mark in (Mark.UNKNOWN, Mark.HELD) and 0 < outcome.attempt < delivery.calls:
        return  # another attempt is under way: this one is no longer what matters
    turn.changes.deliveries[delivery.id] = delivery
    delivery.lease = delivery.lease_until = None
    delivery.address = outcome.address or delivery.address
    delivery.provider = outcome.provider or delivery.provider
    match mark:
        case Mark.ACCEPTED:
            _accepted(turn, person, delivery, outcome)
        case Mark.HELD:
            _again(turn, person, delivery, outcome)
        case Mark.UNKNOWN:
            _unknown(turn, person, delivery, outcome)
        case _:
            _ended(turn, person, delivery, outcome, mark)


def _keep_answer(turn: Turn, person: Person, delivery: Delivery, outcome: Outcome) -> None:
    """Keep what a webhook answered as `run.<save_as>`, before the run goes on."""
    name = delivery.variables.get("save_as") if delivery.channel is Channel.WEBHOOK else None
    run = None if delivery.run is None else person.run(delivery.run)
    if name is not None and run is not None:
        run.variables = {**run.variables, name: outcome.answer or {"status": None, "body": None}}
        turn.changes.runs.setdefault(run.id, run)


def _accepted(turn: Turn, person: Person, delivery: Delivery, outcome: Outcome) -> None:
    _keep_answer(turn, person, delivery, outcome)
    delivery.provider_id = outcome.provider_id or delivery.provider_id
    delivery.segments = outcome.segments or delivery.segments
    delivery.accepted_at = outcome.at
    delivery.due_at, delivery.unknown_since = delivery.rings_until, None
    if UNSUCCESSFUL.isdisjoint(reached(delivery.marks)):
        delivery.reason = delivery.code = (
            None  # why it waited until now is over; how it ended may have been told already
        )
    _decide(turn, person, delivery, "accepted", None)
    _mark(turn, person, delivery, Mark.ACCEPTED, {})
    _take_back_if_late(turn, person, delivery)


def _again(turn: Turn, person: Person, delivery: Delivery, outcome: Outcome) -> None:
    """Refused before it was taken: wait and call again, for at most an hour; where a day's cap is used up, the next day."""
    if not delivery.waits_for_release() and delivery.status not in (Mark.SENDING, Mark.UNKNOWN):
        return
    if _left_behind(turn, person, delivery):
        run = None if delivery.run is None else person.run(delivery.run)
        delivery.due_at, delivery.reason = None, RUN_ENDED if run is None else run.reason
        _mark(turn, person, delivery, Mark.CANCELED, {})
        return
    first = delivery.first_call_at or outcome.at
    turn.slow_down(delivery, outcome)
    if outcome.cap is not None:
        delivery.hold_until_renewed(outcome.cap, outcome.at, outcome.code)
        return
    if outcome.detail == "not_taken":
        delivery.attempts = 0
        delivery.unknown_since = None
        due = outcome.at + RETRY_AFTER_NOT_TAKEN
    elif outcome.detail == NOT_CALLED:
        delivery.first_call_at = None if delivery.calls <= 1 else delivery.first_call_at
        first, due = outcome.at, outcome.at + RETRY_AFTER_NOT_TAKEN
    elif outcome.detail == "send_again":
        # Given up as unknown, and the topic would rather send twice than lose it: as if it were asked for now.
        delivery.attempts, delivery.unknown_since, delivery.first_call_at = 0, None, None
        first, due = outcome.at, outcome.at + RETRY_AFTER_NOT_TAKEN
    else:
        backoff = min(timedelta(seconds=2 ** min(delivery.attempts, 20)), MAX_BACKOFF)
        delivery.attempts += 1
        due = outcome.retry_at or outcome.at + backoff
    if due > first + GIVE_UP_AFTER or _tried_enough(delivery):
        failed = Outcome(
            delivery=delivery.id,
            profile=person.id,
            mark=Mark.FAILED,
            at=outcome.at,
            reason=FailReason.PROVIDER_ERROR,
            code=outcome.code,
            answer=outcome.answer,
        )
        _ended(turn, person, delivery, failed, Mark.FAILED)
        return
    delivery.reason = HoldReason.RETRY
    delivery.code = outcome.code
    delivery.stand(Mark.HELD, due)


def _left_behind(turn: Turn, person: Person, delivery: Delivery) -> bool:
    """Return whether the run that asked has ended meanwhile; what its last steps ask for outlives it."""
    if delivery.run is None or delivery.journey is None or delivery.version is None:
        return False
    run = person.run(delivery.run)
    if run is not None and run.active:
        return False
    return not turn.catalog.outlives_its_run(delivery.journey, delivery.version, delivery.step or "")


def _tried_enough(delivery: Delivery) -> bool:
    """Return whether a webhook was repeated as often as its step says."""
    return delivery.channel is Channel.WEBHOOK and delivery.attempts > int(delivery.variables["retries"])


def _unknown(turn: Turn, person: Person, delivery: Delivery, outcome: Outcome) -> None:
    """The request left and no answer came: wait for the callback, and ask the provider after a while."""
    if delivery.marks or delivery.waits_for_release():
        return
    is_news = delivery.phase is not Mark.UNKNOWN
    delivery.unknown_since = delivery.unknown_since or outcome.at
    delivery.reason, delivery.code = "unknown", outcome.code or delivery.code
    delivery.stand(Mark.UNKNOWN, outcome.retry_at or outcome.at + ASK_AFTER)
    if is_news:
        _decide(turn, person, delivery, "unknown", None)


def _ended(turn: Turn, person: Person, delivery: Delivery, outcome: Outcome, mark: Mark) -> None:
    _keep_answer(turn, person, delivery, outcome)
    reason, code = outcome.reason, outcome.code
    if outcome.opt_out:
        mark, reason = Mark.SKIPPED, SkipReason.UNSUBSCRIBED
        if delivery.address is not None:
            stop(
                turn, person, delivery.channel, delivery.address, f"provider:{outcome.provider}", stopped=True
            )
    if outcome.suppress and delivery.address is not None:
        _suppress(turn, person, delivery, reason or "invalid_address")
    delivery.reason, delivery.code, delivery.rule = reason, code, outcome.rule
    delivery.due_at = None
    _decide(turn, person, delivery, str(mark), reason)
    _mark(turn, person, delivery, mark, {"code": code, "reason": reason})


def on_receipt(turn: Turn, person: Person, delivery: Delivery, receipt: Receipt) -> None:
    """Take in what the provider told us by webhook. Order-free; a repeat changes nothing."""
    mark = Mark(receipt.mark)
    if mark is Mark.OPENED and receipt.machine:
        mark = Mark.OPENED_ANY
    delivery.provider = delivery.provider or receipt.provider
    delivery.provider_id = delivery.provider_id or receipt.provider_id
    turn.changes.deliveries[delivery.id] = delivery
    turn.changes.receipts.append(
        ReceiptRow(
            delivery=delivery.id,
            profile=person.id,
            receipt_id=receipt.receipt_id,
            mark=mark,
            at=receipt.at,
            provider=receipt.provider,
            code=receipt.code,
            data=_told(receipt),
        )
    )
    if Mark.ACCEPTED not in reached(delivery.marks) and Mark.ACCEPTED in reached([mark]):
        _found_taken(turn, person, delivery, receipt)
    if mark in (Mark.FAILED, Mark.UNDELIVERED, Mark.BOUNCED, Mark.DROPPED):
        delivery.code = receipt.code or delivery.code
        delivery.reason = receipt.reason or delivery.reason
    if mark is Mark.ANSWERED:
        delivery.reason = None  # that it was about to be taken back
    turn.slow_down(delivery, receipt)
    delivery.soft = delivery.soft or receipt.soft
    if receipt.suppress or mark is Mark.COMPLAINED or (mark is Mark.BOUNCED and receipt.hard):
        _suppress(turn, person, delivery, str(mark))
    elif receipt.soft and is_given_up(turn, delivery):
        _suppress(turn, person, delivery, UNREACHABLE)
    if mark in (Mark.UNSUBSCRIBED, Mark.RESUBSCRIBED):
        _said(
            turn,
            person,
            delivery,
            ConsentState.UNSUBSCRIBED if mark is Mark.UNSUBSCRIBED else ConsentState.SUBSCRIBED,
            EVERY_TOPIC if receipt.whole_channel else delivery.topic or EVERY_TOPIC,
        )
    if delivery.channel is Channel.VOICE and (receipt.answered_by or "").startswith("machine"):
        delivery.add(Mark.MACHINE)
    if {Mark.MACHINE, Mark.COMPLETED} <= {*delivery.marks, mark} and Mark.VOICEMAIL not in delivery.marks:
        # The more telling one first: who waits for either of the two sees that it was a machine.
        _mark(turn, person, delivery, Mark.VOICEMAIL, _told(receipt))
    run = None if delivery.run is None else person.run(delivery.run)
    stood = _stand_of(run)
    _mark(turn, person, delivery, mark, _told(receipt))
    is_template_missing = receipt.needs_template and delivery.channel is Channel.WHATSAPP
    if is_template_missing and delivery.template is not None and delivery.form != TEMPLATE_ONLY:
        ask_for_template(turn, person, delivery)
    # Whoever listened to the failure has gone another way: a message a day later could be one too many.
    if receipt.cap is not None and stood == _stand_of(run) and _may_come_later(turn, person, delivery):
        ask_next_day(turn, person, delivery, receipt.cap, receipt.at, receipt.code)


def _may_come_later(turn: Turn, person: Person, delivery: Delivery) -> bool:
    """Return whether a journey asked for it, and was not left meanwhile; what an API's caller was told is theirs to repeat."""
    if delivery.run is None or delivery.is_renewed:
        return False
    return delivery.run in turn.completed or not _left_behind(turn, person, delivery)


def _stand_of(run: Run | None) -> tuple[Any, ...]:
    """What changes of a run when it goes on, or asks for something else."""
    return () if run is None else (run.moves, run.ended_at, run.visits)


def _found_taken(turn: Turn, person: Person, delivery: Delivery, receipt: Receipt) -> None:
    """A receipt proves that the provider took it, whatever we know of the call: an unknown outcome is settled."""
    delivery.accepted_at = delivery.accepted_at or delivery.sending_at or receipt.at
    delivery.lease = delivery.lease_until = delivery.unknown_since = None
    delivery.due_at, delivery.reason = delivery.rings_until, None
    _decide(turn, person, delivery, "accepted", "receipt")
    if receipt.mark != Mark.ACCEPTED:
        _mark(turn, person, delivery, Mark.ACCEPTED, {})
    _take_back_if_late(turn, person, delivery)


def _take_back_if_late(turn: Turn, person: Person, delivery: Delivery) -> None:
    if _left_behind(turn, person, delivery):
        withdraw_if_late(turn, person, delivery, None if delivery.run is None else person.run(delivery.run))


def _told(receipt: Receipt) -> dict[str, Any]:
    told = {name: getattr(receipt, name) for name in _TELLING}
    told |= {
        "machine": True if receipt.machine else None,
        "hard": receipt.hard if receipt.mark == Mark.BOUNCED else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _mark(turn: Turn, person: Person, delivery: Delivery, mark: Mark, extra: Mapping[str, Any]) -> None:
    """Add a fact to a delivery; tell the run that waits for it; write the event it is."""
    known = mark in delivery.marks
    delivery.add(mark)
    if not reached(delivery.marks).isdisjoint(SETTLED):
        turn.conceal(delivery)
    run = None if delivery.run is None else person.run(delivery.run)
    event = None
    name = event_of(delivery.channel, mark)
    if name is not None and (not known or mark in _REPEATABLE):
        properties = {**delivery_properties(delivery), **{k: v for k, v in extra.items() if v is not None}}
        if mark in (Mark.OPENED, Mark.OPENED_ANY):
            properties["machine"] = mark is Mark.OPENED_ANY
        if name == "Call Failed":
            properties["code"] = str(mark)
        if delivery.segments and name.startswith(_COUNTED):
            properties["segments"] = delivery.segments
        if delivery.channel is Channel.HANDOFF:
            properties["outcome"] = extra.get("reason") or str(mark)
        event = turn.happen(person, name, properties, run=delivery.run, step=delivery.step)
        turn.follows.pop()
    moved = None
    if run is not None and delivery.step is not None:
        moved = tell_run(turn, run, delivery, mark, event)
    react(
        turn,
        person,
        event=event,
        touched=Touched(),
        moved=moved,
        run=delivery.run or NO_RUN,
        step=delivery.step,
    )


def _decide(turn: Turn, person: Person, delivery: Delivery, outcome: str, reason: str | None) -> None:
    turn.decide(
        person,
        Decided.SEND,
        outcome,
        journey=delivery.journey,
        run=delivery.run,
        step=delivery.step,
        delivery=delivery.id,
        reason=None if reason is None else str(reason),
        rule=delivery.rule,
        values={"channel": str(delivery.channel), "topic": delivery.topic},
    )


def _suppress(turn: Turn, person: Person, delivery: Delivery, reason: str) -> None:
    typed = delivery.address or person.address(delivery.channel)
    if typed is None:
        return
    # Receive may have suppressed it already, in the webhook's own transaction: then this is what tells the person.
    kind, address = family(delivery.channel), ledger_key(typed)
    person.consents.suppressed[kind, address] = reason
    turn.changes.suppressions.append(
        SuppressionEntry(
            channel=kind, address=address, reason=reason, at=turn.now, source=f"delivery:{delivery.id}"
        )
    )
    turn.happen(person, "Address Suppressed", {"channel": str(delivery.channel), "reason": reason})


def _said(turn: Turn, person: Person, delivery: Delivery, state: ConsentState, topic: str) -> None:
    """The person said no, or yes again, on a page of the provider's."""
    write_consent(
        turn,
        person,
        channel=delivery.channel,
        topic=topic,
        state=state,
        address=delivery.address,
        source="provider",
    )
