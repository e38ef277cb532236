"""Rows: what each table of the store in memory holds. Structures lie in `doc` as JSON, so that nobody shares them."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from engage.domain.consent.consent import ConsentEntry, ConsentState, SuppressionEntry
from engage.domain.decision import Decision
from engage.domain.delivery.delivery import Channel, Delivery, Mark, Priority
from engage.domain.delivery.slowing import Slowness
from engage.domain.fact import Identifier, InboxRow
from engage.domain.ids import DeliveryId, EventId, ProfileId, RunId
from engage.domain.journey.run import Run
from engage.domain.links.short_link import ShortLink
from engage.domain.profile.profile import Event
from engage.domain.turn.changes import MembershipChange, Origin, Quarantined, Timer, TimerKind
from engage.ports.access import Token, User
from engage.ports.listing import Listed
from engage.ports.storage import StoredDefinition
from engage.storage.coding import encode
from engage.storage.memory.table import Table


class Row(msgspec.Struct, frozen=True, gc=False):
    """Immutable, cheap to make."""


class ProfileRow(Row, frozen=True):
    """A profile without its identifiers."""

    id: ProfileId
    lane: int
    doc: bytes


class IdentifierRow(Row, frozen=True):
    """An identifier; `seq` is the order in which a person got theirs."""

    identifier: Identifier
    profile: ProfileId
    seq: int
    origin: Origin | None = None


class EventKey(NamedTuple):
    """What makes an event itself; the timestamp is part of it because PostgreSQL keeps events by month."""

    profile: ProfileId
    id: EventId
    timestamp: datetime


class EventRow(Row, frozen=True):
    """An event."""

    key: EventKey
    name: str
    type: str
    arrival: int
    doc: bytes


class FoldRow(Row, frozen=True):
    """What an aggregate keeps of a person."""

    profile: ProfileId
    key: str
    doc: bytes


class RunRow(Row, frozen=True):
    """A run."""

    id: RunId
    profile: ProfileId
    journey: str
    version: int
    key: str
    entered_at: datetime
    active: bool
    goal_until: datetime | None
    doc: bytes

    @classmethod
    def of(cls, run: Run) -> "RunRow":
        """Return the row of a run; `goal_until` only while the goal can still be reached."""
        return cls(
            run.id,
            run.profile,
            run.journey,
            run.version,
            run.key,
            run.entered_at,
            run.active,
            run.goal_until if run.goal_at is None else None,
            encode(run),
        )


class DeliveryRow(Row, frozen=True):
    """A delivery."""

    id: DeliveryId
    profile: ProfileId
    channel: Channel
    priority: Priority
    status: Mark
    due_at: datetime | None
    run: RunId | None
    step: str | None
    visit: int
    topic: str | None
    address: str | None
    provider_id: str | None
    accepted_at: datetime | None
    sending_at: datetime | None
    lease: str | None
    lease_until: datetime | None
    doc: bytes

    @property
    def is_unanswered_call(self) -> bool:
        """Whether it is a call that a provider took, nobody has answered, and that is to be taken back some time."""
        is_open = self.status in (Mark.ACCEPTED, Mark.SENT)
        return is_open and self.channel is Channel.VOICE and self.due_at is not None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryRow":
        """Return the row of a delivery."""
        return cls(
            delivery.id,
            delivery.profile,
            delivery.channel,
            delivery.priority,
            delivery.status,
            delivery.due_at,
            delivery.run,
            delivery.step,
            delivery.visit,
            delivery.topic,
            delivery.address,
            delivery.provider_id,
            delivery.accepted_at,
            delivery.sending_at or delivery.unknown_since,
            delivery.lease,
            delivery.lease_until,
            encode(delivery),
        )


class Logged(Row, frozen=True):
    """A line of a log, with its place in it; `profile` is whose it is now, also after a merge."""

    seq: int
    profile: ProfileId | None
    doc: bytes


class ReceiptLine(Row, frozen=True):
    """A fact about a delivery."""

    seq: int
    delivery: DeliveryId
    receipt_id: str
    profile: ProfileId
    doc: bytes


class SenderCall(NamedTuple):
    """A call that counts against its sender's rate."""

    name: str
    sender: str
    cost: int
    until: datetime


class SubscriptionKey(NamedTuple):
    """Whose consent, for what."""

    profile: ProfileId | None
    address: str | None
    channel: str
    topic: str


