"""Deliveries in memory."""

from collections.abc import Collection, Iterable
from datetime import datetime

from engage.domain.delivery.delivery import Channel, Delivery, FailReason, Mark, Priority
from engage.domain.ids import DeliveryId, ProfileId
from engage.storage.coding import decoder
from engage.storage.memory.rows import DeliveryRow
from engage.storage.memory.work import Work

_TEXTED = frozenset({Channel.SMS, Channel.MMS})
_ON_THE_WAY = (Mark.SENDING, Mark.UNKNOWN)


class MemoryDeliveries:
    """The ledger of sends."""

    def __init__(self, work: Work) -> None:
        """Work inside a transaction."""
        self._work = work

    def get(self, deliveries: Collection[DeliveryId]) -> dict[DeliveryId, Delivery]:
        """Return deliveries by id."""
        decode = decoder(Delivery).decode
        get = self._work.deliveries.get
        return {key: decode(row.doc) for key in deliveries if (row := get(key)) is not None}

    def waiting(self, runs: Collection[str]) -> dict[DeliveryId, Delivery]:
        """Return the deliveries of these runs that have not left yet."""
        decode = decoder(Delivery).decode
        rows = self._work.deliveries.among("run", runs)
        return {row.id: decode(row.doc) for row in rows if _waits(row)}

    def candidates(
        self, channel: Channel, priority: Priority, now: datetime, limit: int
    ) -> list[tuple[DeliveryId, ProfileId]]:
        """Return deliveries due at `now`, earliest first, unlocked."""
        rows = [row for row in self._due(now) if row.channel == channel and row.priority == priority]
        return [(row.id, row.profile) for row in sorted(rows, key=_due_order)[:limit]]

    def expired_leases(self, now: datetime, limit: int) -> list[tuple[DeliveryId, ProfileId, str]]:
        """Return deliveries in `sending` whose lease ended before `now`, with the worker that held it."""
        rows = [
            (row.lease_until, row.id, row.profile, row.lease)
            for row in self._work.deliveries.where("status", Mark.SENDING)
            if row.lease_until is not None and row.lease_until < now
        ]
        return [(key, profile, lease or "") for _, key, profile, lease in sorted(rows)[:limit]]

    def unknown(self, now: datetime, limit: int) -> list[tuple[DeliveryId, ProfileId]]:
        """Return deliveries whose outcome is unknown and whose next question is due."""
        rows = [
            row
            for row in self._work.deliveries.where("status", Mark.UNKNOWN)
            if row.due_at is not None and row.due_at <= now
        ]
        return [(row.id, row.profile) for row in sorted(rows, key=_due_order)[:limit]]

    def overdue_calls(self, now: datetime, limit: int) -> list[DeliveryId]:
        """Return calls that a provider took, that nobody has answered and whose time is over, first things first."""
        rows = self._work.deliveries.where("unanswered", True)
        due = [row for row in rows if row.due_at is not None and row.due_at <= now]
        return [row.id for row in sorted(due, key=_due_order)[:limit]]

    def chats(self, provider_ids: Collection[str]) -> list[Delivery]:
        """Return the deliveries by chat that their provider calls by one of these ids."""
        decode = decoder(Delivery).decode
        return [decode(row.doc) for row in self._work.deliveries.among("chat", provider_ids)]

    def on_the_way(self, channel: Channel) -> bool:
        """Return whether something on this channel is being sent, or its outcome is unknown."""
        rows = self._work.deliveries.among("status", _ON_THE_WAY)
        return any(row.channel is channel for row in rows)

    def between(
        self, after: str, until: str, limit: int
    ) -> list[tuple[DeliveryId, Channel, Mark, datetime | None]]:
        """Return deliveries whose ids lie between two others, in the order of their ids."""
        rows = [row for row in self._work.deliveries.all() if after < row.id < until]
        rows.sort(key=lambda row: row.id)
        return [(row.id, row.channel, row.status, row.accepted_at) for row in rows[:limit]]

    def recent_to(
        self, addresses: Collection[tuple[Channel, str]], since: datetime
    ) -> dict[tuple[Channel, str], list[Delivery]]:
        """Return the deliveries accepted at these addresses since then, newest first."""
        decode = decoder(Delivery).decode
        found: dict[tuple[Channel, str], list[Delivery]] = {}
        for channel, address in addresses:
            rows = [
                (row.accepted_at, row.id, row.doc)
                for row in self._work.deliveries.where("address", address)
                if row.channel == channel and row.accepted_at is not None and row.accepted_at >= since
            ]
            found[channel, address] = [decode(doc) for _, _, doc in sorted(rows, reverse=True)]
        return found

    def heard_of_later(self, channel: Channel, instant: datetime) -> bool:
        """Return whether a receipt came for any delivery on this channel that was called after `instant`."""
        return any(called > instant for _, called in self._work.heard.where("channel", channel))

    def ids_at(self, channel: Channel, address: str) -> frozenset[str]:
        """Return the provider's ids of our deliveries to this address."""
        rows = self._work.deliveries.where("address", address)
        return frozenset(row.provider_id for row in rows if row.channel == channel and row.provider_id)

    def in_doubt_at(self, channel: Channel, address: str) -> list[Delivery]:
        """Return those to this address that are being called now, or of whose call nobody knows, or ever knew, what came of it."""
        rows = (row for row in self._work.deliveries.where("address", address) if row.channel == channel)
        found = (decoder(Delivery).decode(row.doc) for row in rows if row.accepted_at is None)
        return sorted(
            (one for one in found if one.status in _ON_THE_WAY or one.reason == FailReason.UNKNOWN_OUTCOME),
            key=lambda one: one.id,
        )

    def accepted_since(
        self, profiles: Collection[ProfileId], since: datetime
    ) -> dict[ProfileId, list[tuple[Channel, str | None, datetime]]]:
        """Return what was accepted, is being sent or may have been taken since then, in order of time."""
        found: dict[ProfileId, list[tuple[Channel, str | None, datetime]]] = {}
        for profile in profiles:
            taken = []
            for row in self._work.deliveries.where("profile", profile):
                at = row.accepted_at or (row.sending_at if row.status in _ON_THE_WAY else None)
                if at is not None and at >= since:
                    taken.append((at, row.id, row.channel, row.topic))
            found[profile] = [(channel, topic, at) for at, _, channel, topic in sorted(taken)]
        return found

    def addressed_before(self, addresses: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return which (topic, address) pairs already got an accepted SMS; no topic is ''."""
        return {
            (topic, address)
            for topic, address in addresses
            for row in self._work.deliveries.where("address", address)
            if (row.topic or "") == topic and row.channel in _TEXTED and row.accepted_at is not None
        }

    def texted(self, numbers: Collection[str]) -> set[str]:
        """Return which of these numbers already got an accepted SMS or MMS."""
        return {
            number
            for number in numbers
            for row in self._work.deliveries.where("address", number)
            if row.channel in _TEXTED and row.accepted_at is not None
        }

    def save(self, deliveries: Iterable[Delivery]) -> None:
        """Write deliveries whole (insert or update by id)."""
        for delivery in deliveries:
            self._work.deliveries.put(delivery.id, DeliveryRow.of(delivery))
        self._work.check_deliveries()

    def next_due(self) -> datetime | None:
        """Return when the earliest delivery is to be released, asked about or, a call, taken back."""
        rows = self._work.deliveries.among("status", (Mark.QUEUED, Mark.HELD, Mark.UNKNOWN))
        rows += self._work.deliveries.where("unanswered", True)
        return min((row.due_at for row in rows if row.due_at is not None), default=None)

    def due_work(self, now: datetime) -> set[tuple[Channel, Priority]]:
        """Return the (channel, priority) pairs that have deliveries due."""
        return {(row.channel, row.priority) for row in self._due(now)}

    def _due(self, now: datetime) -> list[DeliveryRow]:
        rows = self._work.deliveries.among("status", (Mark.QUEUED, Mark.HELD))
        return [row for row in rows if row.due_at is not None and row.due_at <= now]


def _waits(row: DeliveryRow) -> bool:
    return row.status in (Mark.QUEUED, Mark.HELD)


def _due_order(row: DeliveryRow) -> tuple[datetime | None, str]:
    return row.due_at, row.id
