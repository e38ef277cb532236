"""Erasing people from memory: every table, but for the "no" of their addresses, which goes on veiled."""

from collections.abc import Collection, Hashable
from typing import Any

from msgspec import structs

from engage.domain.consent import ConsentEntry, ConsentState
from engage.domain.ids import ProfileId
from engage.domain.profile import Profile
from engage.storage.coding import decoder
from engage.storage.memory.rows import SubscriptionKey, SubscriptionRow
from engage.storage.memory.table import View
from engage.storage.memory.work import Work
from engage.storage.veil import PREFIX, veiled

_SHORTEST_NAME = 5
"""Characters; a shorter identifier stands in too many facts by chance."""


def erase(work: Work, profiles: Collection[ProfileId], pepper: bytes) -> int:
    """Erase locked people; return how many rows went."""
    gone = 0
    for profile in profiles:
        names = [row.identifier for row in work.identifiers.where("profile", profile)]
        for address in _addresses(work, profile):
            gone += _veil(work, address, veiled(address, pepper))
        gone += _quarantined(work, [name.value for name in names if len(name.value) >= _SHORTEST_NAME])
        gone += _owned(work, profile)
    return gone


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


def _veil(work: Work, address: str, name: str) -> int:
    gone = 0
    for row in work.subscriptions.where("address", address):
        key = SubscriptionKey(None, name, row.key.channel, row.key.topic)
        if row.state is ConsentState.UNSUBSCRIBED and work.subscriptions.get(key) is None:
            work.subscriptions.put(key, SubscriptionRow(key, row.state, row.at, "erased"))
        work.subscriptions.delete(row.key)
        gone += 1
    for suppression in work.suppressions.all():
        if suppression.address == address:
            if not suppression.lifted:
                kept = structs.replace(suppression, address=name, source="erased")
                work.suppressions.put((suppression.channel, name), kept)
            work.suppressions.delete((suppression.channel, address))
            gone += 1
    for line in work.consents.all():
        if decoder(ConsentEntry).decode(line.doc).address == address:
            work.consents.delete(line.seq)
            gone += 1
    return gone


def _quarantined(work: Work, names: Collection[str]) -> int:
    keys = list({**work.quarantine.table.rows, **work.quarantine.changed})
    rows = {key: row for key in keys if (row := work.quarantine.get(key)) is not None}
    held = [key for key, row in rows.items() if any(name.encode() in row.payload for name in names)]
    for key in held:
        work.quarantine.delete(key)
    return len(held)


def _owned(work: Work, profile: ProfileId) -> int:
    deliveries = [row.id for row in work.deliveries.where("profile", profile)]
    gone = 0
    gone += _drop(
        work.receipts,
        [
            (row.delivery, row.receipt_id)
            for delivery in deliveries
            for row in work.receipts.where("delivery", delivery)
        ],
    )
    gone += _drop(work.deliveries, deliveries)
    gone += _drop(work.subscriptions, [row.key for row in work.subscriptions.where("profile", profile)])
    gone += _drop(work.consents, [row.seq for row in work.consents.where("profile", profile)])
    gone += _drop(
        work.timers, [(row.profile, row.kind, row.ref) for row in work.timers.where("profile", profile)]
    )
    gone += _drop(work.runs, [row.id for row in work.runs.where("profile", profile)])
    gone += _drop(work.decisions, [row.seq for row in work.decisions.where("profile", profile)])
    gone += _drop(
        work.memberships,
        [(row.profile, row.audience) for row in work.memberships.where("profile", profile)],
    )
    gone += _drop(work.events, [row.key for row in work.events.where("profile", profile)])
    gone += _drop(work.merged, [row[0] for row in work.merged.where("kept", profile)])
    gone += _drop(work.identifiers, [row.identifier for row in work.identifiers.where("profile", profile)])
    return gone + _drop(work.profiles, [profile])


def _drop(view: "View[Any, Any]", keys: Collection[Hashable]) -> int:
    for key in keys:
        view.delete(key)
    return len(keys)
