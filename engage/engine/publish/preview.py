"""Preview: how many people a rule holds for, before it is published — counted, or estimated from a sample of them."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.audience.membership import as_trait
from engage.domain.catalog import Catalog
from engage.domain.errors import IdentityRaceError
from engage.domain.expression import Expression, Place, compile_expression
from engage.domain.ids import ProfileId
from engage.domain.profile.person import Person
from engage.engine.digest.working_set import load_people
from engage.ports.jobs import Job
from engage.ports.selecting import Given, Holding, Stretch
from engage.ports.storage import Store

SAMPLE = 10_000
"""People SQL judges for an estimate: an error of one percent of everybody at most, within a second."""
CHUNK = 1_000
JUDGED = 400
"""People of a sample whom the core judges, because SQL is not sure of them."""
BATCH = 500
STRETCH = 10_000
MAX_RACES = 20

PREVIEW = "preview"
"""The kind of job that an exact count is."""
RESUMED_WITHIN = timedelta(hours=1)

_Z = 1.959964  # of a normal distribution, 95 % lie within so many standard deviations


@dataclass(frozen=True, slots=True)
class Estimate:
    """About how many of everybody."""

    matching: int
    """Of those that were looked at."""
    looked_at: int
    everybody: int
    some: tuple[ProfileId, ...] = ()
    """Some of those that match."""

    @property
    def exact(self) -> bool:
        """Whether everybody was looked at."""
        return self.looked_at >= self.everybody

    @property
    def about(self) -> int:
        """The estimate for everybody."""
        return (
            self.matching
            if self.exact or not self.looked_at
            else round(self.matching * self.everybody / self.looked_at)
        )

    @property
    def between(self) -> tuple[int, int]:
        """Between what the number for everybody lies, with 95 % confidence: Wilson's interval of a share."""
        if self.exact or not self.looked_at:
            return (self.about, self.about if self.exact else self.everybody)
        n, share, z2 = self.looked_at, self.matching / self.looked_at, _Z * _Z
        middle = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
        low, high = (max(0.0, middle - half), min(1.0, middle + half))
        return (math.floor(low * self.everybody), math.ceil(high * self.everybody))


@dataclass(slots=True)
class Counted:
    """How far an exact count is."""

    done: int
    total: int
    matching: int
    some: list[ProfileId] = field(default_factory=list)


def estimate_audiences(
    store: Store, catalog: Catalog, wanted: Collection[str], now: datetime, *, at_most: int = SAMPLE
) -> dict[str, Estimate]:
    """Return for each wanted audience of `catalog`, published or not, about how many people it holds at `now`.

    Looks at about `at_most` people at random. Changes nothing; locks a few hundred profiles for a moment.
    """
    names = sorted(wanted)
    rules, given = [_rule(catalog.audiences[name]) for name in names], _given(catalog, now)
    with store.transaction() as tx:
        everybody = tx.people.count()
        # The last digits of an id are a hash: in their order, any beginning of the sample is one itself.
        sample = sorted(tx.selection.sample(at_most), key=lambda key: key[-12:])
    matching: list[list[ProfileId]] = [[] for _ in names]
    looked, judged = 0, 0
    for start in range(0, len(sample), CHUNK):
        chunk = sample[start : start + CHUNK]
        with store.transaction() as tx:
            holdings = tx.selection.holding(rules, given, chunk)
        kept = _as_far_as(chunk, holdings, JUDGED - judged)
        found = _confirmed(store, catalog, names, holdings, kept, now)
        for index, people in enumerate(found):
            matching[index] += people
        looked += len(kept)
        judged += len(frozenset().union(*(holding.perhaps for holding in holdings)).intersection(kept))
        if len(kept) < len(chunk):
            break
    everybody = max(everybody, looked)
    return {
        name: Estimate(len(people), looked, everybody, tuple(people[:SHOWN]))
        for name, people in zip(names, matching, strict=True)
    }


SHOWN = 100
"""Of those that match, so many are kept to be shown."""


def count_audience(store: Store, catalog: Catalog, name: str, now: datetime) -> Iterator[Counted]:
    """Look at everybody, and yield how far it is; the last one is the whole.

    Kept as a job: stopped or killed, the same count, of the same rules and begun within the last hour, goes on where it
    stood, as of the instant at which it began. Two at once help each other.
    """
    rule, job = _rule(catalog.audiences[name]), _begun(store, catalog, name, now)
    given, some = _given(catalog, _began(job)), list[ProfileId]()
    while job.finished_at is None:
        yield _counted(job, some)
        after = None if job.cursor is None else ProfileId(job.cursor)
        with store.transaction() as tx:
            stretch = tx.selection.stretch(after, STRETCH)
            holdings = [] if stretch is None else tx.selection.holding([rule], given, stretch)
        people: list[ProfileId] = []
        if stretch is not None:
            [people] = _confirmed(store, catalog, [name], holdings, stretch, given.now)
            some += people[: SHOWN - len(some)]
        job = _advanced(store, job, stretch, len(people), now)
    yield _counted(job, some)


