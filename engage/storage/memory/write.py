"""Write in memory: everything one turn decided."""

from datetime import datetime

import msgspec

from engage.domain.consent.consent import STRICTNESS
from engage.domain.delivery.delivery import Delivery
from engage.domain.errors import IdentityRaceError
from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event
from engage.domain.turn.changes import Changes, FoldState, MembershipChange, Origin, Timer
from engage.storage.calling import heard_of
from engage.storage.coding import decoder, encode, refuse_nul
from engage.storage.memory.consents import MemoryConsents
from engage.storage.memory.deliveries import MemoryDeliveries
from engage.storage.memory.inbox import MemoryInbox
from engage.storage.memory.people import profile_row
from engage.storage.memory.rows import (
    DeliveryRow,
    FoldRow,
    IdentifierRow,
    ReceiptLine,
    RunRow,
    SubscriptionRow,
    event_row,
    logged,
)
from engage.storage.memory.senders import MemorySenders
from engage.storage.memory.work import Work


def write(work: Work, changes: Changes) -> None:
    """Write everything, ended runs and merges first.

    Raises:
        IdentityRaceError: an identifier belongs to another profile, a new profile is there already, or a run of that
            key is active.
    """
    for run in changes.runs.values():
        if not run.active:
            work.runs.put(run.id, RunRow.of(run))
    _merge(work, changes)
    for profile in changes.profiles.values():
        if profile.id in changes.created and work.profiles.get(profile.id) is not None:
            raise IdentityRaceError("another turn created this profile")
        work.profiles.put(profile.id, profile_row(profile))
    for identifier, owner in changes.identifiers:
        _identify(work, identifier, owner, changes.origins.get(identifier))
    for event in changes.events:
        happened = event_row(event)
        if work.events.get(happened.key) is None:
            work.events.put(happened.key, happened)
    for fold in changes.folds:
        _fold(work, fold)
    for change in changes.memberships:
        _membership(work, change)
    for run in changes.runs.values():
        if run.active:
            work.runs.put(run.id, RunRow.of(run))
    work.check_runs()
    for timer in changes.timers.values():
        _timer(work, timer)
    MemoryDeliveries(work).save(changes.deliveries.values())
    _log(work, changes)
    MemoryConsents(work).append(changes.consents, changes.suppressions)
    MemoryInbox(work).quarantine(changes.quarantined)
    MemorySenders(work).slow_down(changes.slowed)


def _log(work: Work, changes: Changes) -> None:
    for receipt in changes.receipts:
        key = (receipt.delivery, receipt.receipt_id)
        if work.receipts.get(key) is None:
            row = ReceiptLine(
                next(work.sequences.other),
                receipt.delivery,
                receipt.receipt_id,
                receipt.profile,
                encode(receipt),
            )
            work.receipts.put(key, row)
    for heard in heard_of(changes):
        work.heard.put(heard, heard)
    for decision in changes.decisions:
        seq = next(work.sequences.other)
        work.decisions.put(seq, logged(seq, decision))


def _identify(work: Work, identifier: Identifier, owner: ProfileId, origin: Origin | None) -> None:
    refuse_nul(identifier.kind, identifier.value)
    there = work.identifiers.get(identifier)
    if there is None:
        work.identifiers.put(identifier, IdentifierRow(identifier, owner, next(work.sequences.other), origin))
        work.new_identifiers.add(identifier)
    elif there.profile != owner:
        raise IdentityRaceError(f"another profile has this {identifier.kind}")


def _fold(work: Work, fold: FoldState) -> None:
    key = (fold.profile, fold.key)
    if fold.state is None:
        work.folds.delete(key)
    else:
        work.folds.put(key, FoldRow(fold.profile, fold.key, encode(fold)))


def _membership(work: Work, change: MembershipChange) -> None:
    key = (change.profile, change.audience)
    if not change.member:
        work.memberships.delete(key)
    elif work.memberships.get(key) is None:
        work.memberships.put(key, change)


