"""Deliveries: the ledger of what was sent, or is to be, and how each is found."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol

from engage.domain.delivery.delivery import Channel, Delivery, Mark, Priority
from engage.domain.ids import DeliveryId, ProfileId


class Deliveries(Protocol):
    """The ledger of sends."""

    def get(self, deliveries: Collection[DeliveryId]) -> dict[DeliveryId, Delivery]:
        """Return deliveries by id."""
        ...

    def waiting(self, runs: Collection[str]) -> dict[DeliveryId, Delivery]:
        """Return the deliveries of these runs that have not left yet (queued or held)."""
        ...

    def candidates(
        self, channel: Channel, priority: Priority, now: datetime, limit: int
    ) -> list[tuple[DeliveryId, ProfileId]]:
        """Return deliveries due at `now`, earliest first, unlocked: lock their profiles, then `get` them again."""
        ...

    def expired_leases(self, now: datetime, limit: int) -> list[tuple[DeliveryId, ProfileId, str]]:
        """Return deliveries in `sending` whose lease ended before `now`, with the worker that held it."""
        ...

    def unknown(self, now: datetime, limit: int) -> list[tuple[DeliveryId, ProfileId]]:
        """Return deliveries whose outcome is unknown and whose next question is due (`due_at <= now`)."""
        ...

    def overdue_calls(self, now: datetime, limit: int) -> list[DeliveryId]:
        """Return calls that a provider took, that nobody has answered and whose time is over (`due_at <= now`), first things first."""
        ...

    def chats(self, provider_ids: Collection[str]) -> list[Delivery]:
        """Return the deliveries by chat that their provider calls by one of these ids."""
        ...

    def on_the_way(self, channel: Channel) -> bool:
        """Return whether something on this channel is being sent, or its outcome is unknown: its provider's id is still to come."""
        ...

    def between(
        self, after: str, until: str, limit: int
    ) -> list[tuple[DeliveryId, Channel, Mark, datetime | None]]:
        """Return deliveries whose ids lie between two others, in the order of their ids: channel, status, when accepted."""
        ...

    def recent_to(
        self, addresses: Collection[tuple[Channel, str]], since: datetime
    ) -> dict[tuple[Channel, str], list[Delivery]]:
        """Return the deliveries accepted at these addresses since then, newest first: what a reply may answer."""
        ...

    def heard_of_later(self, channel: Channel, instant: datetime) -> bool:
        """Return whether a receipt came for any delivery on this channel that was called after `instant`."""
        ...

    def ids_at(self, channel: Channel, address: str) -> frozenset[str]:
        """Return the provider's ids of our deliveries to this address."""
        ...

    def in_doubt_at(self, channel: Channel, address: str) -> list[Delivery]:
        """Return those to this address that are being called now, or of whose call nobody knows, or ever knew, what came of it."""
        ...

    def accepted_since(
        self, profiles: Collection[ProfileId], since: datetime
    ) -> dict[ProfileId, list[tuple[Channel, str | None, datetime]]]:
        """Return what was accepted (or is being sent) since then: (channel, topic, when), for caps."""
        ...

    def addressed_before(self, addresses: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return which (topic, address) pairs already got an accepted SMS; no topic is ''."""
        ...

    def texted(self, numbers: Collection[str]) -> set[str]:
        """Return which of these numbers already got an accepted SMS or MMS."""
        ...

    def save(self, deliveries: Iterable[Delivery]) -> None:
        """Write deliveries whole (insert or update by id). `(run, step, visit)` stays unique."""
        ...

    def next_due(self) -> datetime | None:
        """Return when the earliest delivery is to be released, asked about or, a call, taken back."""
        ...

    def due_work(self, now: datetime) -> set[tuple[Channel, Priority]]:
        """Return the (channel, priority) pairs that have deliveries due."""
        ...
