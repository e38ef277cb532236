"""React: the order of things inside one fact — exits, goals, waits, triggers — and inside what follows from it."""

from datetime import datetime

from engage.domain.audience.membership import follow, on_timer, put_in_or_out
from engage.domain.catalog import LiveJourney
from engage.domain.decision import Decided, EndReason
from engage.domain.expression import text_of
from engage.domain.fact import Start
from engage.domain.forms import names_match
from engage.domain.journey.awaited import moved_by
from engage.domain.journey.clockwork import strike
from engage.domain.journey.course import finish, proceed, stimulate
from engage.domain.journey.entering import Candidate, enter
from engage.domain.journey.journey import ExitRule, Goal, Journey
from engage.domain.journey.run import Run
from engage.domain.journey.triggering import triggered
from engage.domain.journey.walk import RunWalk, delivery_run, has_key
from engage.domain.profile.person import Person
from engage.domain.profile.profile import Event
from engage.domain.profile.touched import Touched
from engage.domain.steps.base import Due, Go, Happened, Looked, Moved, Stimulus
from engage.domain.steps.flow import reason_of
from engage.domain.turn.changes import TimerKind
from engage.domain.turn.turn import Turn

_OF_CONSENT = frozenset({"Subscription Updated", "Address Suppressed"})
"""Our events with which consent has changed: rules that ask `subscribed(…)` are judged again."""


def react(
    turn: Turn,
    person: Person,
    *,
    event: Event | None = None,
    touched: Touched,
    moved: Moved | None = None,
    run: str | None = None,
    step: str | None = None,
) -> None:
    """Let one fact about a person have all its consequences, then what follows from them, until all rests.

    `run` and `step` name the run an event belongs to when it is about a delivery: it then matches that run alone.
    """
    _one(turn, person, event, touched, moved, run, step)
    while turn.follows:
        after = turn.follows.pop(0)
        turn.links = after.links
        if after.event is not None:
            _one(turn, person, after.event, Touched(events={after.event.name}), None, after.run, after.step)
        elif after.start is not None:
            start(turn, person, after.start)
        elif after.touched is not None:
            _one(turn, person, None, after.touched, None, None, None)


def set_member(turn: Turn, person: Person, audience: str, member: bool) -> None:
    """Change a manual audience for a person; what reads it follows. Nothing happens if it stands so already."""
    touched = put_in_or_out(turn, person, audience, member)
    if touched:
        _one(turn, person, None, touched, None, None, None)


def start(turn: Turn, person: Person, wanted: Start) -> None:
    """Enter a person by API or by another journey's `start`."""
    live = turn.catalog.journeys.get(wanted.journey)
    if live is None or live.journey.trigger.api is None:
        turn.decide(person, Decided.ENTRY, "refused", journey=wanted.journey, reason="no_such_journey")
        return
    candidate = Candidate(
        entry=wanted.entry, entry_event=None, since=turn.now, key=wanted.key, run_id=wanted.run
    )
    begin(turn, person, live, candidate)


def fire(turn: Turn, person: Person, kind: TimerKind, ref: str) -> None:
    """A timer is due at `turn.now`."""
    if kind is TimerKind.CLOCK:
        struck = strike(turn, person, ref)
        if struck is not None:
            live, entry = struck
            begin(turn, person, live, Candidate(entry=entry, entry_event=None, since=turn.now))
        react(turn, person, touched=Touched())
        return
    if kind is not TimerKind.RUN:
        touched = on_timer(turn, person, kind, ref)
        react(turn, person, touched=touched)
        return
    run = person.run(ref)
    if run is None or not run.active:
        turn.set_timer(person, kind, ref, None)
        return
    if turn.catalog.stands_still(run):
        turn.keep_run(person, run)
        turn.look_again(person, run, anew=True)
        return
    turn.chain, turn.links = run.chain, run.links
    turn.set_timer(person, kind, ref, None)
    rings = run.due_at is not None and run.due_at <= turn.now
    if not rings:
        run.look_at = None
    if judge_conditions(turn, person, run, turn.catalog.version(run.journey, run.version)):
        pass  # an exit goes before what the run waited for
    elif rings:
        ring(turn, person, run)
    elif not stimulate(turn, person, run, Looked()):
        turn.keep_run(person, run)
    react(turn, person, touched=Touched())


def ring(turn: Turn, person: Person, run: Run) -> None:
    """Let a run's own timer fire, on time or late; too late by `stale_after` ends the run."""
    assert run.due_at is not None
    journey = turn.catalog.version(run.journey, run.version)
    if journey.stale_after is not None and turn.clock > run.due_at + journey.stale_after:
        finish(turn, person, run, EndReason.STALE)
        return
    turn.planned = run.due_at
    stimulate(turn, person, run, Due())
    turn.planned = None


