"""Clockwork: one timer per person for what a journey's clock means to each of them: birthdays, and local schedules.

A timer's `ref` is `journey|done|planned`: `done` is the newest occasion that is over, `planned` the one it is due for
(a year, a day, or a wall time). So an occasion comes once, however often the person's zone or the date changes. One
that has struck and waits for its turn, because the schedule has a pace, ends in `|paced`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from engage.domain.catalog import Catalog, JourneyState, LiveJourney
from engage.domain.expression import parse_instant
from engage.domain.journey.trigger import DateTrigger, ScheduleTrigger
from engage.domain.profile.person import Person
from engage.domain.timing import civil, format_instant, next_yearly, parse_date_text, wall_of, yearly
from engage.domain.turn.changes import TimerKind
from engage.domain.turn.turn import Turn

LATE = timedelta(hours=2)
"""A tick that is later than this is skipped unless the schedule says `if_late: send`; language.md §3."""
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a timer is due that only remembers what is over."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """One time a journey's clock strikes for a person."""

    name: str
    """Sortable among the occasions of one clock."""
    at: datetime
    entry: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ref:
    """What a timer's `ref` says."""

    journey: str
    done: str = ""
    planned: str = ""
    paced: bool = False

    def __str__(self) -> str:
        """Return the `ref`."""
        return f"{self.journey}|{self.done}|{self.planned}" + ("|paced" if self.paced else "")

    @classmethod
    def read(cls, ref: str) -> "Ref":
        """Return what a `ref` says."""
        journey, done, planned, *paced = ref.split("|")
        return cls(journey, done, planned, bool(paced))


def plan(
    turn: Turn, person: Person, *, traits: Collection[str], audiences: Collection[str], everything: bool
) -> None:
    """Plan anew what may have moved: by a trait, the person's zone, an audience, or because all is new."""
    clocks = turn.catalog.personal_clocks
    for name, live in clocks.items():
        zone_changed = "timezone" in traits
        if everything or zone_changed or _concerned(live, traits, audiences):
            moved = not everything and zone_changed and not _concerned(live, traits, audiences)
            _plan(turn, person, live, _known(person, name), only_the_zone=moved)
    if everything:
        for kind, ref in list(person.timers):
            if kind is TimerKind.CLOCK and Ref.read(ref).journey not in clocks:
                turn.set_timer(person, kind, ref, None)


def wind(turn: Turn, person: Person, journey: str) -> None:
    """Have a journey's clock go for somebody for whom it stands still: it was archived when it struck, or when they came."""
    live = turn.catalog.personal_clocks.get(journey)
    if live is None:
        return
    known = _known(person, journey)
    if known.planned <= known.done:
        _plan(turn, person, live, known)


def strike(turn: Turn, person: Person, ref: str) -> tuple[LiveJourney, dict[str, Any]] | None:
    """A clock strikes: plan the next occasion, and return whom to begin with which entry; None: not this time."""
    turn.set_timer(person, TimerKind.CLOCK, ref, None)
    said = Ref.read(ref)
    live = turn.catalog.personal_clocks.get(said.journey)
    if live is None:
        return None
    known = _known(person, said.journey)
    if not said.planned or said.planned <= known.done:
        return None
    occasion = _named(person, live, said.planned, turn)
    over = occasion is None or not _wanted(person, live) or _too_late(turn, person, live)
    slot = None if over or said.paced else turn.slot(said.journey)
    if slot is not None and slot > turn.now:
        turn.set_timer(person, TimerKind.CLOCK, str(replace(said, paced=True)), slot)
        return None
    _plan(turn, person, live, Ref(said.journey, said.planned))
    return None if over or occasion is None else (live, occasion.entry)


def paced_clock(catalog: Catalog, ref: str) -> tuple[str, Decimal] | None:
    """Return the journey, and its pace a second, of a timer that strikes one after the other and has not struck yet."""
    said = Ref.read(ref)
    live = catalog.personal_clocks.get(said.journey)
    schedule = None if live is None else live.journey.trigger.schedule
    if schedule is None or schedule.pace is None or said.paced or not said.planned:
        return None
    return said.journey, schedule.pace


def _concerned(live: LiveJourney, traits: Collection[str], audiences: Collection[str]) -> bool:
    trigger = live.journey.trigger
    if trigger.date is not None:
        return trigger.date.trait in traits
    return trigger.schedule is not None and trigger.schedule.audience in audiences


def _known(person: Person, journey: str) -> Ref:
    """Return what is known of a journey's clock; after a merge there may be two timers."""
    refs = [Ref.read(ref) for kind, ref in person.timers if kind is TimerKind.CLOCK]
    mine = [ref for ref in refs if ref.journey == journey]
    return max(mine, key=lambda ref: (ref.done, ref.planned), default=Ref(journey))


def _wanted(person: Person, live: LiveJourney) -> bool:
    schedule = live.journey.trigger.schedule
    return schedule is None or schedule.audience is None or schedule.audience in person.audiences


