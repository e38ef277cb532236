"""Replies: what somebody wrote to us does to consent, to the delivery it answers, and to the run that waits for it."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from engage.domain.consent.writing import stop
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.delivery.events import CHANNEL_WORDS, delivery_properties
from engage.domain.fact import Inbound
from engage.domain.ids import DeliveryId, ProfileId, uuid7
from engage.domain.journey.awaited import tell_run
from engage.domain.journey.run import Run
from engage.domain.journey.walk import NO_RUN
from engage.domain.profile.person import Person
from engage.domain.profile.touched import Touched
from engage.domain.steps.wait_for import WaitFor
from engage.domain.turn.react import react
from engage.domain.turn.turn import Turn

REPLY_WINDOW = timedelta(hours=72)
"""How long after a delivery a reply is taken as its answer; language.md §3, "Correlation"."""


def on_inbound(turn: Turn, person: Person, inbound: Inbound, answered: Delivery | None) -> None:
    """Take in what a person wrote: keyword → consent → event → reply to a run (vocabulary.md)."""
    channel = Channel(inbound.channel)
    if inbound.keyword in ("stop", "start"):
        stop(
            turn,
            person,
            channel,
            inbound.sender,
            f"keyword:{inbound.keyword}",
            stopped=inbound.keyword == "stop",
        )
    if inbound.keyword == "help" and not inbound.provider_replied:
        _help(turn, person, channel, inbound)
    properties: dict[str, Any] = {
        "body": inbound.body,
        "from": inbound.sender,
        "to": inbound.to,
        "media": list(inbound.media),
        "keyword": inbound.keyword,
    }
    if channel is Channel.EMAIL:
        properties["subject"] = inbound.subject
    moved = None
    if answered is not None:
        properties |= delivery_properties(answered)
        answered.add(Mark.REPLIED)
        turn.changes.deliveries[answered.id] = answered
    name = f"{CHANNEL_WORDS[channel]} Received"
    run_id = None if answered is None else answered.run or NO_RUN
    step = None if answered is None else answered.step
    event = turn.happen(person, name, properties, run=run_id, step=step)
    turn.follows.pop()
    run = None if not run_id else person.run(run_id)
    if answered is not None and run is not None:
        moved = tell_run(turn, run, answered, Mark.REPLIED, event)
    react(
        turn,
        person,
        event=event,
        touched=Touched(consent=inbound.keyword is not None),
        moved=moved,
        run=run_id,
        step=step,
    )


def _help(turn: Turn, person: Person, channel: Channel, inbound: Inbound) -> None:
    text = turn.catalog.settings.sms.help_text
    if text is None or channel not in (Channel.SMS, Channel.MMS):
        return
    delivery = Delivery(
        id=DeliveryId(uuid7(turn.now, inbound.message_id, "help")),
        profile=person.id,
        lane=person.profile.lane,
        channel=Channel.SMS,
        topic=None,
        text=text,
        to=inbound.sender,
        sender=None,
        automatic=True,
        asked_at=turn.now,
        due_at=turn.now,
    )
    turn.changes.deliveries[delivery.id] = delivery


def answering(channel: Channel) -> tuple[Channel, ...]:
    """Return the channels of the deliveries that a text on `channel` may answer: phones answer an MMS by SMS."""
    return (Channel.SMS, Channel.MMS) if channel in (Channel.SMS, Channel.MMS) else (channel,)


def answered_by(
    turn: Turn,
    person_of: Callable[[ProfileId], Person | None],
    candidates: Iterable[Delivery],
    inbound: Inbound,
) -> Delivery | None:
    """Return the delivery a reply answers: the newest whose run waits for a reply to it, else the newest.

    `candidates` are our deliveries to that address; those from another sender, or older than 72 hours,
    do not count.
    """
    near = [
        delivery
        for delivery in candidates
        if delivery.accepted_at is not None
        and turn.now - delivery.accepted_at <= REPLY_WINDOW
        and _is_from(delivery, inbound.to)
    ]
    near.sort(key=lambda delivery: (delivery.accepted_at, delivery.id), reverse=True)
    for delivery in near:
        person = person_of(delivery.profile)
        run = None if person is None or delivery.run is None else person.run(delivery.run)
        if run is not None and run.active and _waits_for_reply(turn, run, delivery.step):
            return delivery
    return near[0] if near else None


def _is_from(delivery: Delivery, address: str) -> bool:
    """Return whether a delivery may have come from this address of ours.

    A service, or the name of somebody who writes for us, stands for addresses that only the provider knows.
    """
    sender = delivery.sender
    if sender in (None, address):
        return True
    return delivery.channel is not Channel.EMAIL and not (sender or "").lstrip("+").isdigit()


def _waits_for_reply(turn: Turn, run: Run, step: str | None) -> bool:
    if run.step is None or not turn.catalog.has_version(run.journey, run.version):
        return False
    node = turn.catalog.version(run.journey, run.version).program.nodes[run.step]
    return isinstance(node.step, WaitFor) and any(
        branch.step == step and branch.status is Mark.REPLIED for branch in node.step.wait_for.branches
    )