def _one(
    turn: Turn,
    person: Person,
    event: Event | None,
    touched: Touched,
    moved: Moved | None,
    own_run: str | None,
    own_step: str | None,
) -> None:
    """One fact: traits and audiences → exits → goals → waits → triggers."""
    if event is not None:
        turn.count(person, event)
        touched.events.add(event.name)
        touched.consent = touched.consent or event.name in _OF_CONSENT
    follow(turn, person, touched)
    before = list(person.runs)
    if event is not None:
        _exits_by_event(turn, person, event, own_run)
    if touched:
        _exits_by_condition(turn, person)
    if event is not None:
        _goals(turn, person, event, own_run)
    _waits(turn, person, before, event, touched, moved, own_run, own_step)
    for live, candidate in triggered(turn, person, event, touched):
        begin(turn, person, live, candidate)


def _frozen(turn: Turn, run: Run, event: Event | None) -> bool:
    """Keep a fact for a run that must not move, and say so."""
    if not turn.catalog.stands_still(run):
        return False
    if event is not None and run.active:
        run.kept = [*run.kept, event][-1000:]
        turn.changes.runs[run.id] = run
    return True


def _sees(run: Run, event: Event, own_run: str | None) -> bool:
    """Whether an event may concern a run at all: not before it, not its own start, not another run's delivery."""
    return event.timestamp >= run.since and event.id != run.started_by and own_run in (None, run.id)


def _matches(
    turn: Turn,
    person: Person,
    run: Run,
    journey: Journey,
    rule: ExitRule | Goal,
    event: Event,
    own_run: str | None,
) -> bool:
    if not rule.event or not names_match(rule.event, event.name):
        return False
    if own_run is None and not rule.any_key and has_key(turn, person, run, journey, event) is False:
        return False
    if rule.where is None:
        return True
    return bool(rule.where.truth(RunWalk(turn, person, run, journey).scope(event)))


def _exits_by_event(turn: Turn, person: Person, event: Event, own_run: str | None) -> None:
    for run in person.active_runs():
        if not _sees(run, event, own_run) or _frozen(turn, run, event):
            continue
        _exit_by(turn, person, run, event, own_run)


def _exit_by(turn: Turn, person: Person, run: Run, event: Event, own_run: str | None) -> bool:
    journey = turn.catalog.version(run.journey, run.version)
    for rule in journey.exit_when:
        if _matches(turn, person, run, journey, rule, event, own_run):
            _leave(turn, person, run, journey, rule, event)
            return True
    return False


def _leave(
    turn: Turn, person: Person, run: Run, journey: Journey, rule: ExitRule, event: Event | None = None
) -> None:
    """End a run by a rule of `exit_when`, with the reason it gives as it reads now."""
    scope = RunWalk(turn, person, run, journey).scope(event)
    finish(turn, person, run, reason_of(rule.reason, scope), walk_exit_steps=True)


def judge_kept(turn: Turn, person: Person, run: Run, event: Event) -> None:
    """Judge a fact that came while the journey was paused: exit, goal, wait."""
    own = delivery_run(event)
    _end_by(turn, person, run, event, own)
    if not run.active:
        return
    journey = turn.catalog.version(run.journey, run.version)
    belongs = own == run.id or has_key(turn, person, run, journey, event) is True
    moved = moved_by(run, event)
    stimulate(turn, person, run, *(() if moved is None else (moved,)), Happened(event, event.id, belongs))


def _end_by(turn: Turn, person: Person, run: Run, event: Event, own_run: str | None) -> None:
    """Judge an event on exits and on the goal, which counts for a run that has ended, too."""
    if run.active:
        _exit_by(turn, person, run, event, own_run)
    if run.goal_at is None and run.goal_until is not None:
        _goal_by(turn, person, run, event, own_run)


def _exits_by_condition(turn: Turn, person: Person) -> None:
    for run in person.active_runs():
        if _frozen(turn, run, None):
            continue
        journey = turn.catalog.version(run.journey, run.version)
        if journey.exit_when:
            judge_conditions(turn, person, run, journey)


def judge_conditions(turn: Turn, person: Person, run: Run, journey: Journey) -> bool:
    """End the run if a condition of `exit_when` has become true; else plan when to look again."""
    scope = RunWalk(turn, person, run, journey).scope()
    looks: list[datetime] = []
    for index, rule in enumerate(journey.exit_when):
        if rule.when is None:
            continue
        truth, known = rule.when.truth(scope), run.conditions.get(str(index), False)
        if truth is not known:
            run.conditions = {**run.conditions, str(index): truth}
            turn.changes.runs[run.id] = run
        if truth and not known:
            _leave(turn, person, run, journey, rule)
            return True
        if rule.when.reads.now and (look := rule.when.next_change(scope)) is not None:
            looks.append(look)
    look_at = min(looks, default=None)
    if look_at is not None and (run.look_at is None or look_at < run.look_at):
        run.look_at = look_at
        turn.keep_run(person, run)
    return False


