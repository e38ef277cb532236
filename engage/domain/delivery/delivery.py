"""Delivery: one message or call to one person, and its status as a function of the set of facts about it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

import msgspec

from engage.domain.delivery.daily_cap import DailyCap
from engage.domain.fact import Json
from engage.domain.ids import DeliveryId, ProfileId, RunId


class Channel(StrEnum):
    """The ways to reach a person, and the three to reach other systems on a person's behalf (`CALLS`)."""

    EMAIL = "email"
    SMS = "sms"
    MMS = "mms"
    WHATSAPP = "whatsapp"
    VOICE = "voice"
    CHAT = "chat"
    WEBHOOK = "webhook"
    SYNC = "sync"
    HANDOFF = "handoff"


CALLS = frozenset({Channel.WEBHOOK, Channel.SYNC, Channel.HANDOFF})
"""Calls to other systems: reserved, made and settled like deliveries, but no message and nobody's consent."""
REACHING = tuple(channel for channel in Channel if channel not in CALLS)
"""The channels on which a person can be reached: what a marketer names."""


class Mark(StrEnum):
    """One kind of fact about a delivery, or the phase of its next attempt. The set of facts decides the status."""

    QUEUED = "queued"
    HELD = "held"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    OPENED = "opened"
    OPENED_ANY = "opened_any"
    CLICKED = "clicked"
    REPLIED = "replied"
    ANSWERED = "answered"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    CANCELED = "canceled"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DEFERRED = "deferred"
    DIGITS = "digits"
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"
    VOICEMAIL = "voicemail"
    MACHINE = "machine"
    """An answering machine took the call."""
    DROPPED = "dropped"


# vocabulary.md, "Delivery statuses": the strongest fact first, whatever the order of arrival.
_MESSAGE_ORDER = (
    Mark.COMPLAINED,
    Mark.BOUNCED,
    Mark.REPLIED,
    Mark.CLICKED,
    Mark.OPENED,
    Mark.DELIVERED,
    Mark.UNDELIVERED,
    Mark.FAILED,
    Mark.SENT,
    Mark.ACCEPTED,
    Mark.SKIPPED,
    Mark.CANCELED,
)
_CALL_ORDER = (
    Mark.COMPLETED,
    Mark.ANSWERED,
    Mark.BUSY,
    Mark.NO_ANSWER,
    Mark.FAILED,
    Mark.SKIPPED,
    Mark.CANCELED,
    Mark.SENT,
    Mark.ACCEPTED,
)

_CALLED = frozenset({Channel.VOICE, Channel.HANDOFF})
_IMPLIES: dict[Mark, tuple[Mark, ...]] = {
    Mark.SENT: (Mark.ACCEPTED,),
    Mark.DELIVERED: (Mark.SENT,),
    Mark.OPENED: (Mark.DELIVERED, Mark.OPENED_ANY),
    Mark.OPENED_ANY: (Mark.DELIVERED,),
    Mark.CLICKED: (Mark.OPENED,),
    Mark.REPLIED: (Mark.DELIVERED,),
    Mark.COMPLAINED: (Mark.DELIVERED,),
    Mark.UNDELIVERED: (Mark.SENT,),
    Mark.BOUNCED: (Mark.ACCEPTED,),
    Mark.DROPPED: (Mark.FAILED,),
    Mark.DEFERRED: (Mark.ACCEPTED,),
    Mark.UNSUBSCRIBED: (Mark.ACCEPTED,),
    Mark.RESUBSCRIBED: (Mark.ACCEPTED,),
    Mark.COMPLETED: (Mark.ANSWERED,),
    Mark.ANSWERED: (Mark.DELIVERED,),
    Mark.BUSY: (Mark.ACCEPTED,),
    Mark.NO_ANSWER: (Mark.ACCEPTED,),
    Mark.VOICEMAIL: (Mark.ANSWERED,),
    Mark.MACHINE: (Mark.ANSWERED,),
    Mark.DIGITS: (Mark.ANSWERED,),
}

