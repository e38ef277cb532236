"""Identity: which person a fact is about, deterministic, with limits and priorities (ingest.md §7)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from engage.domain.audience.folds import NO_FOLDS, Folds
from engage.domain.consent.consent import STRICTNESS
from engage.domain.decision import Decided, EndReason
from engage.domain.delivery.delivery import Delivery
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId, ProfileId, bucket_key, lane_of
from engage.domain.journey.course import finish
from engage.domain.profile.person import Entries, Person
from engage.domain.profile.profile import Profile
from engage.domain.project_settings import IdentityRules
from engage.domain.turn.changes import Changes, Origin, Timer, TimerKind
from engage.domain.turn.turn import Turn

MAX_MERGES = 100
MAX_IDENTIFIERS = 1000
_CREATING = ("user_id", "email", "phone", "anonymous_id")
_GUARDED = ("email", "phone")
"""Addresses that a public key may not change."""

Mint = Callable[[Identifier, datetime], ProfileId]

_MOVED_TIMERS = (TimerKind.RUN, TimerKind.CLOCK)
"""Timers that follow a merged profile; those of rules are planned anew when the kept one is judged."""


class Dropped(StrEnum):
    """Why an identifier of a fact is not its person's: the codes of Segment's violations, and our own."""

    BLOCKED_VALUE = "blocked_value"
    INVALID_VALUE = "invalid_value"
    VALUE_LIMIT = "value_limit"
    MERGE_LIMIT = "merge_limit"
    MAPPING_LIMIT = "mapping_limit"
    BROWSER_KEY = "browser_key"
    """A public key may give nobody another address, nor unite people with different ones."""


@dataclass(slots=True)
class Resolution:
    """What identifying one fact came to."""

    matched: list[ProfileId]
    """Profiles the identifiers belong to, oldest first: none creates, one attaches, several merge."""
    identifiers: list[Identifier]
    """What is left of the fact's identifiers."""
    dropped: list[tuple[Identifier, Dropped]] = field(default_factory=list)
    """Identifiers that were dropped, with the code of why."""


def resolve(
    identifiers: Sequence[Identifier],
    owner: Callable[[Identifier], ProfileId | None],
    profile: Callable[[ProfileId], Profile],
    rules: IdentityRules,
    *,
    former: Identifier | None = None,
    public: bool = False,
) -> Resolution:
    """Match identifiers to profiles; on a breach of a limit drop the least one of the fact and match again.

    `former` is the least of all: what an alias calls the person's previous id. `public`: told by a browser key.
    """
    left, dropped = _unblocked(identifiers, rules)
    while left:
        matched = sorted(
            {found for identifier in left if (found := owner(identifier)) is not None},
            key=lambda profile_id: (profile(profile_id).created_at, profile_id),
        )
        profiles = [profile(profile_id) for profile_id in matched]
        breach = _breach(left, profiles, rules)
        if breach is None and public:
            refused = _other_addresses(left, profiles)
            if refused:
                left = [identifier for identifier in left if identifier not in refused]
                dropped += [(identifier, Dropped.BROWSER_KEY) for identifier in refused]
                continue
            breach = _differing(profiles)
        if breach is None:
            return Resolution(matched, left, dropped)
        least = max(left, key=lambda one: (one == former, rules.priority(one.kind), one))
        left = [identifier for identifier in left if identifier != least]
        dropped.append((least, breach))
    return Resolution([], [], dropped)


def _unblocked(
    identifiers: Sequence[Identifier], rules: IdentityRules
) -> tuple[list[Identifier], list[tuple[Identifier, Dropped]]]:
    left: list[Identifier] = []
    dropped: list[tuple[Identifier, Dropped]] = []
    for identifier in dict.fromkeys(identifiers):
        if rules.blocks(identifier):
            dropped.append((identifier, Dropped.BLOCKED_VALUE))
        else:
            left.append(identifier)
    return left, dropped


