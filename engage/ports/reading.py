"""Reading: what faces show and never decide on: one person's page, numbers of journeys, queues, lists.

Every answer is read in a transaction of its own, is bounded, and may be a moment old. Lists are paged: a page names
the cursor of the next one, opaque and stable while rows come in; `next` none means the end. Newest first. A cursor that
no page ever named raises CursorError.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import msgspec

from engage.domain.decision import Decision
from engage.domain.delivery.delivery import Delivery
from engage.domain.errors import EngageError
from engage.domain.fact import Identifier, Send
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event, Profile
from engage.domain.turn.changes import Origin, Quarantined, ReceiptRow
from engage.ports.auditing import Auditing

Item = TypeVar("Item")

PAGE = 50
"""Items of a page when nobody says otherwise."""


class CursorError(EngageError):
    """A text was given as a cursor that no page named."""


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """Some items of a list, and where the next ones begin."""

    items: Sequence[Item]
    next: str | None = None


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is in an audience."""

    audience: str
    since: datetime


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """The present state of one consent; `address` none: the person's own, whatever the address."""

    channel: str
    topic: str
    state: str
    at: datetime
    source: str
    address: str | None = None


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """An address that must not be used on a channel."""

    channel: str
    address: str
    reason: str
    at: datetime
    source: str


