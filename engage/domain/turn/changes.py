"""Changes: everything one turn of digest decided, to be written in one transaction by a few bulk statements."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from engage.domain.consent.consent import ConsentEntry, SuppressionEntry
from engage.domain.decision import Decision
from engage.domain.delivery.delivery import Delivery, Mark
from engage.domain.fact import Identifier, Json
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event, Profile


class TimerKind(StrEnum):
    """What a timer wakes."""

    RUN = "run"
    AUDIENCE = "audience"
    TRAIT = "trait"
    CLOCK = "clock"
    """A day of the person's, or a tick on their own wall, that starts a journey."""


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """One thing due at an instant. `(profile, kind, ref)` is unique; `due_at` none clears it."""

    profile: ProfileId
    kind: TimerKind
    ref: str
    """Run id, audience or trait name; of a clock see `engage.domain.journey.clockwork`."""
    due_at: datetime | None
    lane: int


class MembershipChange(msgspec.Struct, frozen=True, kw_only=True):
    """A person entered or left an audience."""

    profile: ProfileId
    audience: str
    member: bool
    at: datetime


class ReceiptRow(msgspec.Struct, frozen=True, kw_only=True):
    """A fact about a delivery, kept beside it. `(delivery, receipt_id)` is unique."""

    delivery: DeliveryId
    profile: ProfileId
    receipt_id: str
    mark: Mark
    at: datetime
    provider: str | None = None
    code: str | None = None
    data: Json = {}


class FoldState(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of the events of a person that an aggregate has counted. `(profile, key)` is unique."""

    profile: ProfileId
    key: str
    """Of the aggregate: see `engage.domain.expression.foldable`."""
    upto: datetime
    """All that happened then or before is counted, whether it is still kept or not, and nothing later."""
    state: Json | None
    """None: it is not kept any more."""


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that could not be taken, kept with its reason so that it can be replayed."""

    source: str
    reason: str
    detail: str
    payload: bytes
    received_at: datetime
    lane: int | None = None
    identity: str | None = None
    """What makes it the same when it is told again; none: every telling counts."""


class Origin(msgspec.Struct, frozen=True):
    """Since when an identifier names its person, and the message that said so, if it was one."""

    at: datetime
    message_id: str | None = None


@dataclass(slots=True)
class Changes:
    """What a turn writes. Lists are in the order of deciding; storage writes ended runs before new ones."""

    profiles: dict[ProfileId, Profile] = field(default_factory=dict)
    created: set[ProfileId] = field(default_factory=set)
    """Those of them that nobody had; ids are derived, so two turns may mean to create the same one: that is a race."""
    identifiers: list[tuple[Identifier, ProfileId]] = field(default_factory=list)
    """New identifiers; losing a race for one rolls the turn back."""
    origins: dict[Identifier, Origin] = field(default_factory=dict)
    """Where those came from, as far as it is known."""
    events: list[Event] = field(default_factory=list)
    folds: list[FoldState] = field(default_factory=list)
    """Written after merges, which leave none of either profile."""
    memberships: list[MembershipChange] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    timers: dict[tuple[ProfileId, TimerKind, str], Timer] = field(default_factory=dict)
    deliveries: dict[DeliveryId, Delivery] = field(default_factory=dict)
    receipts: list[ReceiptRow] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    consents: list[ConsentEntry] = field(default_factory=list)
    suppressions: list[SuppressionEntry] = field(default_factory=list)
    merges: list[tuple[ProfileId, ProfileId]] = field(default_factory=list)
    """(lost, kept): everything keyed by the lost profile moves to the kept one before anything else is written."""
    quarantined: list[Quarantined] = field(default_factory=list)
    slowed: list[tuple[str, datetime, str]] = field(default_factory=list)
    """Senders whom their provider told to slow down: (sender, when, code)."""
