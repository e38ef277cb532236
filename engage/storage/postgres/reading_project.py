"""Lists of the whole project in PostgreSQL."""

from itertools import groupby
from typing import Any

from engage.domain.delivery.delivery import Delivery
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId
from engage.domain.turn.changes import Quarantined
from engage.ports.reading import PAGE, Asked, DeliverySeen, Kept, Member, Page
from engage.storage.coding import decoder, wish
from engage.storage.cursor import instant, number, page, parts, uuid
from engage.storage.postgres.reading_base import PostgresReader, seen

_DELIVERY = "SELECT doc FROM delivery WHERE id = %s::uuid"
# One that was never told, or long ago, costs one look-up by key; the inbox, which is short, is read for the others.
_ASKED = """
SELECT payload, received_at FROM seen JOIN inbox USING (received_at) WHERE source = %s AND message_id = %s
"""
_RECENT = """
SELECT doc, id FROM delivery WHERE %(key)s::uuid IS NULL OR id < %(key)s::uuid ORDER BY id DESC LIMIT %(limit)s
"""
_UNKNOWN = """
SELECT doc, ask_at, id FROM delivery
WHERE ask_at IS NOT NULL AND status = 'unknown'
    AND (%(at)s::timestamptz IS NULL OR (ask_at, id) > (%(at)s::timestamptz, %(key)s::uuid))
ORDER BY ask_at, id LIMIT %(limit)s
"""
_QUARANTINE = """
SELECT id, lane, received_at, source, reason, detail, payload FROM quarantine
WHERE %(key)s::bigint IS NULL OR id < %(key)s::bigint ORDER BY id DESC LIMIT %(limit)s
"""
_MEMBERS = """
SELECT member.profile_id, kind, value FROM (
    SELECT profile_id FROM membership
    WHERE audience = %(audience)s AND (%(key)s::uuid IS NULL OR profile_id > %(key)s::uuid)
    ORDER BY profile_id LIMIT %(limit)s
) AS member LEFT JOIN identifier USING (profile_id)
ORDER BY member.profile_id, seq
"""


class PostgresLists(PostgresReader):
    """Lists of the whole project."""

    def delivery(self, delivery: DeliveryId) -> DeliverySeen | None:
        """Return one delivery."""
        with self._session() as session:
            found = seen(session, [doc for (doc,) in session.rows(_DELIVERY, delivery)])
        return found[0] if found else None

    def asked(self, source: str, message_id: str) -> Asked | None:
        """Return a wish that waits to be digested."""
        with self._session() as session:
            return wish(message_id, session.rows(_ASKED, source, message_id))

    def recent_deliveries(self, after: str | None = None, limit: int = PAGE) -> Page[DeliverySeen]:
        """Return everybody's deliveries, newest id first."""
        (key,) = parts(after, uuid) or (None,)
        with self._session() as session:
            rows = session.named(_RECENT, key=key, limit=limit + 1)
            found = seen(session, [doc for doc, _ in rows])
        return page(found, limit, lambda one: one, lambda one: (one.delivery.id,))

    def unknown_deliveries(self, after: str | None = None, limit: int = PAGE) -> Page[Delivery]:
        """Return deliveries whose outcome is unknown, the longest due question first."""
        at, key = parts(after, instant, uuid) or (None, None)
        with self._session() as session:
            rows = session.named(_UNKNOWN, at=at, key=key, limit=limit + 1)
        decode = decoder(Delivery).decode
        return page(rows, limit, lambda row: decode(row[0]), lambda row: row[1:])

    def quarantine(self, after: str | None = None, limit: int = PAGE) -> Page[Kept]:
        """Return facts that could not be taken, newest first."""
        (key,) = parts(after, number) or (None,)
        with self._session() as session:
            rows = session.named(_QUARANTINE, key=key, limit=limit + 1)
        return page(rows, limit, _kept, lambda row: (row[0],))

    def quarantine_reasons(self) -> dict[str, int]:
        """Return how many facts could not be taken, by why."""
        with self._session() as session:
            return dict(
                session.rows("SELECT reason, count(*) FROM quarantine GROUP BY reason ORDER BY reason")
            )

    def audience_size(self, audience: str) -> int:
        """Return how many people are in an audience."""
        with self._session() as session:
            return int(session.one("SELECT count(*) FROM membership WHERE audience = %s", audience))

    def members(self, audience: str, after: str | None = None, limit: int = PAGE) -> Page[Member]:
        """Return people in an audience, in the order of their ids."""
        (key,) = parts(after, uuid) or (None,)
        with self._session() as session:
            rows = session.named(_MEMBERS, audience=audience, key=key, limit=limit + 1)
        people = [
            Member(
                profile=profile,
                identifiers=[Identifier(kind, value) for _, kind, value in names if kind is not None],
            )
            for profile, names in groupby(rows, key=lambda row: row[0])
        ]
        return page(people, limit, lambda member: member, lambda member: (member.profile,))


def _kept(row: tuple[Any, ...]) -> Kept:
    key, lane, received_at, source, reason, detail, payload = row
    fact = Quarantined(
        source=source, reason=reason, detail=detail, payload=payload, received_at=received_at, lane=lane
    )
    return Kept(id=key, fact=fact)