WAITING = frozenset({Mark.QUEUED, Mark.HELD})
"""Phases in which nothing has left yet."""
UNANSWERED = frozenset({Mark.ACCEPTED, Mark.SENT})
"""A call with one of these waits or rings."""
SETTLED = frozenset(
    {
        Mark.ACCEPTED,
        Mark.SKIPPED,
        Mark.FAILED,
        Mark.UNDELIVERED,
        Mark.BOUNCED,
        Mark.COMPLAINED,
        Mark.CANCELED,
    }
)
"""Once one of these is reached the step that asked goes on."""
UNSUCCESSFUL = frozenset({Mark.FAILED, Mark.UNDELIVERED, Mark.BOUNCED, Mark.BUSY, Mark.NO_ANSWER})


class SkipReason(StrEnum):
    """Why nothing was sent; judged in this order, the first that applies is recorded."""

    SENDING_STOPPED = "sending_stopped"
    HOLDOUT = "holdout"
    NO_ADDRESS = "no_address"
    SUPPRESSED = "suppressed"
    UNSUBSCRIBED = "unsubscribed"
    NOT_OPTED_IN = "not_opted_in"
    EXPIRED = "expired"
    UNKNOWN_ZONE = "unknown_zone"
    LAW = "law"
    QUIET_HOURS = "quiet_hours"
    CAPPED = "capped"
    RENDER_FAILED = "render_failed"


class FailReason(StrEnum):
    """Why a send failed for good."""

    INVALID_ADDRESS = "invalid_address"
    BLOCKED = "blocked"
    CONTENT = "content"
    CONFIG = "config"
    PROVIDER_ERROR = "provider_error"
    UNKNOWN_OUTCOME = "unknown_outcome"


class HoldReason(StrEnum):
    """Why a delivery waits before it may leave."""

    PAUSED = "paused"
    QUIET_HOURS = "quiet_hours"
    LAW = "law"
    RATE = "rate"
    RETRY = "retry"


TEMPLATE_ONLY = "template_only"


class Priority(StrEnum):
    """The class a delivery is claimed in."""

    URGENT = "urgent"
    LIVE = "live"
    BULK = "bulk"