def _goals(turn: Turn, person: Person, event: Event, own_run: str | None) -> None:
    for run in list(person.runs):
        if run.goal_at is not None or run.goal_until is None or not _sees(run, event, own_run):
            continue
        if not turn.catalog.has_version(run.journey, run.version):
            continue
        if run.active and _frozen(turn, run, None):
            continue
        _goal_by(turn, person, run, event, own_run)


def _goal_by(turn: Turn, person: Person, run: Run, event: Event, own_run: str | None) -> bool:
    journey = turn.catalog.version(run.journey, run.version)
    goal = journey.goal
    if goal is None or not _matches(turn, person, run, journey, goal, event, own_run):
        return False
    if run.goal_open(event.received_at):  # one kept during a pause came when it came
        _reach_goal(turn, person, run, journey, goal, event)
        if run.active:
            finish(turn, person, run, EndReason.GOAL, walk_exit_steps=True)
        return True
    if run.active:
        finish(turn, person, run, EndReason.GOAL_LATE, walk_exit_steps=True)
        return True
    return False


def _reach_goal(turn: Turn, person: Person, run: Run, journey: Journey, goal: Goal, event: Event) -> None:
    run.goal_at = turn.now
    if goal.value is not None:
        value = goal.value.value(RunWalk(turn, person, run, journey).scope(event))
        run.goal_value = text_of(value) if isinstance(value, datetime) else value
    turn.changes.runs[run.id] = run
    turn.decide(
        person, Decided.GOAL, "reached", journey=run.journey, run=run.id, values={"value": run.goal_value}
    )
    turn.happen(
        person,
        "Goal Reached",
        {
            "journey": run.journey,
            "version": run.version,
            "run": run.id,
            "key": run.key or None,
            "value": run.goal_value,
        },
    )


def _waits(
    turn: Turn,
    person: Person,
    runs: list[Run],
    event: Event | None,
    touched: Touched,
    moved: Moved | None,
    own_run: str | None,
    own_step: str | None,
) -> None:
    """Offer the fact to every run that rested when it came."""
    for run in runs:
        if run.active:
            turn.look_again(person, run)
        if not run.active or turn.catalog.stands_still(run):
            continue
        fact: list[Stimulus] = []
        if moved is not None and own_run == run.id:
            fact.append(moved)
        if event is not None and _sees(run, event, own_run):
            journey = turn.catalog.version(run.journey, run.version)
            belongs = own_run == run.id or has_key(turn, person, run, journey, event) is True
            fact.append(Happened(event, event.id, belongs, own_step))
        if touched:
            fact.append(Looked())
        stimulate(turn, person, run, *fact)


def begin(turn: Turn, person: Person, live: LiveJourney, candidate: Candidate) -> bool:
    """Enter and walk the first steps, unless something already processed ends the run before them.

    Returns whether the person entered.
    """
    links = turn.links
    run = enter(turn, person, live, candidate)
    if run is not None:
        _begin(turn, person, run, live.journey)
    turn.links = links
    return run is not None


def _begin(turn: Turn, person: Person, run: Run, journey: Journey) -> None:
    scope = RunWalk(turn, person, run, journey).scope()
    for index, rule in enumerate(journey.exit_when):
        if rule.when is not None:
            truth = rule.when.truth(scope)
            run.conditions = {**run.conditions, str(index): truth}
            if truth and rule.also_at_entry:
                _leave(turn, person, run, journey, rule)
                break
    if _already_over(turn, person, run, journey):
        return
    proceed(turn, person, run, RunWalk(turn, person, run, journey), Go(journey.program.first))
    if run.active:
        judge_conditions(turn, person, run, journey)


def _already_over(turn: Turn, person: Person, run: Run, journey: Journey) -> bool:
    """Judge events that were processed before the late fact that starts this run, but happened after it."""
    names = [name for rule in journey.exit_when for name in rule.event or ()]
    names += journey.goal.event if journey.goal else ()
    later = {
        event.id: event
        for name in names
        for event in person.history.matching(name)
        if isinstance(event, Event) and event.timestamp > run.since and event.id != run.started_by
        if delivery_run(event) is None
    }
    for event in sorted(later.values(), key=lambda event: (event.timestamp, event.arrival)):
        _end_by(turn, person, run, event, None)
    return not run.active
