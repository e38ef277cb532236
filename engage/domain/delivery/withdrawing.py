"""Withdrawing: what a provider has taken and nobody has answered yet is taken back once the reason for it is gone."""

from collections.abc import Collection

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState
from engage.domain.decision import Decided, EndReason
from engage.domain.delivery.delivery import Channel, Delivery, Mark, SkipReason, reached
from engage.domain.ids import DeliveryId, uuid7
from engage.domain.journey.run import Run
from engage.domain.profile.person import Person
from engage.domain.turn.turn import Turn

TAKE_BACK = "take_back"
"""Detail of an outcome that says that a call's time is over."""
EXPIRED = str(SkipReason.EXPIRED)
HOURS_OVER = "hours_over"
"""Why a call is taken back: silence begins, by law or by the house."""
_OVER = {
    Channel.HANDOFF: frozenset({Mark.ANSWERED, Mark.CANCELED, Mark.FAILED}),
    Channel.VOICE: frozenset(
        {Mark.ANSWERED, Mark.REPLIED, Mark.BUSY, Mark.NO_ANSWER, Mark.CANCELED, Mark.FAILED}
    ),
}
"""Where there is nothing to take back any more, by channel; other channels take nothing back: a message that was taken is on its way."""


def withdraw_from_run(turn: Turn, person: Person, run: Run, channels: Collection[Channel]) -> None:
    """Take back what a run asked for on these channels, and no agent, and nobody called, has answered yet."""
    for step, known in run.deliveries.items():
        if known.channel in channels:
            _withdraw(turn, person, known.id, Channel(known.channel), known.marks, run, step)


def withdraw_unwanted_calls(turn: Turn, person: Person, said: ConsentEntry) -> None:
    """Take back calls that still wait or ring, where somebody just said that they want none."""
    is_no = said.state is ConsentState.UNSUBSCRIBED and said.topic == EVERY_TOPIC
    if is_no and said.channel == Channel.VOICE:
        for run in person.runs:
            withdraw_from_run(turn, person, run, (Channel.VOICE,))


def withdraw_if_late(turn: Turn, person: Person, delivery: Delivery, run: Run | None) -> None:
    """Take back what was accepted only after its run had ended: the run could not withdraw it then.

    Walking to the end is no reason to take anything back.
    """
    if run is None or (not run.active and run.reason != EndReason.COMPLETED):
        _withdraw(turn, person, delivery.id, delivery.channel, delivery.marks, delivery, delivery.step)


def take_back(turn: Turn, person: Person, delivery: Delivery) -> None:
    """Take back a call that nobody has answered by the time its own is over; it is asked for once."""
    delivery.due_at = None
    if not _withdraw(turn, person, delivery.id, delivery.channel, delivery.marks, delivery, delivery.step):
        return
    is_late = delivery.expires_at is not None and turn.now >= delivery.expires_at
    delivery.reason = EXPIRED if is_late else HOURS_OVER
    turn.decide(
        person,
        Decided.SEND,
        "taken_back",
        journey=delivery.journey,
        run=delivery.run,
        step=delivery.step,
        delivery=delivery.id,
        reason=delivery.reason,
        values={"channel": str(delivery.channel), "topic": delivery.topic},
    )


def _withdraw(
    turn: Turn,
    person: Person,
    withdrawn: DeliveryId,
    channel: Channel,
    marks: Collection[Mark],
    asked: Run | Delivery,
    step: str | None,
) -> bool:
    """Ask for it as a hand-off's withdrawal: a call to another system, that is nobody's message. Return whether there was a reason to."""
    seen = reached(marks)
    if channel not in _OVER or Mark.ACCEPTED not in seen or not seen.isdisjoint(_OVER[channel]):
        return False
    withdrawal = Delivery(
        id=DeliveryId(uuid7(turn.now, withdrawn, "withdraw")),
        profile=person.id,
        lane=person.profile.lane,
        channel=Channel.HANDOFF,
        topic=None,
        variables={
            "to": "",
            "workflow": None,
            "attributes": {},
            "withdraws": withdrawn,
            "channel": str(channel),
        },
        journey=asked.journey,
        version=asked.version,
        step=step,
        asked_at=turn.now,
        due_at=turn.now,
    )
    turn.deliveries[withdrawal.id] = withdrawal
    turn.changes.deliveries[withdrawal.id] = withdrawal
    return True
