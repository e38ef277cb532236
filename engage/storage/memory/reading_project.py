"""Lists of the whole project in memory."""

from collections import Counter

from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.ids import DeliveryId, ProfileId
from engage.ports.reading import PAGE, Asked, DeliverySeen, Kept, Member, Page
from engage.storage.coding import decoder, wish
from engage.storage.cursor import instant, number, page, parts, uuid
from engage.storage.memory.reading_base import MemoryReader, newest, oldest, seen
from engage.storage.memory.work import Work


class MemoryLists(MemoryReader):
    """Lists of the whole project."""

    def delivery(self, delivery: DeliveryId) -> DeliverySeen | None:
        """Return one delivery."""
        work = self._look()
        row = work.deliveries.get(delivery)
        return None if row is None else seen(work, row)

    def asked(self, source: str, message_id: str) -> Asked | None:
        """Return a wish that waits to be digested."""
        work = self._look()
        at = work.seen.get((source, message_id))
        rows = [] if at is None else [row for row in work.inbox.all() if row.received_at == at]
        return wish(message_id, ((row.payload, row.received_at) for row in rows))

    def recent_deliveries(self, after: str | None = None, limit: int = PAGE) -> Page[DeliverySeen]:
        """Return everybody's deliveries, newest id first."""
        work = self._look()
        rows = newest(work.deliveries.all(), lambda row: (row.id,), parts(after, uuid), limit)
        return page(rows, limit, lambda row: seen(work, row), lambda row: (row.id,))

    def unknown_deliveries(self, after: str | None = None, limit: int = PAGE) -> Page[Delivery]:
        """Return deliveries whose outcome is unknown, the longest due question first."""
        rows = [
            row for row in self._look().deliveries.where("status", Mark.UNKNOWN) if row.due_at is not None
        ]
        found = oldest(rows, lambda row: (row.due_at, row.id), parts(after, instant, uuid), limit)
        decode = decoder(Delivery).decode
        return page(found, limit, lambda row: decode(row.doc), lambda row: (row.due_at, row.id))

    def quarantine(self, after: str | None = None, limit: int = PAGE) -> Page[Kept]:
        """Return facts that could not be taken, newest first."""
        rows = [Kept(id=seq, fact=fact) for seq, fact in self._look().quarantine.table.rows.items()]
        found = newest(rows, lambda row: (row.id,), parts(after, number), limit)
        return page(found, limit, lambda row: row, lambda row: (row.id,))

    def quarantine_reasons(self) -> dict[str, int]:
        """Return how many facts could not be taken, by why."""
        return dict(
            sorted(Counter(str(fact.reason) for fact in self._look().quarantine.table.rows.values()).items())
        )

    def audience_size(self, audience: str) -> int:
        """Return how many people are in an audience."""
        return len(self._look().memberships.where("audience", audience))

    def members(self, audience: str, after: str | None = None, limit: int = PAGE) -> Page[Member]:
        """Return people in an audience, in the order of their ids."""
        work = self._look()
        rows = work.memberships.where("audience", audience)
        found = oldest(rows, lambda row: (row.profile,), parts(after, uuid), limit)
        return page(found, limit, lambda row: _member(work, row.profile), lambda row: (row.profile,))


def _member(work: Work, profile: ProfileId) -> Member:
    rows = sorted(work.identifiers.where("profile", profile), key=lambda row: row.seq)
    return Member(profile=profile, identifiers=[row.identifier for row in rows])
