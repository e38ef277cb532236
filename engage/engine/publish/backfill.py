"""Backfill: everybody is looked at once after the project changed — in turns, resumably, with progress."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engage.domain.catalog import Catalog, JourneyState
from engage.domain.errors import IdentityRaceError
from engage.domain.ids import ProfileId
from engage.domain.journey.clockwork import wind
from engage.domain.journey.entering import Candidate
from engage.domain.journey.migrating import migrate
from engage.domain.journey.resume import archive, resume
from engage.domain.profile.person import Person
from engage.domain.profile.touched import Touched
from engage.domain.turn.react import begin, react
from engage.domain.turn.turn import ByHash, Choices, Turn
from engage.engine.broadcast.agenda import leave_inside
from engage.engine.digest.working_set import load_people, waiting_deliveries
from engage.engine.publish.bring_in_line import Plan, plan_of, write_standings
from engage.engine.publish.set_aside import by_halves, set_aside
from engage.ports.selecting import Given, Rules, Stretch
from engage.ports.storage import Job, StorageBusyError, Store, Transaction

BATCH = 500
"""People the core looks at in a turn."""
STRETCH = 4_000
"""People about whom SQL is asked in a turn: a tenth of a second, and as many rows at most in one commit."""
MAX_RACES = 20
BACKFILL = "backfill"

_ONE_JOURNEY = frozenset({"resume", "archive"})
"""Causes that are about everybody in one journey."""

CatalogOf = Callable[[Transaction], Catalog]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is."""

    job: str
    done: int
    total: int
    finished: bool


class Backfill:
    """The room. Any number of processes may take turns; a turn that dies is taken again."""

    def __init__(self, store: Store, catalog_of: CatalogOf, choices: Choices | None = None) -> None:
        """Walk through everybody in `store`."""
        self._store, self._catalog_of = store, catalog_of
        self._choices = choices or ByHash()

    def open_jobs(self) -> list[str]:
        """Return the names of the jobs that are not finished."""
        with self._store.transaction() as tx:
            return [job.name for job in tx.jobs.unfinished() if job.kind == BACKFILL]

    def turn(self, name: str, now: datetime) -> Progress | None:
        """Look at the next 500 people of a job; None if there is nothing to do or another worker is at it.

        Whom a mistake of ours keeps from being brought in line is set aside, with a decision that says so.
        """
        return by_halves(
            lambda most: self._raced(name, now, most),
            lambda mistake: self._leave_out(name, now, mistake),
            STRETCH,
        )

    def _raced(self, name: str, now: datetime, most: int) -> Progress | None:
        for _ in range(MAX_RACES):
            try:
                return self._once(name, now, most)
            except (IdentityRaceError, StorageBusyError):
                continue
        return None

    def _leave_out(self, name: str, now: datetime, mistake: Exception) -> None:
        with self._store.transaction() as tx:
            job = tx.jobs.lock(name)
            stretch = None if job is None else tx.selection.stretch(_after(job), 1)
            if job is None or stretch is None:
                raise mistake
            set_aside(tx, job, stretch.upto, now, mistake)
            job.cursor, job.done = stretch.upto, job.done + 1
            tx.jobs.save(job)

    def _once(self, name: str, now: datetime, most: int) -> Progress | None:
        with self._store.transaction() as tx:
            job = tx.jobs.lock(name)
            if job is None or job.finished_at is not None:
                return None
            tx.definitions.hold()
            catalog = self._catalog_of(tx)
            plan = (
                Plan(None, Given(now=now))
                if job.data.get("cause") in _ONE_JOURNEY
                else plan_of(catalog, job, now)
            )
            if self._is_last(tx, job, catalog, plan, now, most):
                job.finished_at = now
                for journey in _taking_in(job):
                    leave_inside(tx, catalog, journey, name)
            tx.jobs.save(job)
            return Progress(name, job.done, max(job.total, job.done), job.finished_at is not None)

    def _is_last(
        self, tx: Transaction, job: Job, catalog: Catalog, plan: Plan, now: datetime, most: int
    ) -> bool:
        """Bring the next people in line; return whether they were the last."""
        after, only = _after(job), _concerned(catalog, job)
        most = min(most, BATCH if plan.rules is None and only is None else STRETCH)
        stretch = tx.selection.stretch(after, most)
        if stretch is None:
            return True
        last = stretch.people < most
        if only is not None:
            people = only.among(tx, catalog, stretch, now)
            if len(people) > BATCH:
                stretch, last = tx.selection.upto(after, people[BATCH - 1]), False
            self._look(tx, job, catalog, people[:BATCH], now)
        elif plan.rules is None:
            self._look(tx, job, catalog, tx.people.page(after, most), now)
        else:
            standings = tx.selection.standings(plan.rules, plan.given, stretch)
            unsure = [standing.profile for standing in standings if standing.unsure]
            if len(unsure) > BATCH:
                stretch, last = tx.selection.upto(after, unsure[BATCH - 1]), False
                standings = [standing for standing in standings if standing.profile <= stretch.upto]
            self._settle(tx, job, catalog, plan, [standing.profile for standing in standings], now)
        job.cursor = stretch.upto
        job.done += stretch.people
        return last

    def _settle(
        self, tx: Transaction, job: Job, catalog: Catalog, plan: Plan, people: list[ProfileId], now: datetime
    ) -> None:
        """Lock those who are not as they should be, ask again, and write what follows.

        Whoever stood right when first asked is kept right by what is digested since: the rules are live already.
        """
        assert plan.rules is not None
        there = tx.people.hold(people)
        if not there:
            return
        standings = tx.selection.standings(plan.rules, plan.given, there)
        sure = [standing for standing in standings if not standing.unsure]
        write_standings(tx, catalog, sure, job.name, now, self._choices)
        unsure = [standing.profile for standing in standings if standing.unsure]
        for start in range(0, len(unsure), BATCH):
            self._look(tx, job, catalog, unsure[start : start + BATCH], now)

    def _look(
        self, tx: Transaction, job: Job, catalog: Catalog, page: list[ProfileId], now: datetime
    ) -> None:
        """Let the core judge some people."""
        people = load_people(tx, catalog, page, now=now)
        turn = Turn(catalog=catalog, now=now, choices=self._choices)
        turn.deliveries = waiting_deliveries(tx, people)
        for profile_id in page:
            person = people[profile_id]
            turn.begin(fact_id=f"{job.name}:{profile_id}", now=now, arrival=0)
            _follow(turn, person, job)
        turn.keep_folds(people.values())
        tx.write(turn.changes)


