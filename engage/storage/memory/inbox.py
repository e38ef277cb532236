"""Inbox in memory."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from engage.domain.fact import InboxRow, NewFact
from engage.domain.turn.changes import Quarantined
from engage.ports.storage import Backlog, StorageBusyError
from engage.storage.coding import refuse_nul
from engage.storage.memory.work import Work


class MemoryInbox:
    """Facts that nobody has digested yet, in lanes."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def add(self, facts: Sequence[NewFact]) -> list[bool]:
        """Store facts; True per fact stored, False where it was seen before."""
        work, stored = self._work, []
        for fact in facts:
            refuse_nul(fact.source, fact.message_id)
            identity = (fact.source, fact.message_id)
            new = work.seen.get(identity) is None
            stored.append(new)
            if new:
                seq = next(work.sequences.inbox)
                row = InboxRow(
                    seq=seq,
                    lane=fact.lane,
                    received_at=fact.received_at,
                    payload=fact.payload,
                    live=fact.live,
                )
                work.seen.put(identity, fact.received_at)
                work.inbox.put(seq, row)
                work.new_facts[identity] = seq
        return stored

    def lock_lane(self, lane: int) -> bool:
        """Take the lane for this transaction; False at once if another transaction has it."""
        return self._work.try_lock(("lane", lane))

    def lock_lanes(self, lanes: Collection[int], *, wait: bool = False) -> list[int]:
        """Take those of these lanes that nobody else has; waiting is for those who share nothing but the tables."""
        del wait
        return [lane for lane in sorted(set(lanes)) if self.lock_lane(lane)]

    def read_lanes(self, lanes: Collection[int], limit: int) -> list[InboxRow]:
        """Return the oldest facts of these lanes together, in order of arrival."""
        return sorted(self._work.inbox.among("lane", lanes), key=lambda fact: fact.seq)[:limit]

    def read(self, lane: int, limit: int) -> list[InboxRow]:
        """Return the lane's oldest facts in order of arrival."""
        rows = sorted(self._work.inbox.where("lane", lane), key=lambda fact: fact.seq)
        return rows[:limit]

    def next_live(self, lanes: Collection[int], after: int) -> datetime | None:
        """Return when the next live fact of these lanes behind `after` came."""
        rows = (row for row in self._work.inbox.among("lane", lanes) if row.live and row.seq > after)
        first = min(rows, key=lambda row: row.seq, default=None)
        return None if first is None else first.received_at

    def remove(self, rows: Collection[int]) -> None:
        """Remove digested facts by `seq`; raises StorageBusyError if one is gone."""
        for seq in set(rows):
            if self._work.inbox.get(seq) is None:
                raise StorageBusyError("a fact was erased meanwhile")
            self._work.inbox.delete(seq)

    def failed(self, rows: Collection[int]) -> None:
        """Count one more failed attempt at these facts."""
        for seq in rows:
            row = self._work.inbox.get(seq)
            if row is not None:
                self._work.inbox.put(seq, msgspec.structs.replace(row, attempts=row.attempts + 1))

    def quarantine(self, items: Sequence[Quarantined]) -> None:
        """Keep what could not be taken, with its reason; what has an identity once."""
        for item in items:
            if item.identity is not None:
                identity = ("quarantine", item.identity)
                if self._work.seen.get(identity) is not None:
                    continue
                self._work.seen.put(identity, item.received_at)
            kept = msgspec.structs.replace(item, identity=None)
            self._work.quarantine.put(next(self._work.sequences.other), kept)

    def take_out(self, kept: Collection[int]) -> None:
        """Remove quarantined facts by id: they were replayed."""
        for number in kept:
            self._work.quarantine.delete(number)

    def lanes(self) -> dict[int, datetime]:
        """Return the lanes that have facts, with the arrival of their oldest."""
        return {lane: fact.received_at for lane, fact in self._oldest().items()}

    def backlog(self) -> Backlog:
        """Return where the inbox begins and ends."""
        oldest = {lane: fact.seq for lane, fact in self._oldest().items()}
        return Backlog(newest=self._work.sequences.inbox.last, oldest=oldest)

    def _oldest(self) -> dict[int, InboxRow]:
        oldest: dict[int, InboxRow] = {}
        for fact in self._work.inbox.all():
            if fact.lane not in oldest or fact.seq < oldest[fact.lane].seq:
                oldest[fact.lane] = fact
        return oldest
