"""Identity: which person a fact is about, deterministic, with limits and priorities (ingest.md §7)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from engage.domain.changes import Changes, Timer, TimerKind
from engage.domain.consent import ConsentState
from engage.domain.course import finish
from engage.domain.decision import Decided, EndReason
from engage.domain.delivery import Delivery
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId, ProfileId, bucket_key, lane_of
from engage.domain.person import Entries, Person
from engage.domain.profile import Profile
from engage.domain.project_settings import IdentityRules
from engage.domain.turn import Turn

MAX_MERGES = 100
MAX_IDENTIFIERS = 1000
_LIMITS = {"user_id": 1}
_DEFAULT_LIMIT = 5
_PRIORITIES = {"user_id": 1, "email": 2}
_CREATING = ("user_id", "email", "phone", "anonymous_id")

Mint = Callable[[Identifier, datetime], ProfileId]

_MOVED_TIMERS = (TimerKind.RUN, TimerKind.CLOCK)
"""Timers that follow a merged profile; those of rules are planned anew when the kept one is judged."""


@dataclass(slots=True)
class Resolution:
    """What identifying one fact came to."""

    matched: list[ProfileId]
    """Profiles the identifiers belong to, oldest first: none creates, one attaches, several merge."""
    identifiers: list[Identifier]
    """What is left of the fact's identifiers."""
    dropped: list[tuple[Identifier, str]] = field(default_factory=list)
    """Identifiers that were dropped, with the code of why."""


def resolve(
    identifiers: Sequence[Identifier],
    owner: Callable[[Identifier], ProfileId | None],
    profile: Callable[[ProfileId], Profile],
    rules: IdentityRules,
) -> Resolution:
    """Match identifiers to profiles; on a breach of a limit drop the least one of the fact and match again."""
    left, dropped = _unblocked(identifiers, rules)
    while left:
        matched = sorted(
            {found for identifier in left if (found := owner(identifier)) is not None},
            key=lambda profile_id: (profile(profile_id).created_at, profile_id),
        )
        breach = _breach(left, [profile(profile_id) for profile_id in matched], rules)
        if breach is None:
            return Resolution(matched, left, dropped)
        least = max(left, key=lambda identifier: (_priority(identifier.kind, rules), identifier))
        left = [identifier for identifier in left if identifier != least]
        dropped.append((least, breach))
    return Resolution([], [], dropped)


def _unblocked(
    identifiers: Sequence[Identifier], rules: IdentityRules
) -> tuple[list[Identifier], list[tuple[Identifier, str]]]:
    left: list[Identifier] = []
    dropped: list[tuple[Identifier, str]] = []
    for identifier in dict.fromkeys(identifiers):
        if identifier.value in rules.blocked:
            dropped.append((identifier, "blocked_value"))
        else:
            left.append(identifier)
    return left, dropped


def _breach(left: Sequence[Identifier], profiles: Sequence[Profile], rules: IdentityRules) -> str | None:
    together = set(left).union(*(profile.identifiers for profile in profiles))
    if len(profiles) > 1 and sum(profile.merges for profile in profiles) + len(profiles) - 1 > MAX_MERGES:
        return "merge_limit"
    if len(together) > MAX_IDENTIFIERS:
        return "mapping_limit"
    counts: dict[str, int] = {}
    for identifier in together:
        counts[identifier.kind] = counts.get(identifier.kind, 0) + 1
    breached = any(
        counts[kind] > _limit(kind, rules)
        for kind in {identifier.kind for identifier in left} | _shared(profiles)
    )
    return "value_limit" if breached else None


def _shared(profiles: Sequence[Profile]) -> set[str]:
    """Kinds whose counts a merge of these profiles would add up."""
    if len(profiles) < 2:
        return set()
    return {identifier.kind for profile in profiles for identifier in profile.identifiers}


def _limit(kind: str, rules: IdentityRules) -> int:
    rule = rules.identifiers.get(kind)
    return rule.limit if rule is not None else _LIMITS.get(kind, _DEFAULT_LIMIT)


def _priority(kind: str, rules: IdentityRules) -> tuple[int, str]:
    rule = rules.identifiers.get(kind)
    return (rule.priority if rule is not None else _PRIORITIES.get(kind, 3), kind)


def create(identifiers: Iterable[Identifier], now: datetime, mint: Mint) -> Profile:
    """Return a new profile; the identifier that names it best also gives its bucket key for good."""
    ranked = sorted(
        identifiers,
        key=lambda identifier: (
            _CREATING.index(identifier.kind) if identifier.kind in _CREATING else len(_CREATING),
            identifier,
        ),
    )
    first = ranked[0]
    return Profile(
        id=mint(first, now),
        bucket_key=bucket_key(first.value),
        created_at=now,
        lane=lane_of(first.value),
    )


def attach(turn: Turn, person: Person, identifiers: Iterable[Identifier]) -> set[str]:
    """Give a profile identifiers it has not got; return the kinds that are new."""
    new: set[str] = set()
    for identifier in identifiers:
        if identifier not in person.profile.identifiers:
            person.profile.identifiers.append(identifier)
            turn.changes.identifiers.append((identifier, person.id))
            new.add(identifier.kind)
            if identifier.kind == "user_id":
                person.profile.lane = lane_of(identifier.value)
    if new:
        turn.touch(person)
    return new


def merge(turn: Turn, kept: Person, lost: Person) -> None:
    """Unite two people in `kept`, the older profile: traits, history, runs, consent (the stricter), audiences.

    Of two active runs of one journey and key the earlier entered stays; the other ends as `merged`.
    """
    profile, other = kept.profile, lost.profile
    for name, times in other.trait_times.items():
        mine = profile.trait_times.get(name)
        if mine is None or times.written > mine.written:
            profile.trait_times[name] = times
            if name in other.traits:
                profile.traits[name] = other.traits[name]
            else:
                profile.traits.pop(name, None)
    profile.identifiers.extend(i for i in other.identifiers if i not in profile.identifiers)
    profile.merges += other.merges + 1
    if profile.identifier("user_id") is None or other.identifier("user_id") is not None:
        profile.lane = other.lane if other.identifier("user_id") is not None else profile.lane
    _merge_consents(kept, lost)
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


def _merge_consents(kept: Person, lost: Person) -> None:
    kept.consents.by_address.update(lost.consents.by_address)
    kept.consents.suppressed.update(lost.consents.suppressed)
    for key, state in lost.consents.by_profile.items():
        if state is ConsentState.UNSUBSCRIBED or key not in kept.consents.by_profile:
            kept.consents.by_profile[key] = state


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