def _plan(turn: Turn, person: Person, live: LiveJourney, known: Ref, *, only_the_zone: bool = False) -> None:
    due, planned = NEVER, ""
    waiting = person.timers.get((TimerKind.CLOCK, str(known))) if known.paced else None
    if waiting is not None and live.state is not JourneyState.ARCHIVED and _wanted(person, live):
        return  # it has struck, and its turn comes
    if live.state is not JourneyState.ARCHIVED and _wanted(person, live):
        kept = _named(person, live, known.planned, turn) if known.planned > known.done else None
        before = person.timers.get((TimerKind.CLOCK, str(known)))
        if only_the_zone and kept is not None and before is not None and kept.at <= turn.now < before:
            due, planned = turn.now, kept.name  # the new zone is already past it: it is not lost
        else:
            occasion = _next(turn, person, live, known.done)
            if occasion is not None:
                due, planned = occasion.at, occasion.name
    new = str(Ref(live.name, known.done, planned))
    for kind, ref in list(person.timers):
        if kind is TimerKind.CLOCK and ref != new and Ref.read(ref).journey == live.name:
            turn.set_timer(person, kind, ref, None)
    if planned or known.done:
        turn.set_timer(person, TimerKind.CLOCK, new, due)


def _zone(turn: Turn, person: Person) -> ZoneInfo:
    return person.zone(turn.catalog.settings)[0]


def _next(turn: Turn, person: Person, live: LiveJourney, done: str) -> Occasion | None:
    """Return the first occasion after now that is not over."""
    trigger, zone = live.journey.trigger, _zone(turn, person)
    if trigger.date is not None:
        return _next_day(trigger.date, _day(person, trigger.date, zone), turn.now, zone, done)
    assert trigger.schedule is not None
    schedule, after = trigger.schedule, turn.now
    if schedule.at is not None:
        return _broadcast(turn, live, schedule, zone, done)
    while (tick := schedule.next(after, zone)) is not None:
        occasion = _tick(tick, zone)
        if occasion.name > done:
            return occasion
        after = tick
    return None


def _next_day(
    form: DateTrigger, day: date | None, now: datetime, zone: ZoneInfo, done: str
) -> Occasion | None:
    if day is None:
        return None
    try:
        if form.every == "once":
            occasion = _marked(form, day.isoformat(), day, zone)
            return occasion if occasion.at > now and occasion.name != done else None
        instant, year = next_yearly(day, form.time, now, zone, days_before=form.days_before)
        while f"{year:04}" <= done:
            instant, year = next_yearly(day, form.time, instant, zone, days_before=form.days_before)
        return _marked(form, f"{year:04}", yearly(day, year), zone)
    except (OverflowError, ValueError):
        return None  # a date at the edge of the calendar has no anniversary


def _marked(form: DateTrigger, name: str, marked: date, zone: ZoneInfo) -> Occasion:
    at = civil(marked - timedelta(days=form.days_before), form.time, zone)
    return Occasion(name, at, {"date": marked.isoformat()})


def _named(person: Person, live: LiveJourney, name: str, turn: Turn) -> Occasion | None:
    """Return an occasion by its name, as the person's date and zone are now; None: there is no such one any more."""
    trigger, zone = live.journey.trigger, _zone(turn, person)
    if trigger.date is not None:
        day = _day(person, trigger.date, zone)
        if day is None:
            return None
        if trigger.date.every == "once":
            return _marked(trigger.date, name, day, zone) if name == day.isoformat() else None
        return _marked(trigger.date, name, yearly(day, int(name)), zone) if name.isdigit() else None
    try:
        wall = datetime.fromisoformat(name)
    except ValueError:
        return None
    return _tick(civil(wall.date(), wall.time(), zone), zone)


def _tick(tick: datetime, zone: ZoneInfo) -> Occasion:
    wall = wall_of(tick, zone).replace(tzinfo=None)
    return Occasion(wall.isoformat(timespec="seconds"), tick, {"scheduled_at": format_instant(tick)})


def _broadcast(
    turn: Turn, live: LiveJourney, schedule: ScheduleTrigger, zone: ZoneInfo, done: str
) -> Occasion | None:
    """Return the one occasion of an `at`; what is past at its publication is skipped, or made up for at once."""
    occasion = _tick(schedule.instant(zone), zone)
    if occasion.name <= done:
        return None
    if occasion.at > turn.now:
        return occasion
    if occasion.at == turn.now or (live.name in turn.published and schedule.if_past == "go_on"):
        return Occasion(occasion.name, turn.now, occasion.entry)
    return None


def _too_late(turn: Turn, person: Person, live: LiveJourney) -> bool:
    """Return whether a tick comes too late to be of use, or a later one has come meanwhile."""
    schedule = live.journey.trigger.schedule
    if schedule is None:
        return False
    later = schedule.next(turn.now, _zone(turn, person)) if schedule.cron is not None else None
    if later is not None and later <= turn.clock:
        return True
    return schedule.if_late == "skip" and turn.clock - turn.now > LATE


def _day(person: Person, form: DateTrigger, zone: ZoneInfo) -> date | None:
    value: Any = person.profile.traits.get(form.trait)
    if isinstance(value, str):
        day = parse_date_text(value.strip())
        if day is not None:
            return day
    instant = parse_instant(value, zone)
    return None if instant is None else wall_of(instant, zone).date()