def _begun(store: Store, catalog: Catalog, name: str, now: datetime) -> Job:
    """Return the job of this count, where it stood or at its beginning."""
    fresh = Job(
        name=f"{PREVIEW}:{name}:{_digest(catalog)}",
        kind=PREVIEW,
        data={"at": now.isoformat(), "matching": 0},
    )
    with store.transaction() as tx:
        there = tx.jobs.lock(fresh.name)
        if there is not None and there.finished_at is None and now - _began(there) <= RESUMED_WITHIN:
            return there
        fresh.total = tx.people.count()
        tx.jobs.save(fresh)
        return fresh


def _advanced(store: Store, job: Job, stretch: Stretch | None, matching: int, now: datetime) -> Job:
    """Keep how far a count is; where somebody else got further meanwhile, that is how far it is."""
    with store.transaction() as tx:
        there = tx.jobs.lock(job.name)
        if there is None:
            return job  # somebody else is keeping theirs: the same people are looked at once more
        if (there.cursor, there.data) != (job.cursor, job.data) or there.finished_at is not None:
            return there
        if stretch is None:
            # The cursor was somebody's id, and a job that is done outlives them.
            there.cursor, there.total, there.finished_at = None, there.done, now
        else:
            there.cursor, there.done = stretch.upto, there.done + stretch.people
            there.total = max(there.total, there.done)
            there.data = {**there.data, "matching": there.data["matching"] + matching}
        tx.jobs.save(there)
        return there


def _began(job: Job) -> datetime:
    return datetime.fromisoformat(job.data["at"])


def _counted(job: Job, some: Sequence[ProfileId]) -> Counted:
    return Counted(job.done, job.total, job.data["matching"], list(some))


def _digest(catalog: Catalog) -> str:
    """Return what tells the rules of two projects apart: those of this count, and all that it may read."""
    rules = [
        (rule.name, rule.where and rule.where.meaning if isinstance(rule, Audience) else rule.value.meaning)
        for rule in catalog.followed
    ]
    return sha256(repr((rules, catalog.settings)).encode()).hexdigest()[:24]


def _rule(audience: Audience) -> Expression:
    if audience.where is not None:
        where: Expression = audience.where
        return where
    return compile_expression(f"in_audience('{audience.name}')", Place.AUDIENCE)


def _given(catalog: Catalog, now: datetime) -> Given:
    """Return what nothing stored stands in for: neither audiences nor traits need be published."""
    rules = {rule.name: rule for rule in catalog.followed if isinstance(rule, Audience)}
    return Given(now=now, settings=catalog.settings, audiences=rules, traits=catalog.traits)


def _as_far_as(chunk: Sequence[ProfileId], holdings: Sequence[Holding], most: int) -> list[ProfileId]:
    """Return the beginning of a chunk in which the core has no more than so many people to judge."""
    unsure = frozenset[ProfileId]().union(*(holding.perhaps for holding in holdings))
    kept: list[ProfileId] = []
    for key in chunk:
        most -= key in unsure
        if most < 0:
            break
        kept.append(key)
    return kept


def _confirmed(
    store: Store,
    catalog: Catalog,
    names: Sequence[str],
    holdings: Sequence[Holding],
    among: Stretch | Sequence[ProfileId],
    now: datetime,
) -> list[list[ProfileId]]:
    """Return who is in each audience: of whom SQL is sure, and whom the core confirms."""
    kept = None if isinstance(among, Stretch) else set(among)
    perhaps = frozenset[ProfileId]().union(*(holding.perhaps for holding in holdings))
    asked = sorted(perhaps if kept is None else perhaps & kept)
    inside: dict[ProfileId, set[str]] = {}
    for start in range(0, len(asked), BATCH):
        for person in _people(store, catalog, asked[start : start + BATCH], now):
            inside[person.id] = _judged(catalog, person, now)
    return [
        sorted(
            key
            for key in holding.surely | holding.perhaps
            if (kept is None or key in kept) and (key in holding.surely or name in inside.get(key, ()))
        )
        for name, holding in zip(names, holdings, strict=True)
    ]


def _people(store: Store, catalog: Catalog, keys: Sequence[ProfileId], now: datetime) -> list[Person]:
    """Return people with all that rules read; who was merged or erased meanwhile is left out."""
    for _ in range(MAX_RACES):
        try:
            with store.transaction() as tx:
                return list(load_people(tx, catalog, sorted(tx.people.hold(keys)), now=now).values())
        except IdentityRaceError:
            continue
    raise IdentityRaceError("profiles keep being merged while they are counted")


def _judged(catalog: Catalog, person: Person, now: datetime) -> set[str]:
    """Return the audiences a person would be in: rules and computed traits, those that others read before them."""
    inside = {name for name in person.audiences if (known := catalog.audiences.get(name)) and known.manual}
    person.audiences = inside
    for rule in catalog.followed:
        scope = person.scope(catalog.settings, now)
        if isinstance(rule, ComputedTrait):
            person.profile.traits[rule.name] = as_trait(rule.value.value(scope))
        elif rule.where is not None and rule.where.truth(scope):
            inside.add(rule.name)
    return inside
