"""Template switch: a text that WhatsApp would not deliver now is asked for once more, as the approved template."""

from engage.domain.delivery.delivery import TEMPLATE_ONLY, Delivery
from engage.domain.ids import DeliveryId, uuid7
from engage.domain.journey.run import StepDelivery
from engage.domain.profile.person import Person
from engage.domain.turn.turn import Turn


def ask_for_template(turn: Turn, person: Person, delivery: Delivery) -> None:
    """Ask for the same message once more, as the approved template: the step's newest delivery is this one then."""
    run = None if delivery.run is None else person.run(delivery.run)
    again = Delivery(
        id=DeliveryId(uuid7(turn.now, delivery.id, TEMPLATE_ONLY)),
        profile=delivery.profile,
        lane=delivery.lane,
        channel=delivery.channel,
        topic=delivery.topic,
        template=delivery.template,
        variables=delivery.variables,
        to=delivery.to,
        sender=delivery.sender,
        form=TEMPLATE_ONLY,
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
    if run is not None and run.active and delivery.step is not None:
        if run.visits.get(delivery.step) != delivery.visit:
            return  # the step has asked for something newer meanwhile
        run.visits = {**run.visits, delivery.step: again.visit}
        run.deliveries = {
            **run.deliveries,
            delivery.step: StepDelivery(id=again.id, channel=again.channel),
        }
        turn.changes.runs.setdefault(run.id, run)
    turn.deliveries[again.id] = again
    turn.changes.deliveries[again.id] = again
