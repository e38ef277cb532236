"""Erasing people from memory: every table, but for the "no" of their addresses, which goes on veiled."""

import re
from collections import Counter
from collections.abc import Collection, Hashable
from typing import Any

from msgspec import structs

from engage.domain.consent.consent import ConsentEntry, ConsentState
from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.ports.erasing import Erased
from engage.ports.jobs import Job
from engage.storage.coding import decoder, encode
from engage.storage.memory.rows import JobRow, SubscriptionKey, SubscriptionRow
from engage.storage.memory.table import View
from engage.storage.memory.work import Work
from engage.storage.veil import NOBODY, PREFIX, just_before, veiled
from engage.storage.within import any_of, escaped, without


def erase(
    work: Work,
    profiles: Collection[ProfileId],
    pepper: bytes,
    *,
    named: Identifier | None = None,
    before: int | None = None,
) -> Erased:
    """Erase locked people; see `People.erase`."""
    gone: Counter[str] = Counter()
    addresses = {address for profile in profiles for address in _addresses(work, profile)}
    names = {
        row.identifier.value for profile in profiles for row in work.identifiers.where("profile", profile)
    }
    names |= {lost for profile in profiles for lost, _ in work.merged.where("kept", profile)}
    if named is not None and named.kind != "id":
        names.add(named.value)
        addresses |= {named.value} if named.kind in ("email", "phone") else set()
    names |= {*addresses, *profiles}
    if not names:
        return Erased()
    within = re.compile(any_of(names), re.IGNORECASE)
    for address in sorted(addresses):
        _veil(work, address, veiled(address, pepper), gone)
    for profile in profiles:
        telling = {row.key.id for row in work.events.where("profile", profile) if within.search(row.key.id)}
        gone["seen"] += _drop(work.seen, [key for key in _keys(work.seen) if key[1] in telling])
    held = [key for key in _keys(work.quarantine) if _holds(within, work.quarantine.get(key))]
    gone["quarantine"] += _drop(work.quarantine, held)
    if before is not None:
        waiting = [row.seq for row in work.inbox.all() if row.seq < before]
        gone["inbox"] += _drop(work.inbox, [seq for seq in waiting if _holds(within, work.inbox.get(seq))])
    _jobs(work, profiles, sorted(names, key=len, reverse=True))
    for profile in profiles:
        _owned(work, profile, gone)
    return Erased(
        rows={table: count for table, count in sorted(gone.items()) if count},
        proofs=[veiled(profile, pepper) for profile in profiles],
    )


def _keys(view: "View[Any, Any]") -> list[Any]:
    return [key for key in {**view.table.rows, **view.changed} if view.get(key) is not None]


def _holds(within: re.Pattern[str], row: Any) -> bool:
    texts = (escaped(row.payload), getattr(row, "detail", ""))
    return any(within.search(text) for text in texts)


def _jobs(work: Work, profiles: Collection[ProfileId], names: Collection[str]) -> None:
    for row in work.jobs.all():
        job = decoder(Job).decode(row.doc)
        data = encode(job.data).decode()
        for name in names:
            data = without(data, name, NOBODY)
        cursor = just_before(job.cursor) if job.cursor in profiles and job.cursor else job.cursor
        kept = structs.replace(job, cursor=cursor, data=decoder(dict).decode(data))
        if kept != job:
            work.jobs.put(job.name, JobRow(row.seq, row.finished, encode(kept)))


def _addresses(work: Work, profile: ProfileId) -> set[str]:
    named = {row.identifier for row in work.identifiers.where("profile", profile)}
    found = {name.value for name in named if name.kind in ("email", "phone")}
    found |= {row.address for row in work.deliveries.where("profile", profile) if row.address is not None}
    for line in work.consents.where("profile", profile):
        entry = decoder(ConsentEntry).decode(line.doc)
        found |= {entry.address} if entry.address is not None else set()
    row = work.profiles.get(profile)
    if row is not None:
        traits = decoder(Profile).decode(row.doc).traits
        found |= {traits[name] for name in ("email", "phone") if isinstance(traits.get(name), str)}
    return {address for address in found if not address.startswith(PREFIX)}


def _veil(work: Work, address: str, name: str, gone: Counter[str]) -> None:
    for row in work.subscriptions.where("address", address):
        key = SubscriptionKey(None, name, row.key.channel, row.key.topic)
        if row.state is ConsentState.UNSUBSCRIBED and work.subscriptions.get(key) is None:
            work.subscriptions.put(key, SubscriptionRow(key, row.state, row.at, "erased"))
        gone["subscription"] += _drop(work.subscriptions, [row.key])
    for suppression in work.suppressions.all():
        if suppression.address == address:
            if not suppression.lifted:
                kept = structs.replace(suppression, address=name, source="erased", reason="erased")
                work.suppressions.put((suppression.channel, name), kept)
            gone["suppression"] += _drop(work.suppressions, [(suppression.channel, address)])
    lines = [
        line.seq for line in work.consents.all() if decoder(ConsentEntry).decode(line.doc).address == address
    ]
    gone["consent"] += _drop(work.consents, lines)
    gone["listed"] += _drop(work.listed, [key for key in _keys(work.listed) if key[0] == address])


def _owned(work: Work, profile: ProfileId, gone: Counter[str]) -> None:
    deliveries = [row.id for row in work.deliveries.where("profile", profile)]
    receipts = [
        (row.delivery, row.receipt_id)
        for delivery in deliveries
        for row in work.receipts.where("delivery", delivery)
    ]
    timers = [(row.profile, row.kind, row.ref) for row in work.timers.where("profile", profile)]
    inside = [(row.profile, row.audience) for row in work.memberships.where("profile", profile)]
    names = [row.identifier for row in work.identifiers.where("profile", profile)]
    owned: tuple[tuple[str, View[Any, Any], Collection[Hashable]], ...] = (
        ("receipt", work.receipts, receipts),
        ("link", work.links, [row.id for d in deliveries for row in work.links.where("delivery", d)]),
        ("delivery", work.deliveries, deliveries),
        (
            "subscription",
            work.subscriptions,
            [row.key for row in work.subscriptions.where("profile", profile)],
        ),
        ("consent", work.consents, [row.seq for row in work.consents.where("profile", profile)]),
        ("timer", work.timers, timers),
        ("run", work.runs, [row.id for row in work.runs.where("profile", profile)]),
        ("decision", work.decisions, [row.seq for row in work.decisions.where("profile", profile)]),
        ("membership", work.memberships, inside),
        ("fold", work.folds, [(row.profile, row.key) for row in work.folds.where("profile", profile)]),
        ("event", work.events, [row.key for row in work.events.where("profile", profile)]),
        ("merged", work.merged, [row[0] for row in work.merged.where("kept", profile)]),
        ("identifier", work.identifiers, names),
        ("profile", work.profiles, [profile]),
    )
    for table, view, keys in owned:
        gone[table] += _drop(view, keys)


def _drop(view: "View[Any, Any]", keys: Collection[Hashable]) -> int:
    for key in keys:
        view.delete(key)
    return len(keys)
