"""Deliveries in PostgreSQL."""

from collections.abc import Collection, Iterable
from datetime import datetime

from engage.domain.delivery.delivery import Channel, Delivery, Mark, Priority
from engage.domain.ids import DeliveryId, ProfileId
from engage.storage.coding import decoder
from engage.storage.postgres.session import Session, json, texts, uuids

_CANDIDATES = """
SELECT id, profile_id FROM delivery WHERE channel = %s AND priority = %s AND claim_at <= %s
ORDER BY claim_at, id LIMIT %s
"""
_EXPIRED = """
SELECT id, profile_id, coalesce(lease, '') FROM delivery WHERE lease_until < %s ORDER BY lease_until, id LIMIT %s
"""
_UNKNOWN = """
SELECT id, profile_id FROM delivery WHERE ask_at <= %s AND status = 'unknown' ORDER BY ask_at, id LIMIT %s
"""
_OVERDUE = """
SELECT id FROM delivery WHERE ask_at <= %s AND status IN ('accepted', 'sent') ORDER BY ask_at, id LIMIT %s
"""
_CHATS = "SELECT doc FROM delivery WHERE channel = 'chat' AND provider_id = ANY(%s::text[])"
_ON_THE_WAY = """
SELECT EXISTS (
    SELECT FROM (SELECT channel FROM delivery WHERE lease_until IS NOT NULL ORDER BY lease_until) AS sending
    WHERE channel = %s
) OR EXISTS (
    SELECT FROM (SELECT channel FROM delivery WHERE ask_at IS NOT NULL AND status = 'unknown' ORDER BY ask_at) AS unknown
    WHERE channel = %s
)
"""
_BETWEEN = """
SELECT id, channel, status, accepted_at FROM delivery WHERE id > %s::uuid AND id < %s::uuid ORDER BY id LIMIT %s
"""
_AT = "SELECT provider_id FROM delivery WHERE address = %s AND channel = %s AND provider_id IS NOT NULL"
_IN_DOUBT = """
SELECT doc FROM delivery WHERE address = %s AND channel = %s AND accepted_at IS NULL
    AND (status IN ('sending', 'unknown') OR reason = 'unknown_outcome')
ORDER BY id
"""
_TAKEN = """
SELECT profile_id, channel, topic, taken_at FROM delivery WHERE profile_id = ANY(%s::uuid[]) AND taken_at >= %s
ORDER BY taken_at, id
"""
_ADDRESSED = """
SELECT DISTINCT coalesce(topic, ''), address FROM delivery
WHERE address = ANY(%s::text[]) AND channel IN ('sms', 'mms') AND accepted_at IS NOT NULL
"""
_TEXTED = """
SELECT DISTINCT address FROM delivery
WHERE address = ANY(%s::text[]) AND channel IN ('sms', 'mms') AND accepted_at IS NOT NULL
"""
_RECENT = """
SELECT channel, address, doc FROM delivery
WHERE address = ANY(%s::text[]) AND channel = ANY(%s::text[]) AND accepted_at >= %s
ORDER BY accepted_at DESC, id DESC
"""
_HEARD = "SELECT coalesce((SELECT max(called_at) FROM heard WHERE channel = %s) > %s, false)"
_CHANNELS = texts(Channel)
_PRIORITIES = texts(Priority)
_NEXT_DUE = """
SELECT least(
    (SELECT min(first.claim_at) FROM unnest(%s::text[]) AS channel, unnest(%s::text[]) AS priority, LATERAL (
        SELECT claim_at FROM delivery
        WHERE delivery.channel = channel.channel AND delivery.priority = priority.priority AND claim_at IS NOT NULL
        ORDER BY claim_at LIMIT 1
    ) AS first),
    (SELECT min(ask_at) FROM delivery WHERE ask_at IS NOT NULL)
)
"""
_DUE_WORK = """
SELECT channel, priority FROM unnest(%s::text[]) AS channel, unnest(%s::text[]) AS priority
WHERE EXISTS (
    SELECT FROM delivery WHERE delivery.channel = channel.channel AND delivery.priority = priority.priority
        AND claim_at <= %s
)
"""
_SAVE = """
INSERT INTO delivery (
    id, profile_id, run_id, asked_at, claim_at, lease_until, ask_at, taken_at, accepted_at, visit, channel, priority,
    status, marks, topic, journey, step, reason, address, provider_id, lease, doc
)
SELECT
    id, profile, run, asked_at,
    CASE WHEN coalesce(status, 'queued') IN ('queued', 'held') THEN due_at END,
    CASE WHEN status = 'sending' THEN lease_until END,
    CASE WHEN status = 'unknown' OR (channel = 'voice' AND status IN ('accepted', 'sent')) THEN due_at END,
    coalesce(accepted_at, CASE WHEN status IN ('sending', 'unknown') THEN coalesce(sending_at, unknown_since) END),
    accepted_at, coalesce(visit, 1), channel, coalesce(priority, 'live'), coalesce(status, 'queued'), coalesce(marks, '[]'), topic, journey, step,
    reason, address, provider_id, lease, doc
FROM json_array_elements(%s) AS doc, json_to_record(doc) AS d (
    id uuid, profile uuid, run uuid, asked_at timestamptz, due_at timestamptz, lease_until timestamptz,
    accepted_at timestamptz, sending_at timestamptz, unknown_since timestamptz, visit integer, channel text,
    priority text, status text, marks text, topic text, journey text, step text, reason text, address text, provider_id text,
    lease text
)
ON CONFLICT (id) DO UPDATE SET
    profile_id = excluded.profile_id, run_id = excluded.run_id, asked_at = excluded.asked_at,
    claim_at = excluded.claim_at, lease_until = excluded.lease_until, ask_at = excluded.ask_at,
    taken_at = excluded.taken_at, accepted_at = excluded.accepted_at, visit = excluded.visit,
    channel = excluded.channel, priority = excluded.priority, status = excluded.status, marks = excluded.marks, topic = excluded.topic,
    journey = excluded.journey, step = excluded.step, reason = excluded.reason, address = excluded.address,
    provider_id = excluded.provider_id, lease = excluded.lease, doc = excluded.doc
"""


