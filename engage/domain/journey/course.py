"""Course: a run begins, moves when something happens to it, and ends — each recorded, with all that hangs on it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from engage.domain.catalog import LiveJourney
from engage.domain.decision import Decided, EndReason
from engage.domain.delivery.delivery import Channel
from engage.domain.delivery.withdrawing import withdraw_from_run
from engage.domain.ids import RunId
from engage.domain.journey.journey import Journey
from engage.domain.journey.run import Run
from engage.domain.journey.walk import RunWalk
from engage.domain.profile.person import Person
from engage.domain.profile.sensitive import without
from engage.domain.steps.base import End, Go, Move, Node, Park, Stimulus
from engage.domain.turn.turn import Turn

MAX_MOVES = 20_000
"""Steps a run may take without resting; more is a loop that waits for nothing (1,000 turns of 20 steps fit)."""
MAX_STEPS = 100_000
"""Steps a run may take in all, however long it rests between them: loops in loops would go on for ever."""


def stimulate(turn: Turn, person: Person, run: Run, *fact: Stimulus) -> bool:
    """Let one fact happen to a run that rests, with all that it is to it; return whether the run moved."""
    if not fact or not run.active or run.step is None:
        return False
    journey = turn.catalog.version(run.journey, run.version)
    node = journey.program.nodes[run.step]
    walk = RunWalk(turn, person, run, journey)
    walk.node = node
    move = node.step.resume_by(walk, node, fact)
    if move is None:
        return False
    proceed(turn, person, run, walk, move)
    return True


def proceed(turn: Turn, person: Person, run: Run, walk: RunWalk, move: Move) -> None:
    """Follow moves until the run rests or ends."""
    for _ in range(MAX_MOVES):
        match move:
            case Park(due=due, look=look):
                run.due_at, run.look_at = due, _first(look, _next_exit(walk))
                run.chain, run.links = turn.chain, turn.links
                turn.keep_run(person, run)
                return
            case End(reason=reason):
                finish(turn, person, run, reason)
                return
            case Go(to=None):
                finish(turn, person, run, EndReason.COMPLETED)
                return
            case Go(to=node):
                assert node is not None
                run.moves += 1
                if run.moves > MAX_STEPS:
                    break
                run.step, run.arrived_at, run.state = node.path, turn.now, {}
                run.due_at = run.look_at = None
                move = _enter(walk, node)
    finish(turn, person, run, EndReason.LOOP_LIMIT)


def _enter(walk: RunWalk, node: Node) -> Move:
    """Enter a step, and keep that the run has been there."""
    if node.id not in walk.run.visits:
        walk.run.visits = {**walk.run.visits, node.id: 0}
    walk.node = node
    return node.step.enter(walk, node)


def _next_exit(walk: RunWalk) -> datetime | None:
    """Return when the clock alone may next change a condition of `exit_when`, wherever the run stands."""
    watched = [rule.when for rule in walk.journey.exit_when if rule.when is not None and rule.when.reads.now]
    if not watched:
        return None
    scope = walk.scope()
    return _first(*(condition.next_change(scope) for condition in watched))


def _first(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)


def finish(turn: Turn, person: Person, run: Run, reason: str, *, walk_exit_steps: bool = False) -> None:
    """End a run: its held sends are cancelled, its timer goes, and everybody can read why."""
    run.ended_at, run.reason = turn.now, str(reason)
    run.due_at = run.look_at = None
    run.state = {}
    for known in run.deliveries.values():
        known.facts = []  # nobody waits for them any more
    turn.cancel_sends(run, reason=run.reason)
    if reason != EndReason.COMPLETED:
        withdraw_from_run(turn, person, run, (Channel.HANDOFF, Channel.VOICE))
    turn.keep_run(person, run)
    turn.decide(
        person,
        Decided.EXIT,
        "ended",
        journey=run.journey,
        run=run.id,
        step=_id_of(turn, run),
        reason=str(reason),
    )
    if walk_exit_steps:
        _walk_on_exit(turn, person, run, turn.catalog.version(run.journey, run.version))
    turn.happen(
        person,
        "Journey Exited",
        {
            "journey": run.journey,
            "version": run.version,
            "run": run.id,
            "key": run.key or None,
            "reason": str(reason),
        },
    )
    _forget_sensitive(turn, run)


def _forget_sensitive(turn: Turn, run: Run) -> None:
    """Cover what a run that is over could still have rendered."""
    covered = turn.catalog.settings.covered
    if covered:
        texts = covered.found_in([run.entry, run.event, run.variables])
        run.entry = covered.properties(run.entry)
        run.event = covered.properties(run.event)
        run.variables = without(covered.properties(run.variables), texts)
        run.kept = []


def _id_of(turn: Turn, run: Run) -> str | None:
    if run.step is None or not turn.catalog.has_version(run.journey, run.version):
        return run.step
    return turn.catalog.version(run.journey, run.version).program.nodes[run.step].id


def _walk_on_exit(turn: Turn, person: Person, run: Run, journey: Journey) -> None:
    """Walk the last steps of a run that was left: no waits, and a send there is asked for and not waited for."""
    walk = RunWalk(turn, person, run, journey)
    node = journey.program.on_exit
    for _ in range(MAX_MOVES):
        if node is None:
            return
        move = _enter(walk, node)
        match move:
            case Go(to=following):
                node = following
            case Park():
                node = node.after
            case End():
                return


def begin_run(
    turn: Turn,
    person: Person,
    live: LiveJourney,
    *,
    key: str,
    entry: Mapping[str, Any],
    entry_event: str | None,
    since: datetime,
    started_by: str | None,
    run_id: RunId | None,
    ordinal: int,
    held_out: bool,
) -> Run:
    """Create a run and record the entry; it has not walked a step yet."""
    goal = live.journey.goal
    run = Run(
        id=run_id or RunId(turn.next_id(live.name, person.id, key)),
        profile=person.id,
        journey=live.name,
        version=live.version,
        key=key,
        entered_at=turn.now,
        since=since,
        started_by=started_by,
        entry=dict(entry),
        entry_event=entry_event,
        held_out=held_out,
        ordinal=ordinal,
        chain=turn.chain,
        links=turn.links,
        goal_until=None if goal is None else turn.now + (goal.within or timedelta(days=36500)),
    )
    person.runs.append(run)
    turn.keep_run(person, run)
    turn.decide(
        person,
        Decided.ENTRY,
        "entered",
        journey=live.name,
        run=run.id,
        reason="holdout" if held_out else None,
        values={"key": key} if key else {},
    )
    turn.happen(
        person,
        "Journey Entered",
        {"journey": live.name, "version": live.version, "run": run.id, "key": key or None},
    )
    return run
