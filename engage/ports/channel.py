"""Channels: how a delivery leaves, what a provider may answer, and how its webhooks become facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from engage.domain.delivery.daily_cap import DailyCap
from engage.domain.delivery.delivery import Channel, FailReason
from engage.domain.fact import Inbound, Receipt
from engage.domain.ids import DeliveryId


@dataclass(frozen=True, kw_only=True, slots=True)
class SmsContent:
    """The text of an SMS or MMS, rendered."""

    body: str
    media: tuple[str, ...] = ()
    smart_encoding: bool = False
    """The provider is to replace look-alikes by plain characters; `segments` counts on it."""
    segments: int = 1
    """What carriers and providers count: parts of an SMS; pictures count as one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A file of a mail."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class WhatsappContent:
    """An approved template: what may be sent outside the 24-hour window."""

    content_sid: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EmailContent:
    """A mail, rendered. `headers` holds ours (List-Unsubscribe …), already free of CR and LF."""

    subject: str
    html: str | None
    text: str
    from_address: str | None = None
    from_name: str | None = None
    reply_to: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    opens: bool | None = None
    """Whether the provider counts opens; none: as the account is set up. `clicks` likewise."""
    clicks: bool | None = None
    pool: str | None = None
    """The provider's pool of sending addresses."""
    unsubscribe_group: int | None = None
    """The provider's own unsubscribe group: it then writes the header itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceContent:
    """A call as a TwiML document (at most 4,000 characters, Twilio's limit for inline TwiML)."""

    twiml: str
    machine: str = "off"
    """`off`, `detect` or `voicemail` (waits for the beep)."""
    ring_seconds: int | None = None
    """How long to let it ring; none: the provider's 60 seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookContent:
    """A request to a system of the project's. Repeating it is safe by contract: each attempt carries the same key."""

    url: str
    method: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    timeout: timedelta | None = None
    secrets: frozenset[str] = frozenset()
    """Names of secrets that stand in headers and body (`engage.domain.journey.walk.SECRET_MARKS` around each)."""
    allow: frozenset[str] = frozenset()
    """Hosts that may be called although their address is private (`settings.webhooks.allow`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncContent:
    """A profile for another system."""

    destination: str
    traits: Mapping[str, Any]
    identifiers: Mapping[str, str]
    """The newest of each kind; `id` is the profile's own."""
    values: Mapping[str, Any] = field(default_factory=dict)
    journey: str | None = None
    step: str | None = None
    run: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HandoffContent:
    """A conversation for an agent."""

    target: str
    workflow: str | None
    attributes: Mapping[str, Any]
    withdraws: DeliveryId | None = None
    """Not a new one: the hand-off to take back, unless an agent has it already; or a call that nobody has answered."""
    withdrawn_call: str | None = None
    """The provider's id of that call."""
    identifiers: Mapping[str, str]


CallContent = WebhookContent | SyncContent | HandoffContent
Content = SmsContent | WhatsappContent | EmailContent | VoiceContent | CallContent


@dataclass(frozen=True, kw_only=True, slots=True)
class Outbound:
    """One delivery ready to leave: everything a channel needs, nothing it must look up."""

    delivery: DeliveryId
    lane: int
    channel: Channel
    to: str
    content: Content
    sender: str | None = None
    """A messaging service, number or address; none: the channel's default from the settings."""
    validity: timedelta | None = None
    """How long the provider may go on trying."""
    look_up: bool = False
    """Ask first whether the number takes texts at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The provider took it and gave it an id."""

    provider_id: str
    segments: int | None = None
    answer: Mapping[str, Any] | None = None
    """`status` and `body`, of a webhook."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Busy:
    """Refused before it was taken (429, connect refused): repeating is safe."""

    retry_after: timedelta | None = None
    code: str | None = None
    slows: bool = False
    """The provider says that its sender goes too fast: its rate is lowered for a while."""
    cap: DailyCap | None = None
    """The provider says that a day's allowance is used up: repeating is useless before it renews."""
    answer: Mapping[str, Any] | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """Refused for good, by the provider's table."""

    reason: FailReason
    code: str
    suppress: bool = False
    """The address is permanently invalid on this channel."""
    opt_out: bool = False
    """The provider says the person opted out (Twilio 21610): a STOP."""
    answer: Mapping[str, Any] | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """The request left and no clear answer came (5xx, time-out): it may or may not have been taken."""

    code: str | None = None
    detail: str = ""


Answer = Accepted | Busy | Rejected | Unknown


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A delivery whose outcome is unknown, as far as the provider may be asked about it."""

    delivery: DeliveryId
    channel: Channel
    to: str
    called_at: datetime
    known_ids: frozenset[str]
    """Provider ids at this address that are already ours: never the answer."""
    sender: str | None = None
    """What the step was to be sent as, where it said so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """The provider has it."""

    provider_id: str


class NotTaken:
    """The provider proves it has not got it."""


class CannotSay:
    """The provider can't tell (yet)."""


class Sender(Protocol):
    """Sends one channel through one provider. Thread-safe; up to 75 calls are in flight at once.

    Connections are kept between calls; every call has a time-out; nothing is ever repeated inside.
    """

    provider: str

    def send(self, outbound: Outbound) -> Answer:
        """Call the provider once and say what became of it. Never raises for anything a provider can do."""
        ...

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """Ask the provider whether it took a delivery whose outcome we do not know."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """Something that the provider took, as far as it may be asked how that fares."""

    delivery: DeliveryId
    provider_id: str
    asked_at: datetime
    """When it is asked."""
    sender: str | None = None
    """What the step was to be sent as, where it said so."""
    to: str | None = None
    """Where it went."""


@runtime_checkable
class TellingSender(Sender, Protocol):
    """A sender whose provider can be asked how something it took fares."""

    def fate(self, sent: Sent) -> Sequence[Receipt] | None:
        """Return what the callback about its end says, under the same `receipt_id`; nothing where it has none yet, or none any more.

        None: the provider does not answer now. Never raises for anything a provider can do.
        """
        ...


class CodeVerdict(StrEnum):
    """What a provider that makes codes says of one that somebody gave."""

    RIGHT = "right"
    WRONG = "wrong"
    OVER = "over"
    """There is none to give any more: it was given already, or is too old."""
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class CodeChecker(Protocol):
    """Knows whether a code is the one that a delivery brought. Thread-safe."""

    def check(self, sender: str | None, provider_id: str, code: str) -> CodeVerdict:
        """Ask about the code of the delivery with this sender and provider's id. Never raises for what a provider can do."""
        ...


class Rooms(Protocol):
    """Rooms to meet in by video. Thread-safe."""

    def enter(self, room: str, reference: str) -> str | None:
        """Make sure that the room is there, and return an address that lets one person in; None: not now.

        `reference` is what the room's events call this person.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedRequest:
    """A webhook as it came in: raw, because signatures cover bytes."""

    method: str
    url: str
    """The public URL: configured base + raw path and query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    received_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Adrift:
    """What happened to a message of which only the provider's own id is told: our reference did not come along."""

    channel: Channel
    address: str | None
    """None: it does not say, and of a chat the id alone says whose it is."""
    provider_ids: frozenset[str]
    """One of them may be the id that the provider gave us when it took the message."""
    receipts: Sequence[Receipt]
    """Their `delivery` is not known yet."""
    raw: bytes
    shared: bool = False
    """Others write there too, so that what is about no delivery of ours is no mistake, and kept nowhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What a webhook told us. `twiml` is the document to answer with, where the provider expects one."""

    receipts: Sequence[tuple[int, Receipt]] = ()
    """(lane, receipt)"""
    inbound: Sequence[Inbound] = ()
    adrift: Sequence[Adrift] = ()
    quarantined: Sequence[tuple[str, bytes]] = ()
    """(reason, raw) of parts that say nothing we understand."""
    twiml: str | None = None


class Webhook(Protocol):
    """Verifies and reads one provider's webhook."""

    path: str
    """Below `/webhooks/`, e.g. `twilio/status`."""

    def verify(self, request: SignedRequest) -> bool:
        """Return whether the signature over the raw request is good. Never raises; constant-time compare."""
        ...

    def read(self, request: SignedRequest) -> Heard:
        """Return what a verified request says. One bad part never loses its neighbours."""
        ...
