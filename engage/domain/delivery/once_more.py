"""Once more: what a provider took and then would not deliver as it was, or today, is asked for one more time."""

from datetime import datetime

from engage.domain.delivery.daily_cap import DailyCap
from engage.domain.delivery.delivery import TEMPLATE_ONLY, Delivery
from engage.domain.ids import DeliveryId, uuid7
from engage.domain.journey.run import StepDelivery
from engage.domain.profile.person import Person
from engage.domain.turn.turn import Turn


def ask_for_template(turn: Turn, person: Person, delivery: Delivery) -> None:
    """Ask for the same message as the approved template: WhatsApp takes no text now."""
    again = _again(turn, delivery, TEMPLATE_ONLY)
    again.form = TEMPLATE_ONLY
    _ask(turn, person, delivery, again)


def ask_next_day(
    turn: Turn, person: Person, delivery: Delivery, cap: DailyCap, at: datetime, code: str | None
) -> None:
    """Ask for the same message when the day's allowance, which was used up at `at`, renews; it then waits as `rate`."""
    again = _again(turn, delivery, str(cap))
    again.form, again.is_renewed = delivery.form, True
    again.hold_until_renewed(cap, at, code)
    _ask(turn, person, delivery, again)


def _again(turn: Turn, delivery: Delivery, why: str) -> Delivery:
    return Delivery(
        id=DeliveryId(uuid7(turn.now, delivery.id, why)),
        profile=delivery.profile,
        lane=delivery.lane,
        channel=delivery.channel,
        topic=delivery.topic,
        template=delivery.template,
        text=delivery.text,
        variables=delivery.variables,
        to=delivery.to,
        sender=delivery.sender,
        run=delivery.run,
        journey=delivery.journey,
        version=delivery.version,
        step=delivery.step,
        visit=delivery.visit + 1,
        priority=delivery.priority,
        context=delivery.context,
        asked_at=delivery.asked_at,
        due_at=turn.now,
        expires_at=delivery.expires_at,
    )


def _ask(turn: Turn, person: Person, delivery: Delivery, again: Delivery) -> None:
    """Let the step's newest delivery be this one, unless it has asked for something newer meanwhile, or what it says is gone."""
    if delivery.scrubbed or delivery.concealed:
        return
    run = None if delivery.run is None else person.run(delivery.run)
    if run is not None and run.active and delivery.step is not None:
        if run.visits.get(delivery.step) != delivery.visit:
            return
        run.visits = {**run.visits, delivery.step: again.visit}
        run.deliveries = {
            **run.deliveries,
            delivery.step: StepDelivery(id=again.id, channel=again.channel),
        }
        turn.changes.runs.setdefault(run.id, run)
    turn.deliveries[again.id] = again
    turn.changes.deliveries[again.id] = again