def _after(job: Job) -> ProfileId | None:
    return None if job.cursor is None else ProfileId(job.cursor)


@dataclass(frozen=True, slots=True)
class _Concerned:
    """Whom a job about one journey is about: who is in it, and those whom it takes in or whose clock it winds."""

    journey: str
    audience: str | None = None
    trait: Rules | None = None
    """Who has a trait by which its clocks go."""

    def among(self, tx: Transaction, catalog: Catalog, stretch: Stretch, now: datetime) -> list[ProfileId]:
        """Return those of a stretch."""
        found = set(tx.selection.walking(self.journey, stretch))
        if self.audience is not None:
            members = tx.selection.members(self.audience, stretch.after, stretch.people)
            found.update(member for member in members if member <= stretch.upto)
        if self.trait is not None:
            given = Given(now=now, settings=catalog.settings)
            found.update(standing.profile for standing in tx.selection.standings(self.trait, given, stretch))
        return sorted(found)


def _concerned(catalog: Catalog, job: Job) -> _Concerned | None:
    """Return whom a job about one journey is about; None: everybody, or it is about more than one journey."""
    cause = job.data.get("cause")
    if cause not in _ONE_JOURNEY:
        return None
    name = str(job.data["journey"])
    live = catalog.journeys.get(name)
    if cause == "archive" or live is None:
        return _Concerned(name)
    trigger = live.journey.trigger
    if name in catalog.personal_clocks:
        if not _winds(job):
            return _Concerned(name)
        if trigger.date is not None:
            return _Concerned(name, trait=Rules(dated=[trigger.date.trait], walking=False))
        assert trigger.schedule is not None
        return _Concerned(name, trigger.schedule.audience) if trigger.schedule.audience else None
    if trigger.existing != "include" or trigger.audience is None or trigger.pace is not None:
        return _Concerned(name)
    return _Concerned(name, trigger.audience.entered) if trigger.audience.entered else None


def _winds(job: Job) -> bool:
    """Return whether clocks may stand still: those of an archived journey do, those of a paused one go on."""
    return job.data.get("was") != "paused"


def _taking_in(job: Job) -> list[str]:
    """Return the journeys that may want who is inside their audience already."""
    if job.data.get("cause") == "resume":
        return [str(job.data["journey"])]
    return list(job.data.get("journeys", ()))


def _follow(turn: Turn, person: Person, job: Job) -> None:
    match job.data.get("cause"):
        case "resume":
            migrate(turn, person, str(job.data["journey"]))
            resume(turn, person, str(job.data["journey"]))
            if _winds(job):
                wind(turn, person, str(job.data["journey"]))
            _take_in(turn, person, str(job.data["journey"]))
        case "archive":
            archive(turn, person, str(job.data["journey"]))
        case _:
            _bring_in_line(turn, person, job)


def _bring_in_line(turn: Turn, person: Person, job: Job) -> None:
    """Move people to new versions; judge all rules; take in those whom a new journey wants already inside."""
    for name in job.data.get("journeys", ()):
        migrate(turn, person, name)
    turn.backfill, turn.published = True, frozenset(job.data.get("journeys", ()))
    react(turn, person, touched=Touched(everything=True))
    turn.backfill, turn.published = False, frozenset()
    for name in job.data.get("journeys", ()):
        _take_in(turn, person, name)


def _take_in(turn: Turn, person: Person, name: str) -> None:
    """Enter somebody who is inside already, where the journey says `existing: include`: at publish and at resume."""
    live = turn.catalog.journeys.get(name)
    if live is None or live.journey.trigger.existing != "include" or live.state is not JourneyState.ACTIVE:
        return
    if live.journey.trigger.pace is not None:
        return  # a broadcast takes them in, at that pace, once this job is done
    audience = live.journey.trigger.audience
    if audience is None or any(run.journey == name for run in person.runs):
        return
    inside = (
        (audience.entered in person.audiences)
        if audience.entered
        else (audience.left not in person.audiences)
    )
    if inside:
        entry = {"audience_key": audience.entered or audience.left}
        begin(turn, person, live, Candidate(entry=entry, entry_event=None, since=turn.now))
        react(turn, person, touched=Touched())
