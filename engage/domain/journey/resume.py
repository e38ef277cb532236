"""Resume: what happened while a journey was paused is judged now, then overdue timers fire."""

from engage.domain.decision import EndReason
from engage.domain.delivery.delivery import HoldReason, Mark
from engage.domain.journey.course import finish, stimulate
from engage.domain.journey.run import Run
from engage.domain.profile.person import Person
from engage.domain.profile.touched import Touched
from engage.domain.steps.base import Looked
from engage.domain.turn.react import judge_conditions, judge_kept, react, ring
from engage.domain.turn.turn import Turn


def resume(turn: Turn, person: Person, journey: str) -> None:
    """Judge kept facts on exits, goals and waits in order; then let what is overdue fire; release held sends."""
    for run in person.active_runs():
        if run.journey != journey or not turn.catalog.has_version(run.journey, run.version):
            continue
        kept, run.kept = run.kept, []
        turn.changes.runs[run.id] = run
        for event in kept:
            judge_kept(turn, person, run, event)
        if run.active:
            judge_conditions(turn, person, run, turn.catalog.version(run.journey, run.version))
        _release(turn, run)
        if run.active and not stimulate(turn, person, run, Looked()):
            if run.due_at is not None and run.due_at <= turn.now:
                ring(turn, person, run)
            else:
                turn.keep_run(person, run)
    react(turn, person, touched=Touched())


def catch_up(turn: Turn, person: Person) -> None:
    """Judge what came during a pause that is over, before anything newer: resuming may not have come this far yet."""
    waiting = {run.journey for run in person.active_runs() if run.kept and not turn.catalog.stands_still(run)}
    for journey in sorted(waiting):
        resume(turn, person, journey)


def archive(turn: Turn, person: Person, journey: str) -> None:
    """End a person's runs of a journey that was archived."""
    for run in person.active_runs():
        if run.journey == journey:
            finish(turn, person, run, EndReason.ARCHIVED)
    react(turn, person, touched=Touched())


def _release(turn: Turn, run: Run) -> None:
    for delivery in turn.deliveries.values():
        if delivery.run == run.id and delivery.phase is Mark.HELD and delivery.reason == HoldReason.PAUSED:
            delivery.reason = None
            delivery.stand(Mark.QUEUED, turn.now)
            turn.changes.deliveries[delivery.id] = delivery
