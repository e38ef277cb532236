"""Bring in line: memberships and timers after rules changed, for many people at once, where SQL can judge them.

What SQL is sure of is written as the core itself would have it — the same rows, events and decisions — without loading
anybody. Whoever it is not sure of, and whoever more hangs on than a membership, is left to the core.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.audience.folds import NO_FOLDS, Folds
from engage.domain.audience.membership import change_membership
from engage.domain.catalog import Catalog
from engage.domain.expression import EventRead, Expression, Reads
from engage.domain.ids import ProfileId
from engage.domain.profile.person import Person
from engage.domain.profile.profile import Profile
from engage.domain.turn.changes import TimerKind
from engage.domain.turn.turn import Choices, Turn
from engage.ports.selecting import Given, Rules, Standing
from engage.ports.storage import Job, Transaction

_OUR_EVENTS = ("Audience Entered", "Audience Exited")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job brings in line; `rules` none: everybody must be looked at."""

    rules: Rules | None
    given: Given


def plan_of(catalog: Catalog, job: Job, now: datetime) -> Plan:
    """Return what must be judged anew, and who must be looked at."""
    journeys = [name for name in job.data.get("journeys", ()) if name in catalog.journeys]
    given, everything = Given(now=now, settings=catalog.settings), job.data.get("everything", True)
    # The house rules have a time zone, by which the clocks of all who say none of their own go.
    wound = [live for name, live in catalog.personal_clocks.items() if everything or name in journeys]
    schedules = [live.journey.trigger.schedule for live in wound]
    if any(schedule is not None and schedule.audience is None for schedule in schedules):
        return Plan(None, given)  # everybody has such a clock
    changed = None if everything else set(job.data.get("rules", ()))
    names = _concerned(catalog, changed)
    wanted = [rule for rule in catalog.followed if rule.name in names]
    audiences = [rule for rule in wanted if isinstance(rule, Audience)]
    traits = [rule for rule in wanted if isinstance(rule, ComputedTrait)]
    inside, outside = _wanted_inside(catalog, journeys)
    rules = Rules(
        audiences=audiences,
        traits=traits,
        inside=sorted({*inside, *(clock.audience for clock in schedules if clock and clock.audience)}),
        outside=outside,
        dated=sorted({live.journey.trigger.date.trait for live in wound if live.journey.trigger.date}),
        clocks=sorted(live.name for live in wound),
        walking=bool(everything or job.data.get("journeys")),
        watched=_watched(catalog, [audience.name for audience in audiences]),
    )
    by_rule = {audience.name: audience for audience in audiences}
    computed = {trait.name: trait for trait in traits}
    return Plan(rules, Given(now=now, settings=catalog.settings, audiences=by_rule, traits=computed))


def under_way(catalog: Catalog, jobs: Iterable[Job], audience: str) -> Job | None:
    """Return the unfinished job that brings this audience in line; None: it is ready, its members are those of its rule."""
    for job in jobs:
        if job.data.get("cause") != "backfill":
            continue
        changed = None if job.data.get("everything", True) else set(job.data.get("rules", ()))
        if audience in _concerned(catalog, changed):
            return job
    return None


def _concerned(catalog: Catalog, changed: set[str] | None) -> set[str]:
    """Return the rules that changed and all that read them, directly or not; none given: all there are."""
    expressions = {rule.name: _expression(rule).reads for rule in catalog.followed}
    if changed is None:
        return set(expressions)
    found = set(changed)
    while more := {name for name, reads in expressions.items() if name not in found and _reads(reads, found)}:
        found |= more
    return found


def _reads(reads: Reads, names: Collection[str]) -> bool:
    return any(not known.isdisjoint(names) for known in (reads.audiences, reads.traits, reads.changed_at))


def _wanted_inside(catalog: Catalog, journeys: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the audiences whose members, or all but them, a journey takes in at once."""
    inside: list[str] = []
    outside: list[str] = []
    for name in journeys:
        trigger = catalog.journeys[name].journey.trigger
        if trigger.audience is None or trigger.existing != "include" or trigger.pace is not None:
            continue
        if trigger.audience.entered:
            inside.append(trigger.audience.entered)
        elif trigger.audience.left:
            outside.append(trigger.audience.left)
    return inside, outside


def _watched(catalog: Catalog, audiences: Collection[str]) -> list[str]:
    """Return the audiences from whose changes more follows than an event for somebody in no journey."""
    reads = [_expression(rule).reads for rule in catalog.followed]
    counted = [read for found in reads for read in found.events]
    if any(_names(read, event) for read in counted for event in _OUR_EVENTS):
        return list(audiences)
    taken_in = {
        name
        for (name, _), listening in catalog.audience_triggers.items()
        if any(live.journey.trigger.existing == "include" for live in listening)
    }
    on_clocks = {
        live.journey.trigger.schedule.audience
        for live in catalog.personal_clocks.values()
        if live.journey.trigger.schedule is not None
    }
    return [name for name in audiences if name in taken_in or name in on_clocks]


def _expression(rule: ComputedTrait | Audience) -> Expression:
    expression: Expression | None = rule.value if isinstance(rule, ComputedTrait) else rule.where
    assert expression is not None
    return expression


def _names(read: EventRead, event: str) -> bool:
    return event.startswith(read.name[:-1]) if read.name.endswith("*") else read.name == event


def write_standings(
    tx: Transaction,
    catalog: Catalog,
    standings: Iterable[Standing],
    job: str,
    now: datetime,
    choices: Choices,
) -> None:
    """Write memberships, events, decisions and timers of people whose profiles are locked."""
    turn = Turn(catalog=catalog, now=now, choices=choices)
    standings = list(standings)
    folds = _folds_of_our_events(tx, catalog, [standing.profile for standing in standings])
    people: list[Person] = []
    for standing in standings:
        turn.begin(fact_id=f"{job}:{standing.profile}", now=now, arrival=0)
        person = _bare(standing, now, folds.get(standing.profile, NO_FOLDS))
        people.append(person)
        for audience, member in standing.members.items():
            change_membership(turn, person, audience, member)
        for audience, due in standing.due.items():
            if due is None:
                person.timers[TimerKind.AUDIENCE, audience] = (
                    now  # some instant stands there, else it were no news
                )
            turn.set_timer(person, TimerKind.AUDIENCE, audience, due)
    turn.keep_folds(people)
    tx.write(turn.changes)


def _folds_of_our_events(
    tx: Transaction, catalog: Catalog, profiles: Collection[ProfileId]
) -> dict[ProfileId, Folds]:
    """Return the folds of those who have any for what is written here; it may be late for them, where clocks differ."""
    ours = {
        key: fold
        for key, fold in catalog.foldables.items()
        if any(fold.concerns(event) for event in _OUR_EVENTS)
    }
    if not ours:
        return {}
    states = tx.folds.of(profiles)
    return {
        profile: Folds(ours, [fold for fold in kept if fold.key in ours]) for profile, kept in states.items()
    }


def _bare(standing: Standing, now: datetime, folds: Folds) -> Person:
    """Return a person of whom nothing is known but who it is: their profile is not written."""
    profile = Profile(id=standing.profile, bucket_key="", created_at=now, lane=standing.lane)
    return Person(profile, folds=folds)
