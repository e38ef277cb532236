"""Turn: what one batch of facts is decided with — the definitions, the clock of the fact at hand, what is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

import msgspec

from engage.domain.audience.folds import BEFORE_REMOVAL
from engage.domain.catalog import Catalog
from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.delivery.sender import metered_as
from engage.domain.expression.functions import shifted
from engage.domain.fact import Outcome, Receipt, Start
from engage.domain.ids import DeliveryId, EventId, RunId, uuid7
from engage.domain.journey.run import Run
from engage.domain.profile.person import Person
from engage.domain.profile.profile import RESERVED_TYPE, Event
from engage.domain.profile.sensitive import without
from engage.domain.profile.touched import Touched
from engage.domain.turn.changes import Changes, Timer, TimerKind


class Choices(Protocol):
    """Who falls where: by hash in production, fixed by a scenario in a test."""

    def arm(self, person: Person, step: str) -> str | None:
        """Return the arm fixed for this person at a split; none: by hash."""
        ...

    def held_out(self, person: Person, journey: str) -> bool | None:
        """Return whether the person is fixed to be held out; none: by hash."""
        ...


class ByHash:
    """The choices of production."""

    def arm(self, person: Person, step: str) -> str | None:
        """Always by hash."""
        del person, step
        return None

    def held_out(self, person: Person, journey: str) -> bool | None:
        """Always by hash."""
        del person, journey
        return None


@dataclass(slots=True, kw_only=True)
class Follow:
    """A fact that follows from a decision, handled once the run that caused it rests."""

    event: Event | None = None
    start: Start | None = None
    touched: Touched | None = None
    """What a step changed about the person: seen at once, and reacted to when the run rests."""
    run: str | None = None
    """The run a delivery's event belongs to."""
    step: str | None = None
    links: int = 0
    """Of whom it follows from: see `Turn.links`."""


CHAIN_LIMIT = 100
"""`emit` and `start` after one outside fact; language.md §3."""


ENTRIES_LIMIT = 500
"""Entries of one person during one fact: more are journeys that start each other, or themselves, in a circle."""


POSTPONED = timedelta(minutes=5)
"""When a run that cannot move in this process, or a timer that failed, is looked at again."""


