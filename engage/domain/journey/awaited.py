"""Awaited: what a run keeps of the facts about its deliveries, for steps that wait for them or will."""

from engage.domain.delivery.delivery import ANSWERS, Delivery, Mark, reached
from engage.domain.journey.run import Run, StepFact
from engage.domain.profile.profile import Event
from engage.domain.steps.base import Moved
from engage.domain.turn.turn import Turn

KEPT_FACTS = 20
"""A person may click and write as often as they like; a run keeps the newest."""


def tell_run(turn: Turn, run: Run, delivery: Delivery, mark: Mark, event: Event | None) -> Moved | None:
    """Keep for a run what is newly known about a delivery; return what it is to the run, none if it is nothing.

    A step is asked about by its newest delivery. Of a `reach` every delivery counts while it is at work, and what a
    person does with any of them afterwards, too.
    """
    known = run.deliveries.get(delivery.step or "")
    asked = delivery.id in run.state.get("asked", ())
    moved = Moved(
        delivery.step or "", mark, delivery.reason, event, delivery=delivery.id, marks=list(delivery.marks)
    )
    if known is None:
        return moved if asked else None
    if known.id == delivery.id:
        if mark not in known.marks:
            known.marks = [*known.marks, mark]
            turn.changes.runs.setdefault(run.id, run)
    elif mark not in ANSWERS or delivery.id not in known.earlier:
        return moved if asked else None
    if event is not None and run.active and _may_wait(turn, run, delivery.step or "", mark):
        known.facts = [*known.facts, StepFact(mark=mark, event=event)][-KEPT_FACTS:]
        turn.changes.runs.setdefault(run.id, run)
    return moved


def _may_wait(turn: Turn, run: Run, step: str, mark: Mark) -> bool:
    """Return whether any step of the run's journey waits for what this fact says about a step."""
    if not turn.catalog.has_version(run.journey, run.version):
        return False
    statuses = turn.catalog.version(run.journey, run.version).program.awaited.get(step, ())
    return not reached([mark]).isdisjoint(statuses)


def moved_by(run: Run, event: Event) -> Moved | None:
    """Return what an event is to a run that kept it as a fact about one of its deliveries."""
    for step, known in run.deliveries.items():
        for fact in known.facts:
            if fact.event.id == event.id:
                return Moved(step, fact.mark, event=fact.event, delivery=known.id, marks=list(known.marks))
    return None