class DeliverySeen(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery with what providers told about it, oldest first."""

    delivery: Delivery
    receipts: Sequence[ReceiptRow]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The wish for a delivery that is stored, and that the workers have not taken up yet."""

    send: Send
    at: datetime


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in an audience, by all their identifiers."""

    profile: ProfileId
    identifiers: Sequence[Identifier]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A fact in quarantine."""

    id: int
    fact: Quarantined


class Counts(msgspec.Struct, kw_only=True):
    """Numbers of deliveries by how far they got: one that was clicked also counts as opened, delivered and sent.

    `entered` are runs of a journey, or of a channel the deliveries that were asked for. `failed` are the deliveries
    whose status is an end without success after the call: failed, undelivered, bounced, busy, no_answer.
    """

    entered: int = 0
    sent: int = 0
    delivered: int = 0
    opened: int = 0
    clicked: int = 0
    replied: int = 0
    failed: int = 0
    skipped: dict[str, int] = msgspec.field(default_factory=dict)
    unknown: int = 0


class Totals(msgspec.Struct, kw_only=True):
    """Numbers of everything, by journey and by channel."""

    journeys: dict[str, Counts] = msgspec.field(default_factory=dict)
    channels: dict[str, Counts] = msgspec.field(default_factory=dict)


class StepNumbers(msgspec.Struct, kw_only=True):
    """How many runs of one version came to a step, wait at it now, and left it.

    Visits are kept by a step's id and the place of a run by its position: a step that has a written id has two rows,
    which whoever knows the definition adds up.
    """

    version: int
    step: str
    entered: int = 0
    waiting: int = 0

    @property
    def left(self) -> int:
        """Runs that were there and are not any more."""
        return self.entered - self.waiting


class StatusCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries have a status, for a reason."""

    channel: str
    status: str
    reason: str | None
    count: int


class JourneyNumbers(msgspec.Struct, kw_only=True):
    """The numbers of one journey."""

    funnel: list[StepNumbers] = msgspec.field(default_factory=list)
    active: dict[int, int] = msgspec.field(default_factory=dict)
    """Active runs by version."""
    ended: dict[str, int] = msgspec.field(default_factory=dict)
    """Ended runs by reason."""
    goals: int = 0
    """Runs that reached the goal."""
    deliveries: list[StatusCount] = msgspec.field(default_factory=list)


class PersonReading(Protocol):
    """One person's page."""

    def find(self, identifier: Identifier) -> ProfileId | None:
        """Return whom an identifier names."""
        ...

    def survivor(self, profile: ProfileId) -> ProfileId:
        """Return the profile that a merged one became part of; any other is its own."""
        ...

    def profile(self, profile: ProfileId) -> Profile | None:
        """Return a profile with its identifiers."""
        ...

    def origins(self, profile: ProfileId) -> dict[Identifier, Origin]:
        """Return where a person's identifiers came from, in the order in which they came; what is not known any more is left out."""
        ...

    def sources(self, messages: Collection[str], among: Collection[str]) -> dict[str, str]:
        """Return by which of these sources messages came, of those that are still known."""
        ...

    def audiences(self, profile: ProfileId) -> list[Membership]:
        """Return the audiences a person is in, by name."""
        ...

    def consents(self, profile: ProfileId, addresses: Sequence[str] = ()) -> list[Subscription]:
        """Return the present consents of a person and of these addresses."""
        ...

    def suppressions(self, addresses: Sequence[str]) -> list[Suppression]:
        """Return which of these addresses must not be used."""
        ...

    def runs(self, profile: ProfileId, after: str | None = None, limit: int = PAGE) -> Page[Run]:
        """Return a person's runs, newest entry first."""
        ...

    def deliveries(
        self, profile: ProfileId, after: str | None = None, limit: int = PAGE
    ) -> Page[DeliverySeen]:
        """Return a person's deliveries, last asked first."""
        ...

    def decisions(self, profile: ProfileId, after: str | None = None, limit: int = PAGE) -> Page[Decision]:
        """Return what was decided about a person, last first."""
        ...

    def events(self, profile: ProfileId, after: str | None = None, limit: int = PAGE) -> Page[Event]:
        """Return what happened to a person, last first; reserved names that came from outside too."""
        ...


class ProjectReading(Protocol):
    """Lists and numbers of the whole project."""

    def delivery(self, delivery: DeliveryId) -> DeliverySeen | None:
        """Return one delivery."""
        ...

    def asked(self, source: str, message_id: str) -> Asked | None:
        """Return a wish that waits to be digested; None if nobody told it, or it is digested. Looks through all that waits."""
        ...

    def recent_deliveries(self, after: str | None = None, limit: int = PAGE) -> Page[DeliverySeen]:
        """Return everybody's deliveries, newest id first."""
        ...

    def unknown_deliveries(self, after: str | None = None, limit: int = PAGE) -> Page[Delivery]:
        """Return deliveries whose outcome is unknown, the longest due question first."""
        ...

    def quarantine(self, after: str | None = None, limit: int = PAGE) -> Page[Kept]:
        """Return facts that could not be taken, newest first."""
        ...

    def quarantine_reasons(self) -> dict[str, int]:
        """Return how many facts could not be taken, by why."""
        ...

    def audience_size(self, audience: str) -> int:
        """Return how many people are in an audience."""
        ...

    def members(self, audience: str, after: str | None = None, limit: int = PAGE) -> Page[Member]:
        """Return people in an audience, in the order of their ids."""
        ...

    def journey(self, journey: str) -> JourneyNumbers:
        """Return the numbers of one journey. Reads all its runs: seconds, where there are millions."""
        ...

    def entered_since(self, journey: str, since: datetime) -> int:
        """Return how many runs of a journey began at `since` or later. Reads all its runs."""
        ...

    def did_since(self, names: Sequence[str], since: datetime) -> int:
        """Return how many people did one of these events (`Prefix*` too) at `since` or later. Reads every event since."""
        ...

    def totals(self) -> Totals:
        """Return the numbers of everything. Reads all runs and deliveries: seconds, where there are millions."""
        ...

    def queues(self, now: datetime) -> dict[str, float]:
        """Return what waits and for how long: `inbox`, `timers_due`, `deliveries_due`, `sending`, `unknown`,
        `quarantine`, `jobs`, `deliveries_later` (held, or due later) and `active_runs` count up to `COUNTED`;
        `…_oldest_seconds` tell the lag of the first three; `epoch` counts publications."""
        ...

    def lags(self, now: datetime) -> dict[int, float]:
        """Return the age in seconds of the oldest fact of each lane that has one."""
        ...

    def untimed(self) -> dict[tuple[str, int, str | None], int]:
        """Return active runs that no timer wakes, by (journey, version, step): whether the step waits for something
        named, only the definition knows. Reads all active runs."""
        ...

    def is_idle(self, now: datetime) -> bool:
        """Return whether nothing is left to do at `now`: no fact, due timer, due, leaving or unknown delivery, or job."""
        ...

    def any_delivered(self) -> bool:
        """Return whether any delivery was delivered, or answered."""
        ...


class Reading(PersonReading, ProjectReading, Auditing, Protocol):
    """Everything faces read."""


COUNTED = 100_000
"""Queues longer than this are counted no further."""
