"""Working set: everything a turn needs to know about its people, in a few bulk queries."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from engage.domain.audience.folds import FOLDED_AT, NO_FOLDS, Folds
from engage.domain.catalog import Catalog
from engage.domain.consent.consent import Consents, ledger_key
from engage.domain.consent.unreached import LATELY
from engage.domain.delivery.delivery import Channel, Delivery
from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Fact, Identifier, Receipt
from engage.domain.ids import DeliveryId, ProfileId, RunId
from engage.domain.journey.run import Run
from engage.domain.profile.person import Entries, Person, address_of
from engage.domain.profile.profile import Event, Profile
from engage.ports.storage import Transaction

REMEMBERED = timedelta(days=30)
"""How long a message is known again at least, as ingest promises."""
TICK = timedelta(microseconds=1)
"""The least that instants differ by."""
_CONSENT_CHANNELS = ("email", "sms", "whatsapp", "voice")
_NOBODY = ProfileId("00000000-0000-0000-0000-000000000000")


def load_people(
    tx: Transaction,
    catalog: Catalog,
    profiles: Collection[ProfileId],
    *,
    now: datetime,
    oldest: datetime | None = None,
    starting: Collection[str] | None = None,
    may_be_gone: Collection[ProfileId] = (),
    kin: Iterable[ProfileId] = (),
) -> dict[ProfileId, Person]:
    """Lock profiles in id order and return them with all that decisions about them may read.

    `oldest` is the earliest timestamp among the facts at hand: a run that a late fact starts is judged against
    what happened since; `starting` names the events at hand, where nothing else may start a run late. Those of `may_be_gone` who are not there are left out.
    Of `kin`, who may become one person in this turn, each knows what the runs of the others look at.

    Raises:
        IdentityRaceError: one of them is gone (merged or erased since it was looked up); begin the turn again.
    """
    locked = tx.people.lock(profiles)
    if set(profiles) - set(locked) - set(may_be_gone):
        raise IdentityRaceError("a profile was merged or erased meanwhile")
    if not locked:
        return {}
    ids = list(locked)
    audiences = tx.people.memberships(ids) if catalog.audiences else {}
    runs = tx.runs.open(ids, now)
    entries = tx.runs.entries(ids, catalog.counts_entries) if catalog.counts_entries else {}
    folds, history = load_history(tx, catalog, ids, history_bounds(catalog, now, oldest, starting))
    for profile_id, events in _since_entry(tx, catalog, ids, runs, min(now, oldest or now), kin).items():
        history[profile_id] = _united(history.get(profile_id, ()), events)
    consents = tx.consents.view(ids, _addresses(locked)) if catalog.reads_consent else {}
    people = {
        profile_id: Person(
            profile,
            audiences=audiences.get(profile_id),
            runs=runs.get(profile_id, ()),
            history=history.get(profile_id, ()),
            folds=folds.get(profile_id, NO_FOLDS),
            consents=consents.get(profile_id),
        )
        for profile_id, profile in locked.items()
    }
    for timer in tx.runs.timers(ids):
        if timer.due_at is not None:
            people[timer.profile].timers[timer.kind, timer.ref] = timer.due_at
    for (profile_id, journey), past in entries.items():
        people[profile_id].entries[journey] = Entries(past.count, past.last, past.last_by_key)
    for person in people.values():
        person.folds.fold(person.history, catalog.settings.covered, at_least=FOLDED_AT)
    return people


def load_history(
    tx: Transaction,
    catalog: Catalog,
    profiles: Collection[ProfileId],
    reads: Mapping[str, datetime | None],
) -> tuple[dict[ProfileId, Folds], dict[ProfileId, list[Event]]]:
    """Return people's folds, if anything is folded at all, and the events that must be read: those of `reads`, and what
    aggregates over the whole history have not folded yet.
    """
    foldables = catalog.foldables
    if not foldables:
        return {}, tx.events.history(profiles, reads) if reads else {}
    states = tx.folds.of(profiles)
    folds = {profile: Folds(foldables, states.get(profile, ())) for profile in profiles}
    names = {fold.name for fold in foldables.values()}
    folded = [profile for profile in profiles if folds[profile].kept]
    whole = [profile for profile in profiles if not folds[profile].kept]
    history = tx.events.history(whole, {**reads, **dict.fromkeys(names)}) if whole else {}
    if folded:
        windows = tx.events.history(folded, reads) if reads else {}
        marks = {profile: {name: folds[profile].since(name) for name in names} for profile in folded}
        for profile, later in tx.events.later(marks).items():
            history[profile] = _united(windows.get(profile, ()), later)
    return folds, history


def _since_entry(
    tx: Transaction,
    catalog: Catalog,
    profiles: Collection[ProfileId],
    runs: Mapping[ProfileId, Sequence[Run]],
    begun: datetime,
    kin: Iterable[ProfileId],
) -> dict[ProfileId, list[Event]]:
    """Return what runs look at from their entry on: of each person since their own runs began, and since the turn began
    for runs that begin in it. How long a history is behind that costs nothing."""
    reads = catalog.entered_reads
    if not reads:
        return {}
    found = tx.events.history(profiles, dict.fromkeys(frozenset().union(*reads.values()), begun))
    marks = {profile: _marks(reads, runs.get(profile, ())) for profile in profiles}
    together = set(kin)
    shared = _marks(reads, [run for profile in together for run in runs.get(profile, ())])
    marks |= {profile: shared for profile in together if profile in marks}
    wanted = {profile: mark for profile, mark in marks.items() if mark}
    if wanted:
        for profile, events in tx.events.later(wanted).items():
            found[profile] = _united(found.get(profile, ()), events)
    return {profile: events for profile, events in found.items() if events}


def may_become_one(
    named: Iterable[Collection[Identifier]], owners: Mapping[Identifier, ProfileId]
) -> Iterator[ProfileId]:
    """Yield the people whom facts name by identifiers of several; who becomes one with whom only the turn will tell."""
    for identifiers in named:
        people = {owners[identifier] for identifier in identifiers if identifier in owners}
        if len(people) > 1:
            yield from people


def _marks(reads: Mapping[str, frozenset[str]], runs: Iterable[Run]) -> dict[str, datetime]:
    """Return by event name the instant after which some of these runs look at it."""
    marks: dict[str, datetime] = {}
    for run in runs:
        before = min(run.entered_at, run.since) - TICK
        for name in reads.get(run.journey, ()):
            marks[name] = min(marks.get(name, before), before)
    return marks


def _united(some: Sequence[Event], others: Sequence[Event]) -> list[Event]:
    found = {(event.id, event.timestamp): event for event in (*some, *others)}
    return sorted(found.values(), key=lambda event: (event.timestamp, event.arrival, event.id))


def know_what_comes_again(
    tx: Transaction, people: Mapping[ProfileId, Person], told: Iterable[tuple[str, datetime, datetime]]
) -> None:
    """Let people know which of the events at hand (id, when it happened, when it came) were stored before.

    Messages are known again for a month; what is told again after that, as when a history is imported a second time,
    is seldom, and old: only then is anything asked.
    """
    old = [event for event, happened, came in told if happened < came - REMEMBERED]
    if old:
        for profile, stored in tx.events.stored(list(people), old).items():
            people[profile].stored = frozenset(stored)


def history_bounds(
    catalog: Catalog, now: datetime, oldest: datetime | None, starting: Collection[str] | None = None
) -> Mapping[str, datetime | None]:
    """Return which events to load, and from when on."""
    bounds: dict[str, datetime | None] = {
        name: None if within is None else now - within for name, within in catalog.history_reads.items()
    }
    if oldest is not None:
        for name in catalog.judged_later(starting):
            known = bounds.get(name, now)
            bounds[name] = None if known is None else min(known, oldest)
    return bounds


def _addresses(profiles: Mapping[ProfileId, Profile]) -> dict[ProfileId, list[tuple[str, str]]]:
    return {
        profile_id: [
            (channel, ledger_key(address))
            for channel in _CONSENT_CHANNELS
            if (address := address_of(profile, channel)) is not None
        ]
        for profile_id, profile in profiles.items()
    }


def shared_consents(
    tx: Transaction, people: Mapping[ProfileId, Person], named: Iterable[tuple[str, str]]
) -> Consents:
    """Let people share what is known of addresses, and add those that facts name as (`email` or `phone`, address):
    somebody may have said no on an address before it is theirs."""
    pairs = {
        (channel, ledger_key(address))
        for kind, address in named
        for channel in (("email",) if kind == "email" else _CONSENT_CHANNELS[1:])
    }
    shared = tx.consents.view([_NOBODY], {_NOBODY: pairs})[_NOBODY] if pairs else Consents()
    for person in people.values():
        shared.by_address.update(person.consents.by_address)
        shared.suppressed.update(person.consents.suppressed)
        person.consents.by_address, person.consents.suppressed = shared.by_address, shared.suppressed
    return shared


def waiting_deliveries(tx: Transaction, people: Mapping[ProfileId, Person]) -> dict[DeliveryId, Delivery]:
    """Return the deliveries of open runs that have not left yet: an exit cancels them."""
    runs = [run.id for person in people.values() for run in person.runs if run.active and run.deliveries]
    return tx.deliveries.waiting(runs) if runs else {}


def unreached(
    tx: Transaction, facts: Sequence[Fact], deliveries: Mapping[DeliveryId, Delivery], now: datetime
) -> dict[tuple[Channel, str], list[Delivery]]:
    """Return what went lately to the addresses that were not reached just now."""
    told = (deliveries.get(fact.delivery) for fact in facts if isinstance(fact, Receipt) and fact.soft)
    addresses = {(one.channel, one.address) for one in told if one is not None and one.address is not None}
    return tx.deliveries.recent_to(addresses, now - LATELY) if addresses else {}


def completed(
    tx: Transaction, facts: Sequence[Fact], deliveries: Mapping[DeliveryId, Delivery]
) -> frozenset[RunId]:
    """Return which runs went through to their end, among those that asked for what a day's cap refused just now."""
    told = (deliveries.get(fact.delivery) for fact in facts if isinstance(fact, Receipt) and fact.cap)
    runs = {one.run for one in told if one is not None and one.run is not None}
    return tx.runs.completed(runs) if runs else frozenset()