class PostgresDeliveries:
    """The ledger of sends."""

    def __init__(self, session: Session) -> None:
        """Work inside a transaction."""
        self._session = session

    def get(self, deliveries: Collection[DeliveryId]) -> dict[DeliveryId, Delivery]:
        """Return deliveries by id."""
        if not deliveries:
            return {}
        rows = self._session.rows("SELECT doc FROM delivery WHERE id = ANY(%s::uuid[])", uuids(deliveries))
        return _by_id(rows)

    def waiting(self, runs: Collection[str]) -> dict[DeliveryId, Delivery]:
        """Return the deliveries of these runs that have not left yet."""
        if not runs:
            return {}
        query = "SELECT doc FROM delivery WHERE run_id = ANY(%s::uuid[]) AND status IN ('queued', 'held')"
        return _by_id(self._session.rows(query, uuids(runs)))

    def candidates(
        self, channel: Channel, priority: Priority, now: datetime, limit: int
    ) -> list[tuple[DeliveryId, ProfileId]]:
        """Return deliveries due at `now`, earliest first, unlocked."""
        rows = self._session.rows(_CANDIDATES, str(channel), str(priority), now, limit)
        return [(delivery, profile) for delivery, profile in rows]

    def expired_leases(self, now: datetime, limit: int) -> list[tuple[DeliveryId, ProfileId, str]]:
        """Return deliveries in `sending` whose lease ended before `now`, with the worker that held it."""
        rows = self._session.rows(_EXPIRED, now, limit)
        return [(delivery, profile, lease) for delivery, profile, lease in rows]

    def unknown(self, now: datetime, limit: int) -> list[tuple[DeliveryId, ProfileId]]:
        """Return deliveries whose outcome is unknown and whose next question is due."""
        return [(delivery, profile) for delivery, profile in self._session.rows(_UNKNOWN, now, limit)]

    def overdue_calls(self, now: datetime, limit: int) -> list[DeliveryId]:
        """Return calls that a provider took, that nobody has answered and whose time is over, first things first."""
        return [delivery for (delivery,) in self._session.rows(_OVERDUE, now, limit)]

    def chats(self, provider_ids: Collection[str]) -> list[Delivery]:
        """Return the deliveries by chat that their provider calls by one of these ids."""
        if not provider_ids:
            return []
        return list(_by_id(self._session.rows(_CHATS, texts(provider_ids))).values())

    def on_the_way(self, channel: Channel) -> bool:
        """Return whether something on this channel is being sent, or its outcome is unknown."""
        return bool(self._session.one(_ON_THE_WAY, str(channel), str(channel)))

    def between(
        self, after: str, until: str, limit: int
    ) -> list[tuple[DeliveryId, Channel, Mark, datetime | None]]:
        """Return deliveries whose ids lie between two others, in the order of their ids."""
        rows = self._session.rows(_BETWEEN, after, until, limit)
        return [(key, Channel(channel), Mark(status), at) for key, channel, status, at in rows]

    def recent_to(
        self, addresses: Collection[tuple[Channel, str]], since: datetime
    ) -> dict[tuple[Channel, str], list[Delivery]]:
        """Return the deliveries accepted at these addresses since then, newest first."""
        found: dict[tuple[Channel, str], list[Delivery]] = {pair: [] for pair in addresses}
        if found:
            decode = decoder(Delivery).decode
            channels = texts(channel for channel, _ in found)
            places = texts(address for _, address in found)
            for channel, address, doc in self._session.rows(_RECENT, places, channels, since):
                deliveries = found.get((Channel(channel), address))
                if deliveries is not None:
                    deliveries.append(decode(doc))
        return found

    def heard_of_later(self, channel: Channel, instant: datetime) -> bool:
        """Return whether a receipt came for any delivery on this channel that was called after `instant`."""
        return bool(self._session.one(_HEARD, str(channel), instant))

    def ids_at(self, channel: Channel, address: str) -> frozenset[str]:
        """Return the provider's ids of our deliveries to this address."""
        return frozenset(key for (key,) in self._session.rows(_AT, address, str(channel)))

    def in_doubt_at(self, channel: Channel, address: str) -> list[Delivery]:
        """Return those to this address that are being called now, or of whose call nobody knows, or ever knew, what came of it."""
        rows = self._session.rows(_IN_DOUBT, address, str(channel))
        return [decoder(Delivery).decode(doc) for (doc,) in rows]

    def accepted_since(
        self, profiles: Collection[ProfileId], since: datetime
    ) -> dict[ProfileId, list[tuple[Channel, str | None, datetime]]]:
        """Return what was accepted, is being sent or may have been taken since then, in order of time."""
        found: dict[ProfileId, list[tuple[Channel, str | None, datetime]]] = {key: [] for key in profiles}
        if found:
            for profile, channel, topic, at in self._session.rows(_TAKEN, uuids(profiles), since):
                found[profile].append((Channel(channel), topic, at))
        return found

    def addressed_before(self, addresses: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return which (topic, address) pairs already got an accepted SMS; no topic is ''."""
        if not addresses:
            return set()
        rows = self._session.rows(_ADDRESSED, texts(address for _, address in addresses))
        return {(topic, address) for topic, address in rows} & set(addresses)

    def texted(self, numbers: Collection[str]) -> set[str]:
        """Return which of these numbers already got an accepted SMS or MMS."""
        if not numbers:
            return set()
        return {number for (number,) in self._session.rows(_TEXTED, texts(numbers))}

    def save(self, deliveries: Iterable[Delivery]) -> None:
        """Write deliveries whole (insert or update by id)."""
        rows = list(deliveries)
        if rows:
            self._session.run(_SAVE, json(rows))

    def next_due(self) -> datetime | None:
        """Return when the earliest delivery is to be released, asked about or, a call, taken back."""
        first: datetime | None = self._session.one(_NEXT_DUE, _CHANNELS, _PRIORITIES)
        return first

    def due_work(self, now: datetime) -> set[tuple[Channel, Priority]]:
        """Return the (channel, priority) pairs that have deliveries due."""
        rows = self._session.rows(_DUE_WORK, _CHANNELS, _PRIORITIES, now)
        return {(Channel(channel), Priority(priority)) for channel, priority in rows}


def _by_id(rows: list[tuple[str]]) -> dict[DeliveryId, Delivery]:
    decode = decoder(Delivery).decode
    found = [decode(doc) for (doc,) in rows]
    return {delivery.id: delivery for delivery in found}