def _breach(left: Sequence[Identifier], profiles: Sequence[Profile], rules: IdentityRules) -> Dropped | None:
    """Return the limit that this match would break. Who is over one already, because it was tightened, stays as they
    are: only what would grow is looked at."""
    if len(profiles) == 1 and all(identifier in profiles[0].identifiers for identifier in left):
        return None
    together = set(left).union(*(profile.identifiers for profile in profiles))
    if len(profiles) > 1 and sum(profile.merges for profile in profiles) + len(profiles) - 1 > MAX_MERGES:
        return Dropped.MERGE_LIMIT
    if len(together) > MAX_IDENTIFIERS:
        return Dropped.MAPPING_LIMIT
    counts = _by_kind(together)
    parts = [_by_kind(profile.identifiers) for profile in profiles]
    for kind, count in counts.items():
        if count > rules.limit(kind) and count > max((part.get(kind, 0) for part in parts), default=0):
            return Dropped.VALUE_LIMIT
    return None


def _by_kind(identifiers: Iterable[Identifier]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for identifier in identifiers:
        counts[identifier.kind] = counts.get(identifier.kind, 0) + 1
    return counts


def _other_addresses(left: Sequence[Identifier], profiles: Sequence[Profile]) -> list[Identifier]:
    """Return the addresses that would be a further one of somebody who has one."""
    known = set[Identifier]().union(*(profile.identifiers for profile in profiles))
    return [
        identifier
        for identifier in left
        if identifier.kind in _GUARDED
        and identifier not in known
        and any(profile.address(identifier.kind) not in (None, identifier.value) for profile in profiles)
    ]


def _differing(profiles: Sequence[Profile]) -> Dropped | None:
    """Return a breach if these people have different addresses."""
    for kind in _GUARDED:
        if len({profile.address(kind) for profile in profiles} - {None}) > 1:
            return Dropped.BROWSER_KEY
    return None


def create(turn: Turn, identifiers: Iterable[Identifier], mint: Mint) -> Person:
    """Return somebody new; the identifier that names them best also gives their bucket key for good."""
    ranked = sorted(
        identifiers,
        key=lambda identifier: (
            _CREATING.index(identifier.kind) if identifier.kind in _CREATING else len(_CREATING),
            identifier,
        ),
    )
    first = ranked[0]
    profile = Profile(
        id=mint(first, turn.now),
        bucket_key=bucket_key(first.value),
        created_at=turn.now,
        lane=lane_of(first.value),
    )
    foldables = turn.catalog.foldables
    person = Person(profile, unjudged=True, folds=Folds(foldables) if foldables else NO_FOLDS)
    turn.touch(person)
    turn.changes.created.add(profile.id)
    return person


def attach(
    turn: Turn, person: Person, identifiers: Iterable[Identifier], message_id: str | None = None
) -> set[str]:
    """Give a profile identifiers it has not got, as a message said; return the kinds that are new."""
    new: set[str] = set()
    for identifier in identifiers:
        if identifier not in person.profile.identifiers:
            person.profile.identifiers.append(identifier)
            turn.changes.identifiers.append((identifier, person.id))
            turn.changes.origins[identifier] = Origin(turn.now, message_id)
            new.add(identifier.kind)
            if identifier.kind == "user_id":
                _move(turn, person, lane_of(identifier.value))
    if new:
        turn.touch(person)
    return new


def merge(turn: Turn, kept: Person, lost: Person) -> None:
    """Unite two people in `kept`, the older profile: traits, history, runs, consent (the stricter), audiences.

    Of two active runs of one journey and key the earlier entered stays; the other ends as `merged`.
    """
    profile, other = kept.profile, lost.profile
    profile.unite_traits(other)
    profile.identifiers.extend(i for i in other.identifiers if i not in profile.identifiers)
    profile.merges += other.merges + 1
    if other.identifier("user_id") is not None:
        _move(turn, kept, other.lane)
    _merge_consents(kept, lost)
    kept.stored |= lost.stored
    kept.folds.unite(kept.history, lost.folds, lost.history, turn.catalog.settings.covered)
    for event in lost.history.matching("*"):
        kept.history.add(event)
    for name, past in lost.entries.items():
        _merge_entries(kept.entries.setdefault(name, Entries()), past)
    # Those of rules too: they are judged anew at once, and what no longer holds is left for all to see.
    kept.audiences |= lost.audiences
    for (kind, ref), due in lost.timers.items():
        if kind in _MOVED_TIMERS:
            kept.timers[kind, ref] = due
    turn.changes.merges.append((lost.id, kept.id))
    _rewrite(turn, lost.id, kept)
    _merge_runs(turn, kept, lost)
    turn.touch(kept)
    turn.decide(kept, Decided.IDENTITY, "merged", values={"profile": lost.id})


def _move(turn: Turn, person: Person, lane: int) -> None:
    """Have a person's timers fire among the facts of the lane that is theirs from now on."""
    if lane == person.profile.lane:
        return
    person.profile.lane = lane
    for (kind, ref), due in person.timers.items():
        timer = Timer(profile=person.id, kind=kind, ref=ref, due_at=due, lane=lane)
        turn.changes.timers[person.id, kind, ref] = timer


def _merge_consents(kept: Person, lost: Person) -> None:
    kept.consents.by_address.update(lost.consents.by_address)
    kept.consents.suppressed.update(lost.consents.suppressed)
    mine = kept.consents.by_profile
    for key, state in lost.consents.by_profile.items():
        mine[key] = max(mine.get(key, state), state, key=STRICTNESS.index)


def _merge_entries(mine: Entries, theirs: Entries) -> None:
    mine.count += theirs.count
    mine.last = max((at for at in (mine.last, theirs.last) if at is not None), default=None)
    for key, at in theirs.last_by_key.items():
        mine.last_by_key[key] = max(at, mine.last_by_key.get(key, at))


def _merge_runs(turn: Turn, kept: Person, lost: Person) -> None:
    for run in lost.runs:
        run.profile = kept.id
        twin = next(
            (
                r
                for r in kept.runs
                if r.active and run.active and r.journey == run.journey and r.key == run.key
            ),
            None,
        )
        kept.runs.append(run)
        turn.keep_run(kept, run)
        if twin is not None:
            finish(turn, kept, max(twin, run, key=lambda r: (r.entered_at, r.id)), EndReason.MERGED)
    kept.runs.sort(key=lambda run: (run.entered_at, run.id))
    lost.runs = []


def _rewrite(turn: Turn, lost: ProfileId, kept: Person) -> None:
    """Point everything this turn has decided so far about the lost profile at the kept one."""
    changes: Changes = turn.changes
    changes.profiles.pop(lost, None)
    changes.created.discard(lost)
    changes.identifiers = [(i, kept.id if owner == lost else owner) for i, owner in changes.identifiers]
    changes.events = [
        msgspec.structs.replace(e, profile=kept.id) if e.profile == lost else e for e in changes.events
    ]
    changes.decisions = [
        msgspec.structs.replace(d, profile=kept.id) if d.profile == lost else d for d in changes.decisions
    ]
    changes.memberships = [
        msgspec.structs.replace(m, profile=kept.id) if m.profile == lost else m for m in changes.memberships
    ]
    changes.consents = [
        msgspec.structs.replace(c, profile=kept.id) if c.profile == lost else c for c in changes.consents
    ]
    changes.receipts = [
        msgspec.structs.replace(r, profile=kept.id) if r.profile == lost else r for r in changes.receipts
    ]
    for key, timer in list(changes.timers.items()):
        if timer.profile == lost:
            del changes.timers[key]
            if timer.kind in _MOVED_TIMERS:
                changes.timers[kept.id, timer.kind, timer.ref] = _moved(timer, kept)
    owned: dict[DeliveryId, Delivery] = {**turn.deliveries, **changes.deliveries}
    for delivery in owned.values():
        if delivery.profile == lost:
            delivery.profile = kept.id


def _moved(timer: Timer, kept: Person) -> Timer:
    return msgspec.structs.replace(timer, profile=kept.id, lane=kept.profile.lane)
