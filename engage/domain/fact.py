"""Facts: everything that happened, as it lies in the inbox, before anybody has decided anything about it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from engage.domain.delivery.daily_cap import DailyCap
from engage.domain.ids import DeliveryId, ProfileId, RunId

Json = dict[str, Any]


class Kind(StrEnum):
    """The six calls of Segment's wire."""

    IDENTIFY = "identify"
    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"


class Identifier(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One name of a person: `kind` is `user_id`, `email`, `phone`, `anonymous_id` or one of the project's own."""

    kind: str
    value: str


class SubscriptionWish(msgspec.Struct, frozen=True, omit_defaults=True):
    """A consent change carried by a fact; `topic` none means every topic of the channel."""

    channel: str
    state: str
    topic: str | None = None
    address: str | None = None


class Call(msgspec.Struct, frozen=True, tag="call", omit_defaults=True, kw_only=True):
    """One Segment call, canonical: identifiers normalised, times corrected, nothing else interpreted."""

    kind: Kind
    message_id: str
    timestamp: datetime
    identifiers: tuple[Identifier, ...]
    unusable: tuple[str, ...] = ()
    """Kinds of identifiers it names with a value that cannot be one."""
    event: str | None = None
    properties: Json = {}
    traits: Json = {}
    context: Json = {}
    previous: Identifier | None = None
    group_id: str | None = None
    subscriptions: tuple[SubscriptionWish, ...] = ()
    source: str = ""
    browser: bool = False
    """Came by a public browser key: may not set consent nor change a known profile's e-mail or phone."""
    imported: bool = False
    """Came by /v1/import: history that triggers nothing."""


class Signal(msgspec.Struct, frozen=True, tag="signal", omit_defaults=True, kw_only=True):
    """An event without a person."""

    message_id: str
    event: str
    timestamp: datetime
    properties: Json = {}
    source: str = ""


class Start(msgspec.Struct, frozen=True, tag="start", omit_defaults=True, kw_only=True):
    """Somebody asked by API, by CLI or from another journey that a person enters a journey."""

    message_id: str
    journey: str
    person: Identifier
    run: RunId
    """The id the run gets if the person enters; answered to the caller before anything is decided."""
    entry: Json = {}
    key: str | None = None


class Outcome(msgspec.Struct, frozen=True, tag="outcome", omit_defaults=True, kw_only=True):
    """What became of one attempt to send: written by deliver and settle, in the transaction after the call."""

    delivery: DeliveryId
    profile: ProfileId
    mark: str
    at: datetime
    attempt: int = 0
    provider: str | None = None
    provider_id: str | None = None
    reason: str | None = None
    code: str | None = None
    address: str | None = None
    sender: str | None = None
    segments: int | None = None
    retry_at: datetime | None = None
    rule: str | None = None
    suppress: bool = False
    opt_out: bool = False
    slows: bool = False
    """The provider says that its sender goes too fast."""
    cap: DailyCap | None = None
    """The provider says that a day's allowance is used up."""
    detail: str | None = None
    answer: Json | None = None
    """`status` and `body` of the answer to a webhook."""


class Receipt(msgspec.Struct, frozen=True, tag="receipt", omit_defaults=True, kw_only=True):
    """One thing a provider told us about a delivery by webhook; `mark` is in our vocabulary."""

    delivery: DeliveryId
    mark: str
    at: datetime
    receipt_id: str
    """The provider's event id, or a composite of what makes the event itself."""
    provider: str
    provider_id: str | None = None
    code: str | None = None
    reason: str | None = None
    url: str | None = None
    link_id: str | None = None
    digits: str | None = None
    speech: str | None = None
    """What was said into a call instead of pressing digits."""
    choice: str | None = None
    """The branch of the call that was chosen by it."""
    answered_by: str | None = None
    duration: int | None = None
    machine: bool = False
    hard: bool = True
    suppress: bool = False
    """The provider says that the address is permanently invalid."""
    soft: bool = False
    """The address could not be reached now: too often in a row, and it is given up."""
    slows: bool = False
    """The provider says that its sender goes too fast."""
    cap: DailyCap | None = None
    """The provider says that a day's allowance is used up."""
    whole_channel: bool = False
    """The person said no (or yes again) to everything on the channel, not only to the topic of this delivery."""
    needs_template: bool = False
    """The provider says that only an approved template may be sent to this person now."""
    address: str | None = None


class Inbound(msgspec.Struct, frozen=True, tag="inbound", omit_defaults=True, kw_only=True):
    """Somebody wrote to one of our senders."""

    message_id: str
    channel: str
    sender: str
    """The person's address."""
    to: str
    body: str
    at: datetime
    media: tuple[str, ...] = ()
    subject: str | None = None
    keyword: str | None = None
    """`stop`, `start` or `help` where the text, or the provider, says so; the ledger already knows."""
    provider_replied: bool = False


class Members(msgspec.Struct, frozen=True, tag="members", omit_defaults=True, kw_only=True):
    """A manual audience changed for one person, by API, CSV, console or a journey's step."""

    message_id: str
    audience: str
    person: Identifier
    member: bool


class ConsentGiven(msgspec.Struct, frozen=True, tag="consent", omit_defaults=True, kw_only=True):
    """A consent change that is already in the ledger; digest only writes what follows from it."""

    message_id: str
    person: Identifier | None
    profile: ProfileId | None
    wish: SubscriptionWish
    source: str
    at: datetime
    imported: bool = False
    """Came from a file, and is in the ledger for the person too: rules follow it, and nothing is triggered."""


class Send(msgspec.Struct, frozen=True, tag="send", omit_defaults=True, kw_only=True):
    """One delivery asked for by API, outside every journey."""

    message_id: str
    delivery: DeliveryId
    channel: str
    person: Identifier | None = None
    to: str | None = None
    template: str | None = None
    text: str | None = None
    variables: Json = {}
    topic: str | None = None
    sender: str | None = None
    expires_at: datetime | None = None


class Wake(msgspec.Struct, frozen=True, tag="wake", omit_defaults=True, kw_only=True):
    """The project changed and this person must be looked at: backfill, resume, archive, migration, broadcast."""

    message_id: str
    profile: ProfileId
    cause: str
    """`backfill`, `resume`, `archive`, `include`, `schedule`, `migrate`."""
    name: str
    """The audience or journey concerned."""
    at: datetime | None = None
    entry: Json = {}


class Forget(msgspec.Struct, frozen=True, tag="forget", omit_defaults=True, kw_only=True):
    """Erase this person everywhere."""

    message_id: str
    person: Identifier
    by: str = ""
    """Who asked for it, for the audit trail."""


Fact = (
    Call | Signal | Start | Outcome | Receipt | Inbound | Members | ConsentGiven | Send | Wake | Forget
)  # every kind the inbox can hold


class NewFact(msgspec.Struct, frozen=True, kw_only=True):
    """A fact about to be stored. `(source, message_id)` is its identity: the second one is not stored."""

    lane: int
    source: str
    message_id: str
    received_at: datetime
    payload: bytes
    live: bool = True
    """False for imported history, which timers do not wait for."""


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stored fact; `seq` is the order of arrival within its lane."""

    seq: int
    lane: int
    received_at: datetime
    payload: bytes
    attempts: int = 0
    live: bool = True
    """False for imported history, which timers do not wait for."""


_decoder: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact, float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(fact: Fact) -> bytes:
    """Return the stored form of a fact; `decode(encode(f)) == f`."""
    return _encoder.encode(fact)


def decode(payload: bytes) -> Fact:
    """Return the fact that `payload` holds, numbers exact.

    Raises:
        msgspec.DecodeError: the bytes are no fact of ours (older or newer than this code, or damaged).
    """
    return _decoder.decode(payload)
