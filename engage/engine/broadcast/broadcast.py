"""Broadcast: one tick or one signal enters many — by a cursor, at a pace, never more than 500 people a turn.

Nothing is put into anybody's inbox. A broadcast is a job: what a turn did and how far it got are one transaction, so
a turn that dies is taken again and nobody enters twice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engage.domain.catalog import Catalog, JourneyState, LiveJourney
from engage.domain.errors import IdentityRaceError
from engage.domain.expression import order_key
from engage.domain.ids import ProfileId
from engage.domain.journey.entering import Candidate, refused
from engage.domain.journey.triggering import is_meant
from engage.domain.profile.person import Person
from engage.domain.profile.touched import Touched
from engage.domain.turn.react import begin, react
from engage.domain.turn.turn import ByHash, Choices, Turn
from engage.engine.broadcast.agenda import BROADCAST, CLOCKS, due_of, is_due
from engage.engine.broadcast.crowd import BATCH, Page, next_page
from engage.engine.broadcast.ticks import turn_of_clocks, turn_of_schedule
from engage.engine.digest.working_set import load_people, waiting_deliveries
from engage.engine.publish.set_aside import by_halves, set_aside
from engage.ports.selecting import Given
from engage.ports.storage import Job, StorageBusyError, Store, Transaction

MAX_RACES = 20
PATIENCE = timedelta(seconds=60)
"""How long a tick waits for facts that came before it and are not digested yet."""
CATCH_UP = timedelta(seconds=2)
"""A paced broadcast that fell behind further than this goes on from now at its pace, and does not hurry."""

CatalogOf = Callable[[Transaction], Catalog]


@dataclass(frozen=True, slots=True)
class Broadcasting:
    """How far a broadcast is."""

    job: str
    entered: int
    finished: bool
    due: datetime | None = None
    """When the next turn is; none: at once."""


class Broadcast:
    """The room: ticks of schedules, and the broadcasts that they and signals are. Any number of processes may turn."""

    def __init__(self, store: Store, catalog_of: CatalogOf, choices: Choices | None = None) -> None:
        """Enter people in `store`."""
        self._store, self._catalog_of = store, catalog_of
        self._choices = choices or ByHash()

    def turn(self, name: str, now: datetime) -> Broadcasting | None:
        """Take one turn of a job; None if nothing is due or another worker is at it.

        Whom a mistake of ours keeps from being judged is set aside, with a decision that says so.
        """
        return by_halves(
            lambda most: self._raced(name, now, most),
            lambda mistake: self._leave_out(name, now, mistake),
            BATCH,
        )

    def _raced(self, name: str, now: datetime, most: int) -> Broadcasting | None:
        for _ in range(MAX_RACES):
            try:
                with self._store.transaction() as tx:
                    job = tx.jobs.lock(name)
                    if job is None or job.finished_at is not None or not is_due(job, now):
                        return None
                    return self._once(tx, job, now, most)
            except (IdentityRaceError, StorageBusyError):
                continue
        return None

    def _leave_out(self, name: str, now: datetime, mistake: Exception) -> None:
        with self._store.transaction() as tx:
            job = tx.jobs.lock(name)
            catalog = self._catalog_of(tx)
            live = None if job is None or job.kind != BROADCAST else catalog.journeys.get(job.data["journey"])
            if job is None or live is None:
                raise mistake
            profile = _Work(tx, job, catalog, live, now, self._choices, most=1).leave_out()
            if profile is None:
                raise mistake
            set_aside(tx, job, profile, now, mistake, live.name)
            tx.jobs.save(job)

    def _once(self, tx: Transaction, job: Job, now: datetime, most: int) -> Broadcasting | None:
        tx.definitions.hold()
        catalog = self._catalog_of(tx)
        if job.kind == BROADCAST:
            if self._waits_for_facts(tx, job, now):
                return None
            self._broadcast(tx, job, catalog, now, most)
        elif job.kind == CLOCKS:
            turn_of_clocks(tx, job, catalog, now)
        else:
            turn_of_schedule(tx, job, catalog, now)
        tx.jobs.save(job)
        return Broadcasting(job.name, job.done, job.finished_at is not None, due_of(job))

    def _waits_for_facts(self, tx: Transaction, job: Job, now: datetime) -> bool:
        """Return whether live facts older than a tick that has not begun are undigested: they decide who is meant.

        As with timers, an import is nothing to wait for: it may take hours, and tells of what happened before.
        """
        due = due_of(job)
        if job.cursor is not None or due is None or now - due > PATIENCE:
            return False
        lanes = [lane for lane, oldest in tx.inbox.lanes().items() if oldest < due]
        first = tx.inbox.next_live(lanes, after=-1) if lanes else None
        return first is not None and first < due

    def _broadcast(self, tx: Transaction, job: Job, catalog: Catalog, now: datetime, most: int) -> None:
        live = catalog.journeys.get(job.data["journey"])
        if live is None or live.state is JourneyState.ARCHIVED:
            job.finished_at = now
            return
        work = _Work(tx, job, catalog, live, now, self._choices, most)
        if job.data.get("phase") == "choose":
            work.choose()
        elif "chosen" in job.data:
            work.enter_chosen()
        else:
            work.enter_everybody()
        work.turn.keep_folds(work.people.values())
        tx.write(work.turn.changes)


class _Work:
    """One turn of one broadcast."""

    def __init__(
        self,
        tx: Transaction,
        job: Job,
        catalog: Catalog,
        live: LiveJourney,
        now: datetime,
        choices: Choices,
        most: int,
    ) -> None:
        self.most = most
        self.tx, self.job, self.catalog, self.live, self.now = tx, job, catalog, live, now
        self.turn = Turn(catalog=catalog, now=now, choices=choices)
        self.people: dict[ProfileId, Person] = {}
        """Whoever was looked at."""
        self.trigger = live.journey.trigger
        self.pace = self.trigger.pace
        if self.trigger.schedule is not None:
            self.pace = self.trigger.schedule.pace
        since = job.data.get("since")
        self.since = None if since is None else datetime.fromisoformat(since)

    def choose(self) -> None:
        """Look at the next people and keep the first `at_most` in order; when all are seen they enter."""
        chosen: list[list[Any]] = self.job.data.get("chosen", [])
        page = self._page()
        chosen += [
            self._place(person)
            for person in self._people(page.people)
            if self._is_meant(person) and not refused(self.turn, person, self.live, self._candidate())
        ]
        chosen.sort(key=_in_order)
        assert self.trigger.at_most is not None
        self.job.data = {**self.job.data, "chosen": chosen[: self.trigger.at_most]}
        self._walked(page.upto, page.passed)
        if page.last:
            self.job.data = {**self.job.data, "phase": "enter"}
            self.job.cursor = None

    def enter_chosen(self) -> None:
        """Enter the next of those who were chosen."""
        chosen: list[list[Any]] = self.job.data["chosen"]
        begun = int(self.job.cursor or 0)
        batch = chosen[begun : begun + self._allowed()]
        found = {person.id: person for person in self._people([ProfileId(place[-1]) for place in batch])}
        for place in batch:
            person = found.get(ProfileId(place[-1]))
            if person is not None:
                self._enter(person)
        self.job.cursor = str(begun + len(batch))
        self._paced(len(batch), finished=begun + len(batch) >= len(chosen))

    def enter_everybody(self) -> None:
        """Enter the next people in the order of their ids, as far as the pace allows."""
        page = self._page()
        allowed, entered, seen = self._allowed(), 0, 0
        for person in self._people(page.people):
            if entered >= allowed:
                self._walked(page.people[seen - 1], seen)
                self._paced(entered, finished=False)
                return
            seen = page.people.index(person.id) + 1
            entered += self._is_meant(person) and self._enter(person)
        self._walked(page.upto, page.passed)
        self._paced(entered, finished=page.last)

    def leave_out(self) -> ProfileId | None:
        """Go on behind the next person and return who it is; None if nobody comes."""
        if "chosen" in self.job.data and self.job.data.get("phase") != "choose":
            begun = int(self.job.cursor or 0)
            chosen: list[list[Any]] = self.job.data["chosen"]
            self.job.cursor = str(begun + 1)
            return ProfileId(chosen[begun][-1]) if begun < len(chosen) else None
        page = self._page()
        self._walked(page.upto, page.passed)
        return page.people[0] if page.people else None

    def _page(self) -> Page:
        after = None if self.job.cursor is None else ProfileId(self.job.cursor)
        given = Given(
            now=self.now,
            settings=self.catalog.settings,
            entry=self.job.data.get("entry", {}),
            entry_event=self.job.data.get("event"),
        )
        return next_page(self.tx, self.live, given, after, self.most)

    def _people(self, profiles: Sequence[ProfileId]) -> Iterator[Person]:
        # Who was chosen may have been merged or erased since.
        there = list(self.tx.people.lock(profiles))
        people = load_people(self.tx, self.catalog, there, now=self.now, oldest=self.since)
        self.people.update(people)
        self.turn.deliveries.update(waiting_deliveries(self.tx, people))
        for profile in profiles:
            if profile in people:
                self.turn.begin(fact_id=f"{self.job.name}:{profile}", now=self.now, arrival=0)
                yield people[profile]

    def _walked(self, upto: ProfileId | None, passed: int) -> None:
        if upto is not None:
            self.job.cursor = upto
            self.job.done += passed

    def _is_meant(self, person: Person) -> bool:
        """Return whether a person is one of those the tick or the signal is about, as of now."""
        if self.trigger.schedule is not None:
            audience = self.trigger.schedule.audience
            return audience is None or audience in person.audiences
        if self.trigger.audience is not None:
            wanted = self.trigger.audience
            inside = (
                wanted.entered in person.audiences
                if wanted.entered
                else (wanted.left not in person.audiences)
            )
            return inside and not any(r.active and r.journey == self.live.name for r in person.runs)
        entry = dict(self.job.data.get("entry", {}))
        if self.trigger.people is None or not is_meant(
            self.turn, person, self.live, entry, self.job.data.get("event")
        ):
            return False
        return bool(self.trigger.people.truth(self._scope(person, entry)))

    def _scope(self, person: Person, entry: dict[str, Any]) -> Any:
        return person.scope(
            self.catalog.settings, self.now, entry=entry, entry_event=self.job.data.get("event")
        )

    def _candidate(self) -> Candidate:
        return Candidate(
            entry=self.job.data.get("entry", {}),
            entry_event=self.job.data.get("event"),
            since=self.since or self.now,
            punctual=True,
        )

    def _enter(self, person: Person) -> bool:
        self.turn.begin(fact_id=f"{self.job.name}:{person.id}", now=self.now, arrival=0)
        entered = begin(self.turn, person, self.live, self._candidate())
        react(self.turn, person, touched=Touched())
        return entered

    def _place(self, person: Person) -> list[Any]:
        """Return where a person stands in the order: by `order`, else and among equals the oldest profile first."""
        value = None
        if self.trigger.order is not None:
            value = self.trigger.order.value(self._scope(person, dict(self.job.data.get("entry", {}))))
        profile = person.profile
        name = profile.identifiers[0].value if profile.identifiers else ""
        return [_kept(value), profile.created_at.isoformat(), name, profile.id]

    def _allowed(self) -> int:
        """Return how many may enter in this turn."""
        return self.most if self.pace is None else max(1, min(self.most, int(self.pace)))

    def _paced(self, entered: int, *, finished: bool) -> None:
        if finished:
            self.job.finished_at = self.now
            # Whom it was about is nobody's business any more.
            self.job.data = {key: value for key, value in self.job.data.items() if key != "chosen"}
        elif self.pace is not None and entered:
            due = max(due_of(self.job) or self.now, self.now - CATCH_UP)
            due += timedelta(seconds=float(Decimal(entered) / self.pace))
            self.job.data = {**self.job.data, "due": due.isoformat()}


def _kept(value: Any) -> list[Any]:
    """Return a value so that JSON keeps it exactly."""
    match value:
        case datetime():
            return ["instant", value.isoformat()]
        case int() | Decimal() if not isinstance(value, bool):
            return ["number", str(value)]
        case _:
            return ["plain", value]


def _in_order(place: list[Any]) -> tuple[Any, datetime, str, str]:
    (kind, value), created, name, profile = place
    if kind == "instant":
        value = datetime.fromisoformat(value)
    elif kind == "number":
        value = Decimal(value)
    return order_key(value), datetime.fromisoformat(created), name, profile