class Delivery(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One delivery. `(run, step, visit)` is unique: that is what makes it impossible to ask twice."""

    id: DeliveryId
    profile: ProfileId
    lane: int
    channel: Channel
    topic: str | None
    template: str | None = None
    text: str | None = None
    variables: Json = {}
    to: str | None = None
    """Where the step says so; none: the profile's own address on this channel at release."""
    sender: str | None = None
    form: str | None = None
    """`TEMPLATE_ONLY`: the provider said that a free text may not be sent now."""
    run: RunId | None = None
    journey: str | None = None
    version: int | None = None
    step: str | None = None
    visit: int = 1
    priority: Priority = Priority.LIVE
    held_out: bool = False
    context: Json = {}
    """`entry`, `run` and `event` as the step saw them: what the template renders from."""
    scrubbed: bool = False
    """Older than bodies are kept: `text`, `variables` and `context` are gone, and it cannot be rendered again."""
    concealed: bool = False
    """It has left, and what was sensitive in it is covered: it cannot be rendered again either."""
    is_renewed: bool = False
    """Asked for once more, as a day's allowance was used up."""
    asked_at: datetime
    """When the step was due by plan: `expires` counts from here."""
    due_at: datetime | None
    """When it may be released, is asked about or, a call that nobody has answered, is taken back; none: nothing is due."""
    expires_at: datetime | None = None
    rings_until: datetime | None = None
    """Of a call: when it has expired, or silence begins; unlike a text's the provider does not keep to it by itself."""
    automatic: bool = False
    """An answer that law or carriers ask for (HELP): no consent is needed for it."""
    phase: Mark = Mark.QUEUED
    """Where the next attempt stands: `queued`, `held`, `sending` or `unknown`. Any fact outweighs it."""
    marks: list[Mark] = msgspec.field(default_factory=list)
    status: Mark = Mark.QUEUED
    reason: str | None = None
    code: str | None = None
    rule: str | None = None
    provider: str | None = None
    provider_id: str | None = None
    address: str | None = None
    template_version: int | None = None
    """Of the template that was rendered: templates are not pinned, a run gets the newest."""
    segments: int | None = None
    soft: bool = False
    """It failed, and the address may be reached another time."""
    accepted_at: datetime | None = None
    place: datetime | None = None
    """Its place in its journey's queue for a sender with a rate: who has the earlier one goes first."""
    sending_at: datetime | None = None
    """Start of the attempt under way; with `lease` it says who may be calling the provider right now."""
    lease: str | None = None
    lease_until: datetime | None = None
    calls: int = 0
    """Calls made to the provider so far: names each attempt."""
    attempts: int = 0
    """Refused calls since the last unknown outcome: the exponent of the back-off."""
    first_call_at: datetime | None = None
    unknown_since: datetime | None = None

    def waits_for_release(self) -> bool:
        """Return whether nothing has left yet and it may still be cancelled for certain."""
        return self.status in WAITING

    def add(self, *marks: Mark) -> None:
        """Add facts and let the status follow."""
        for mark in marks:
            if mark not in self.marks:
                self.marks.append(mark)
        self.status = status_of(self.marks, self.channel, self.phase)
        if self.rings_until is not None and self.status not in UNANSWERED:
            self.due_at = None

    def reserve(
        self, worker: str, now: datetime, until: datetime, to: str, validity: timedelta | None
    ) -> None:
        """Let a worker call the provider about it until an instant of the machine's clock; the provider has `validity` from `now`."""
        self.stand(Mark.SENDING, None)
        self.reason = None
        self.lease, self.lease_until = worker, until
        self.sending_at = now
        self.first_call_at = self.first_call_at or now
        self.address = to
        self.calls += 1
        if self.channel is Channel.VOICE:
            self.rings_until = None if validity is None else now + validity

    def stand(self, phase: Mark, due_at: datetime | None) -> None:
        """Put the next attempt into a phase, due at an instant (none: nothing is due)."""
        self.phase, self.due_at = phase, due_at
        self.status = status_of(self.marks, self.channel, phase)

    def hold_until_renewed(self, cap: DailyCap, at: datetime, code: str | None) -> None:
        """Wait until the cap renews that refused it at `at`, or until it expires; then it is called as if asked for anew."""
        due = cap.renews_at(at)
        self.attempts, self.first_call_at, self.unknown_since = 0, None, None
        self.reason, self.code, self.rule = HoldReason.RATE, code, f"daily cap used up ({code})"
        self.stand(Mark.HELD, due if self.expires_at is None else min(due, self.expires_at))


def status_of(marks: Iterable[Mark], channel: Channel, phase: Mark = Mark.QUEUED) -> Mark:
    """Return the status that a set of facts gives: order-free, idempotent, total; without any, the phase."""
    seen = reached(marks)
    order = _CALL_ORDER if channel in _CALLED else _MESSAGE_ORDER
    for mark in order:
        if mark in seen:
            return mark
    return phase


ANSWERS = frozenset({Mark.OPENED, Mark.CLICKED, Mark.REPLIED, Mark.DIGITS})
"""What a person does with a message, as often as they like."""


def reached(marks: Iterable[Mark]) -> frozenset[Mark]:
    """Return the facts and everything they imply: a click implies opened, delivered, sent and accepted."""
    return _with_implied(frozenset(marks))


@lru_cache(maxsize=1024)  # a message asks twelve times, and a few dozen sets are all that there are
def _with_implied(marks: frozenset[Mark]) -> frozenset[Mark]:
    seen: set[Mark] = set()
    todo = list(marks)
    while todo:
        mark = todo.pop()
        if mark not in seen:
            seen.add(mark)
            todo.extend(_IMPLIES.get(mark, ()))
    return frozenset(seen)
