"""Migrating: people of an older version move to the newest one, once, when that is published."""

from engage.domain.catalog import JourneyState, LiveJourney
from engage.domain.decision import Decided, EndReason
from engage.domain.journey.course import finish, proceed
from engage.domain.journey.journey import Migration
from engage.domain.journey.run import Run
from engage.domain.journey.walk import RunWalk
from engage.domain.profile.person import Person
from engage.domain.profile.touched import Touched
from engage.domain.steps.base import Go
from engage.domain.turn.react import react
from engage.domain.turn.turn import Turn

EXIT = "exit"


def migrate(turn: Turn, person: Person, journey: str) -> None:
    """Move a person's runs as the newest version of `journey` says; steps it does not name stay on their version.

    It is the same run and no new entry: it arrives at its new step afresh. Doing it twice moves nobody twice.
    """
    live = turn.catalog.journeys.get(journey)
    if live is None or live.journey.migrate is None or live.state is not JourneyState.ACTIVE:
        return
    for run in person.active_runs():
        known = turn.catalog.has_version(run.journey, run.version)
        if known and run.journey == journey and run.version == live.journey.migrate.from_:
            _move(turn, person, run, live, live.journey.migrate)
    react(turn, person, touched=Touched())


def _move(turn: Turn, person: Person, run: Run, live: LiveJourney, plan: Migration) -> None:
    nodes = turn.catalog.version(run.journey, run.version).program.nodes
    here = nodes[run.step].id if run.step in nodes else ""
    goal = plan.steps.get(here)
    if goal is None:
        return
    if goal == EXIT:
        finish(turn, person, run, EndReason.MIGRATED)
        return
    node = live.journey.program.by_id.get(goal)
    if node is None:
        return  # `check` points it out; a run is never moved to nowhere.
    due = run.due_at
    turn.cancel_sends(run, reason=str(EndReason.MIGRATED), step=here)
    turn.decide(
        person,
        Decided.STEP,
        "migrated",
        journey=run.journey,
        run=run.id,
        step=goal,
        values={"from": run.version, "to": live.version, "step": here},
    )
    run.version = live.version
    walk = RunWalk(turn, person, run, live.journey)
    scope = walk.scope()
    # What is true already is no reason to leave: only what becomes true on the new version.
    run.conditions = {
        str(index): rule.when.truth(scope)
        for index, rule in enumerate(live.journey.exit_when)
        if rule.when is not None
    }
    proceed(turn, person, run, walk, Go(node))
    if (
        plan.keep_timer
        and due is not None
        and run.active
        and run.step == node.path
        and run.due_at is not None
    ):
        run.due_at = due
        turn.keep_run(person, run)
