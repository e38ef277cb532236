"""Decision: one line of the answer to "why": what was decided about a person, on which values, by which rule."""

from datetime import datetime
from enum import StrEnum

import msgspec

from engage.domain.fact import Json
from engage.domain.ids import DeliveryId, ProfileId, RunId


class Decided(StrEnum):
    """What a decision is about."""

    ENTRY = "entry"
    STEP = "step"
    SEND = "send"
    EXIT = "exit"
    GOAL = "goal"
    AUDIENCE = "audience"
    IDENTITY = "identity"
    CONSENT = "consent"
    EVENT = "event"


class EntryRefusal(StrEnum):
    """Why a trigger entered nobody; judged in this order."""

    PAUSED = "paused"
    LATE = "late"
    NO_KEY = "no_key"
    ENTRY_WHERE = "entry_where"
    ALREADY_INSIDE = "already_inside"
    REENTRY = "reentry"


class EndReason(StrEnum):
    """How runs end when no text of the journey says so."""

    COMPLETED = "completed"
    GOAL = "goal"
    GOAL_LATE = "goal_late"
    ARCHIVED = "archived"
    MERGED = "merged"
    REPLACED = "replaced"
    MIGRATED = "migrated"
    STALE = "stale"
    LOOP_LIMIT = "loop_limit"
    FAILED = "failed"


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One decision about one person. Append-only; kept for `settings.retention.decisions`."""

    profile: ProfileId
    at: datetime
    kind: Decided
    outcome: str
    journey: str | None = None
    run: RunId | None = None
    step: str | None = None
    delivery: DeliveryId | None = None
    reason: str | None = None
    rule: str | None = None
    values: Json = {}
    """The values that were looked at, by the name used in the expression."""