def _timer(work: Work, timer: Timer) -> None:
    key = (timer.profile, timer.kind, timer.ref)
    if timer.due_at is None:
        work.timers.delete(key)
    else:
        work.timers.put(key, timer)


def _merge(work: Work, changes: Changes) -> None:
    for lost, kept in changes.merges:
        there = work.profiles.get(kept)
        new = changes.profiles.get(kept)
        lane = new.lane if new is not None else None if there is None else there.lane
        _move(work, lost, kept, lane)


def _move(work: Work, lost: ProfileId, kept: ProfileId, lane: int | None) -> None:
    work.profiles.delete(lost)
    for pointer in work.merged.where("kept", lost):
        work.merged.put(pointer[0], (pointer[0], kept))
    work.merged.put(lost, (lost, kept))
    for identifier in work.identifiers.where("profile", lost):
        work.identifiers.put(identifier.identifier, msgspec.structs.replace(identifier, profile=kept))
    for member in work.memberships.where("profile", lost):
        work.memberships.delete((lost, member.audience))
        there = work.memberships.get((kept, member.audience))
        if there is None or member.at < there.at:
            work.memberships.put((kept, member.audience), msgspec.structs.replace(member, profile=kept))
    for row in work.events.where("profile", lost):
        event = msgspec.structs.replace(decoder(Event).decode(row.doc), profile=kept)
        work.events.delete(row.key)
        moved = event_row(event)
        if work.events.get(moved.key) is None:
            work.events.put(moved.key, moved)
    # Whoever merges has united them, and writes what came of it.
    for fold in work.folds.among("profile", (lost, kept)):
        work.folds.delete((fold.profile, fold.key))
    for stored in work.runs.where("profile", lost):
        run = decoder(Run).decode(stored.doc)
        run.profile = kept
        work.runs.put(run.id, RunRow.of(run))
    _move_timers(work, lost, kept, lane)
    for sent in work.deliveries.where("profile", lost):
        delivery = decoder(Delivery).decode(sent.doc)
        delivery.profile, delivery.lane = kept, delivery.lane if lane is None else lane
        work.deliveries.put(delivery.id, DeliveryRow.of(delivery))
        for receipt in work.receipts.where("delivery", delivery.id):
            key = (receipt.delivery, receipt.receipt_id)
            work.receipts.put(key, msgspec.structs.replace(receipt, profile=kept))
    _move_logs(work, lost, kept)
    _move_subscriptions(work, lost, kept)


def _move_timers(work: Work, lost: ProfileId, kept: ProfileId, lane: int | None) -> None:
    for timer in work.timers.where("profile", lost):
        work.timers.delete((lost, timer.kind, timer.ref))
        there = work.timers.get((kept, timer.kind, timer.ref))
        dues = [due for due in (timer.due_at, there.due_at if there else None) if due is not None]
        moved = Timer(
            profile=kept,
            kind=timer.kind,
            ref=timer.ref,
            due_at=min(dues),
            lane=timer.lane if lane is None else lane,
        )
        work.timers.put((kept, timer.kind, timer.ref), moved)


def _move_logs(work: Work, lost: ProfileId, kept: ProfileId) -> None:
    for view in (work.decisions, work.consents):
        for line in view.where("profile", lost):
            view.put(line.seq, msgspec.structs.replace(line, profile=kept))


def _move_subscriptions(work: Work, lost: ProfileId, kept: ProfileId) -> None:
    for row in work.subscriptions.where("profile", lost):
        key = row.key._replace(profile=kept)
        work.subscriptions.delete(row.key)
        there = work.subscriptions.get(key)
        if there is None or _strictness(row) > _strictness(there):
            work.subscriptions.put(key, msgspec.structs.replace(row, key=key))


def _strictness(row: SubscriptionRow) -> tuple[int, datetime]:
    return STRICTNESS.index(row.state), row.at
