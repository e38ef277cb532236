"""Backfill: everybody is looked at once after the project changed — in turns, resumably, with progress."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engage.domain.catalog import Catalog, JourneyState
from engage.domain.entering import Candidate
from engage.domain.errors import IdentityRaceError
from engage.domain.ids import ProfileId
from engage.domain.membership import Touched
from engage.domain.migrating import migrate
from engage.domain.person import Person
from engage.domain.react import begin, react
from engage.domain.resume import archive, resume
from engage.domain.turn import ByHash, Choices, Turn
from engage.engine.agenda import leave_inside
from engage.engine.working_set import load_people, waiting_deliveries
from engage.ports.storage import Job, StorageBusyError, Store, Transaction

BATCH = 500
MAX_RACES = 20
BACKFILL = "backfill"

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
        """Look at the next 500 people of a job; None if there is nothing to do or another worker is at it."""
        for _ in range(MAX_RACES):
            try:
                return self._once(name, now)
            except (IdentityRaceError, StorageBusyError):
                continue
        return None

    def _once(self, name: str, now: datetime) -> Progress | None:
        with self._store.transaction() as tx:
            job = tx.jobs.lock(name)
            if job is None or job.finished_at is not None:
                return None
            page = tx.people.page(None if job.cursor is None else ProfileId(job.cursor), BATCH)
            if page:
                self._look(tx, job, page, now)
                job.cursor = page[-1]
                job.done += len(page)
            if len(page) < BATCH:
                job.finished_at = now
                for journey in _taking_in(job):
                    leave_inside(tx, self._catalog_of(tx), journey, name)
            tx.jobs.save(job)
            return Progress(name, job.done, max(job.total, job.done), job.finished_at is not None)

    def _look(self, tx: Transaction, job: Job, page: list[ProfileId], now: datetime) -> None:
        tx.definitions.hold()
        catalog = self._catalog_of(tx)
        people = load_people(tx, catalog, page, now=now)
        turn = Turn(catalog=catalog, now=now, choices=self._choices)
        turn.deliveries = waiting_deliveries(tx, people)
        for profile_id in page:
            person = people[profile_id]
            turn.begin(fact_id=f"{job.name}:{profile_id}", now=now, arrival=0)
            _follow(turn, person, job)
        tx.write(turn.changes)


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