class SubscriptionRow(Row, frozen=True):
    """The present state of one consent."""

    key: SubscriptionKey
    state: ConsentState
    at: datetime
    source: str


class JobRow(Row, frozen=True):
    """A long piece of work, in the order of `seq`."""

    seq: int
    finished: bool
    doc: bytes


class ProjectRow(Row, frozen=True):
    """The one row about the project."""

    epoch: int = 0
    stopped: frozenset[str] = frozenset()


class LiveDefinition(Row, frozen=True):
    """One version, and whether it is the one in force."""

    definition: StoredDefinition
    live: bool


class Tables:
    """All tables of one store."""

    def __init__(self) -> None:
        """Start empty."""
        self.seen: Table[tuple[str, str], datetime] = Table()
        self.inbox: Table[int, InboxRow] = Table(lane=lambda row: row.lane)
        self.quarantine: Table[int, Quarantined] = Table()
        self.profiles: Table[ProfileId, ProfileRow] = Table()
        self.identifiers: Table[Identifier, IdentifierRow] = Table(profile=lambda row: row.profile)
        self.memberships: Table[tuple[ProfileId, str], MembershipChange] = Table(
            profile=lambda row: row.profile, audience=lambda row: row.audience
        )
        self.merged: Table[ProfileId, tuple[ProfileId, ProfileId]] = Table(kept=lambda row: row[1])
        self.events: Table[EventKey, EventRow] = Table(profile=lambda row: row.key.profile)
        self.folds: Table[tuple[ProfileId, str], FoldRow] = Table(profile=lambda row: row.profile)
        self.runs: Table[RunId, RunRow] = Table(
            profile=lambda row: row.profile,
            active=lambda row: (row.journey, row.profile, row.key) if row.active else None,
            journey=lambda row: row.journey,
        )
        self.timers: Table[tuple[ProfileId, TimerKind, str], Timer] = Table(
            profile=lambda row: row.profile, lane=lambda row: row.lane
        )
        self.decisions: Table[int, Logged] = Table(profile=lambda row: row.profile)
        self.deliveries: Table[DeliveryId, DeliveryRow] = Table(
            profile=lambda row: row.profile,
            status=lambda row: row.status,
            run=lambda row: row.run,
            asked=lambda row: None if row.run is None else (row.run, row.step, row.visit),
            address=lambda row: row.address,
            unanswered=lambda row: True if row.is_unanswered_call else None,
            chat=lambda row: row.provider_id if row.channel is Channel.CHAT else None,
        )
        self.receipts: Table[tuple[DeliveryId, str], ReceiptLine] = Table(delivery=lambda row: row.delivery)
        self.consents: Table[int, Logged] = Table(profile=lambda row: row.profile)
        self.subscriptions: Table[SubscriptionKey, SubscriptionRow] = Table(
            profile=lambda row: row.key.profile, address=lambda row: row.key.address
        )
        self.suppressions: Table[tuple[str, str], SuppressionEntry] = Table()
        self.definitions: Table[tuple[str, str, int], LiveDefinition] = Table(
            name=lambda row: (row.definition.kind, row.definition.name)
        )
        self.project: Table[None, ProjectRow] = Table()
        self.senders: Table[str, datetime] = Table()
        self.slowness: Table[str, Slowness] = Table()
        self.sender_calls: Table[str, SenderCall] = Table(sender=lambda row: row.sender)
        self.links: Table[str, ShortLink] = Table(delivery=lambda row: row.delivery)
        self.heard: Table[tuple[Channel, datetime], tuple[Channel, datetime]] = Table(
            channel=lambda row: row[0]
        )
        self.jobs: Table[str, JobRow] = Table()
        self.listed: Table[tuple[str, str, str], Listed] = Table()
        self.audit: Table[int, bytes] = Table()
        self.users: Table[str, User] = Table()
        self.tokens: Table[bytes, Token] = Table()
        self.guesses: Table[bytes, tuple[int, datetime]] = Table()
        self.ended_sessions: Table[bytes, datetime] = Table()


def logged(seq: int, entry: Decision | ConsentEntry) -> Logged:
    """Return the row of a line of a log."""
    return Logged(seq, entry.profile, encode(entry))


def event_row(event: Event) -> EventRow:
    """Return the row of an event."""
    key = EventKey(event.profile, event.id, event.timestamp)
    return EventRow(key, event.name, event.type, event.arrival, encode(event))
