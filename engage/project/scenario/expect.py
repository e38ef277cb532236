"""What a scenario expects: every part is optional, what is not named is not checked."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from engage.domain.delivery.delivery import Channel, Mark, SkipReason
from engage.domain.forms import ChannelField, mistake
from engage.project.scenario.values import Count, Flag, Json, Label, Moment, Part, People, Person


class AudienceExpected(Part):
    """Who is inside and who is not (subsets), and how many are."""

    in_: People = Field(default=(), alias="in")
    out: People = ()
    count: Count | None = None


def _total_or_reasons(value: object) -> object:
    return {"": value} if isinstance(value, int) and not isinstance(value, bool) else value


class RunsExpected(Part):
    """Counts of a journey's runs; `ended` by reason, the total under the empty text."""

    active: Count | None = None
    entries: Count | None = None
    ended: Annotated[
        dict[str, Count],
        BeforeValidator(_total_or_reasons),
        WithJsonSchema(
            {"anyOf": [{"type": "integer"}, {"type": "object", "additionalProperties": {"type": "integer"}}]}
        ),
    ] = {}


class SentExpected(Part):
    """Deliveries the provider accepted: how many in all, to whom, from which step, on which channel."""

    count: Count | None = None
    to: dict[Person, Count] = {}
    step: dict[str, Count] = {}
    channel: dict[ChannelField, Count] = {}
    journey: dict[str, Count] = {}
    template: dict[str, Count] = {}


class MessageExpected(Part):
    """One delivery; only the keys that are given have to match."""

    to: Person | None = None
    channel: ChannelField | None = None
    address: Label | None = None
    subject: Label | None = None
    body: Label | None = None
    contains: Label | None = None
    template: str | None = None
    step: Label | None = None
    journey: str | None = None
    at: Moment | None = None


class SkipExpected(MessageExpected):
    """One delivery that was refused, with its reason."""

    reason: SkipReason | None = None
    rule: Label | None = None


class FailureExpected(MessageExpected):
    """One delivery that failed for good, with the provider's code."""

    code: Label | None = None
    reason: Label | None = None
    status: Literal["failed", "undelivered", "bounced", "busy", "no_answer"] | None = None


class DeliveryNamed(Part):
    """A delivery named by person, step and journey; `n` counts from 1, none: the last."""

    step: Label | None = None
    to: Person | None = None
    journey: str | None = None
    channel: Channel | None = None
    n: Annotated[int, Field(ge=1, strict=True)] | None = None


class StatusExpected(Part):
    """The current status of one delivery, exactly."""

    of: DeliveryNamed
    is_: Mark = Field(alias="is")


class CallExpected(Part):
    """One call of a `webhook` or `handoff` step: the keys that are given, as they were sent."""

    keys: Json


def _call(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise mistake("an expected call is a mapping", "for instance `{url: …, body: {…}}`")
    return {"keys": value}


CallField = Annotated[CallExpected, BeforeValidator(_call), WithJsonSchema({"type": "object"})]


def _place(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    places = value if isinstance(value, list) else [value]
    if not all(isinstance(place, str | int) and not isinstance(place, bool) for place in places):
        raise mistake("a place is the id of a step, a list of them, or `null` for no run")
    return tuple(str(place) for place in places)


PlaceField = Annotated[
    tuple[str, ...], BeforeValidator(_place), WithJsonSchema({"type": ["string", "array", "null"]})
]

ConsentExpected = dict[Person, dict[ChannelField, dict[str, Flag]]]


class Expected(Part):
    """All named parts must hold. Lists of deliveries are exact, since the start, in order of time, person, step."""

    audiences: dict[str, AudienceExpected] = {}
    traits: dict[Person, dict[str, Any]] = {}
    runs: dict[str, RunsExpected] = {}
    at_step: dict[Person, dict[str, PlaceField]] = {}
    """Empty: no run of that journey."""
    sent: SentExpected | None = None
    messages: tuple[MessageExpected, ...] | None = None
    skipped: tuple[SkipExpected, ...] | None = None
    failed: tuple[FailureExpected, ...] | None = None
    status: tuple[StatusExpected, ...] = ()
    webhooks: tuple[CallField, ...] | None = None
    handoffs: tuple[CallField, ...] | None = None
    subscribed: ConsentExpected = {}
    events: dict[Person, dict[str, Count]] = {}
    same_person: Annotated[tuple[Person, ...], Field(min_length=2)] | None = None