@dataclass(slots=True)
class Turn:
    """One digest turn. `now` is the instant of the fact or timer at hand."""

    catalog: Catalog
    now: datetime
    changes: Changes = field(default_factory=Changes)
    choices: Choices = field(default_factory=ByHash)
    lately: Mapping[tuple[Channel, str], Sequence[Delivery]] = field(default_factory=dict)
    """What went to addresses that were not reached just now."""
    deliveries: dict[DeliveryId, Delivery] = field(default_factory=dict)
    """Loaded deliveries: those facts are about, and those that wait for release in open runs."""
    completed: frozenset[RunId] = frozenset()
    """Runs that went through to their end, among those whose text a day's cap refused just now."""
    stopped: frozenset[str] = frozenset()
    """Numbers that said STOP, among those whose whole channel a call of this turn would open."""
    fact_id: str = ""
    arrival: int = 0
    chain: int = 0
    links: int = 0
    """How many runs came of one another before what is handled now; more than the limit of a chain is a circle."""
    counter: int = 0
    entries: int = 0
    """Entries into journeys during the fact at hand."""
    follows: list[Follow] = field(default_factory=list)
    alarms: list[Timer] = field(default_factory=list)
    """Timers set in this turn, in order: those already due fire before later facts of the batch."""
    planned: datetime | None = None
    """When the timer at hand should have fired, where that is earlier than `now`: a pause delayed it."""
    clock: datetime = field(init=False)
    """The present of whoever decides: later than `now` where facts and timers are late."""
    published: frozenset[str] = frozenset()
    """Journeys that were just published: what their clocks missed before may be made up for."""
    paces: dict[str, list[datetime]] = field(default_factory=dict)
    """Slots for those whose clocks strike in this turn, by journey, where a schedule has a pace."""
    backfill: bool = False
    """Whether rules are only being brought in line with history: no journey starts but with `existing: include`."""
    oldest: datetime = field(init=False)
    """What happened before is about to be removed, by the project's retention."""
    _by_run: dict[str | None, list[Delivery]] = field(default_factory=dict)
    _indexed: int = 0
    """How many of `deliveries` stand in `_by_run`; they only ever grow once anything is decided."""

    def __post_init__(self) -> None:
        """Begin in the present."""
        self.clock = self.now
        self.oldest = shifted(self.now, BEFORE_REMOVAL - self.catalog.settings.retention.events)

    def begin(self, *, fact_id: str, now: datetime, arrival: int, chain: int = 0) -> None:
        """Begin with the next fact or timer."""
        self.fact_id, self.now, self.arrival, self.chain, self.counter = fact_id, now, arrival, chain, 0
        self.planned, self.entries, self.links = None, 0, 0

    def next_id(self, *parts: str) -> str:
        """Return an id that is new in this fact and the same whenever the fact is decided again."""
        self.counter += 1
        return uuid7(self.now, self.fact_id, str(self.counter), *parts)

    def may_follow(self) -> bool:
        """Count one more `emit` or `start` of this chain; False once the limit is passed."""
        self.chain += 1
        return self.chain <= CHAIN_LIMIT

    def may_enter(self) -> bool:
        """Count one more entry during the fact at hand; False once there are so many, or so many of one another, that
        they are a circle."""
        self.entries += 1
        return self.entries <= ENTRIES_LIMIT and self.links <= CHAIN_LIMIT

    def follow(self, follow: Follow) -> None:
        """Have a fact handled once the run at hand rests."""
        follow.links = self.links
        self.follows.append(follow)

    def slot(self, journey: str) -> datetime | None:
        """Take the next slot of a journey's pace; none: nobody has to wait."""
        slots = self.paces.get(journey)
        return slots.pop(0) if slots else None

    def decide(self, person: Person, kind: Decided, outcome: str, **fields: Any) -> None:
        """Record a decision about a person, at the instant at hand."""
        covered = self.catalog.settings.covered
        if covered and fields.get("values"):
            fields["values"] = covered.values(fields["values"])
        self.changes.decisions.append(
            Decision(profile=person.id, at=self.now, kind=kind, outcome=outcome, **fields)
        )

    def touch(self, person: Person) -> None:
        """Have the profile written."""
        self.changes.profiles[person.id] = person.profile

    def keep_run(self, person: Person, run: Run) -> None:
        """Have the run written, and its timer set to when it is due."""
        self.changes.runs.pop(run.id, None)
        self.changes.runs[run.id] = run
        due = None
        if run.active and not self.catalog.is_paused(run.journey):
            due = min((at for at in (run.due_at, run.look_at) if at is not None), default=None)
        self.set_timer(person, TimerKind.RUN, run.id, due)

    def look_again(self, person: Person, run: Run, *, anew: bool = False) -> None:
        """Come back to a run whose version does not compile here: another release of this code may know it again."""
        if self.catalog.has_version(run.journey, run.version):
            return
        if anew or (TimerKind.RUN, run.id) not in person.timers:
            self.set_timer(person, TimerKind.RUN, run.id, self.clock + POSTPONED)

    def set_timer(self, person: Person, kind: TimerKind, ref: str, due_at: datetime | None) -> None:
        """Set or clear one timer; writes nothing if it stands so already."""
        if person.timers.get((kind, ref)) == due_at:
            return
        if due_at is None:
            person.timers.pop((kind, ref), None)
        else:
            person.timers[kind, ref] = due_at
        timer = Timer(profile=person.id, kind=kind, ref=ref, due_at=due_at, lane=person.profile.lane)
        self.changes.timers[person.id, kind, ref] = timer
        if due_at is not None:
            self.alarms.append(timer)

    def store_event(self, event: Event) -> None:
        """Have an event written, its sensitive properties covered; who holds it in this turn still sees them."""
        kept = self.catalog.settings.covered.event(event.name, event.properties)
        if kept is not event.properties:
            event = msgspec.structs.replace(event, properties=kept)
        self.changes.events.append(event)

    def count(self, person: Person, event: Event) -> None:
        """Let an event be seen by everything that counts, from now on; one that is told again is seen already."""
        if event.id in person.stored:
            return
        person.history.add(event)
        if person.folds:
            covered = self.catalog.settings.covered
            person.folds.take(event, person.history, covered, oldest=self.oldest)

    def keep_folds(self, people: Iterable[Person]) -> None:
        """Have the folds of these people written, once all is decided."""
        folded = {person.id: person for person in people if person.folds}
        if not folded:
            return
        for event in self.changes.events:
            person = folded.get(event.profile)
            if person is None or event.type == RESERVED_TYPE or event.id in person.stored:
                continue
            if not person.folds.reaches(event):
                continue
            # Some happen that nobody reacts to, during an import; they count all the same.
            if not any(known.id == event.id for known in _events(person, event.name)):
                covered = self.catalog.settings.covered
                person.folds.take(event, person.history, covered, oldest=self.oldest)
        for person in folded.values():
            self.changes.folds += person.folds.written(person.id)

    def conceal(self, delivery: Delivery) -> None:
        """Cover in a delivery that is settled what was sensitive in it: nothing is rendered from it any more."""
        covered = self.catalog.settings.covered
        if covered:
            texts = covered.found_in(delivery.context)
            context, variables = delivery.context, delivery.variables
            delivery.context = without(covered.properties(context), texts)
            delivery.variables = without(variables, texts)
            is_covered = (delivery.context, delivery.variables) != (context, variables)
            delivery.concealed = delivery.concealed or is_covered

    def slow_down(self, delivery: Delivery, told: Outcome | Receipt) -> None:
        """Let the sender of a delivery go slower, if its provider says that it goes too fast."""
        if told.slows:
            name = metered_as(self.catalog.settings, delivery.channel, delivery.sender)
            self.changes.slowed.append((name, told.at, told.code or ""))

    def cancel_sends(self, run: Run, *, reason: str | None, step: str | None = None) -> None:
        """Cancel what a run, or one of its steps, asked for and has not left yet."""
        for delivery in self._deliveries_of(run.id):
            if delivery.waits_for_release() and (step is None or delivery.step == step):
                delivery.add(Mark.CANCELED)
                delivery.due_at = None
                delivery.reason = reason
                self.conceal(delivery)
                self.changes.deliveries[delivery.id] = delivery

    def _deliveries_of(self, run: str) -> Sequence[Delivery]:
        """Return what is loaded of a run, by an index that follows as more is loaded: a turn ends hundreds of runs."""
        if self._indexed != len(self.deliveries):
            for delivery in islice(self.deliveries.values(), self._indexed, None):
                self._by_run.setdefault(delivery.run, []).append(delivery)
            self._indexed = len(self.deliveries)
        return self._by_run.get(run, ())

    def happen(
        self,
        person: Person,
        name: str,
        properties: Mapping[str, Any],
        *,
        run: str | None = None,
        step: str | None = None,
    ) -> Event:
        """Let one of our own events happen to a person: written now, handled after the run at hand rests."""
        event = Event(
            id=EventId(self.next_id(name)),
            profile=person.id,
            name=name,
            type="engine",
            timestamp=self.now,
            received_at=self.now,
            arrival=self.arrival,
            properties=dict(properties),
            epoch=self.catalog.epoch,
        )
        self.store_event(event)
        self.follow(Follow(event=event, run=run, step=step))
        return event


def _events(person: Person, name: str) -> Iterable[Event]:
    return (event for event in person.history.matching(name) if isinstance(event, Event))
