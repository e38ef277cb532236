"""Trigger: what brings people into a journey — the eight forms, exactly one of which a journey has."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from engage.domain.delivery.delivery import Channel
from engage.domain.expression import ExpressionError, Place, check_regex
from engage.domain.forms import (
    EventNames,
    Form,
    KebabName,
    PlainText,
    TraitName,
    expression_field,
    mistake,
)
from engage.domain.project_settings import Rate, WallTime, zone_name
from engage.domain.timing import Cron, CronError, cron_next, parse_cron, parse_instant_text

PERSON = "person"
"""The zone that is each person's own."""


class AudienceTrigger(Form):
    """Entering or leaving an audience."""

    entered: KebabName | None = None
    left: KebabName | None = None

    @model_validator(mode="before")
    @classmethod
    def _which_way(cls, data: Any) -> Any:
        if isinstance(data, str):
            raise mistake(
                "an audience trigger says which way",
                f"write `audience: {{entered: {data}}}` or `audience: {{left: {data}}}`",
            )
        return data

    @model_validator(mode="after")
    def _one(self) -> "AudienceTrigger":
        if (self.entered is None) == (self.left is None):
            raise mistake("an audience trigger is `{entered: name}` or `{left: name}`")
        return self


class TraitTrigger(Form):
    """A trait, computed ones too, takes another value: `entry` and `event` have `before` and `after`."""

    changed: TraitName


class DateTrigger(Form):
    """A day of the person's: its anniversary, or the day itself, at a time on their wall."""

    trait: TraitName
    every: Literal["year", "once"]
    time: WallTime = time(9)
    days_before: int = Field(default=0, ge=0, le=365)


class InboundTrigger(Form):
    """Somebody writes to one of our senders, a text that matches."""

    channel: Literal["sms", "mms", "whatsapp", "chat", "email"]
    matching: PlainText | None = None

    @model_validator(mode="after")
    def _readable(self) -> "InboundTrigger":
        if self.matching is not None:
            try:
                check_regex(self.matching)
            except ExpressionError as exc:
                raise mistake(exc.message, exc.hint) from exc
        return self

    _EVENTS: ClassVar[dict[str, str]] = {
        Channel.EMAIL: "Email Received",
        Channel.WHATSAPP: "WhatsApp Received",
        Channel.CHAT: "Chat Received",
    }

    @property
    def event(self) -> str:
        """The event as which such a text is written on the profile."""
        return self._EVENTS.get(self.channel, "SMS Received")


def _cron(value: object) -> Cron:
    if isinstance(value, Cron):
        return value
    if not isinstance(value, str):
        raise mistake("`cron` is text", 'write it in quotes: "0 9 * * mon"')
    try:
        return parse_cron(value)
    except CronError as exc:
        raise mistake(exc.message, exc.hint) from exc


def _zone(value: object) -> str:
    return PERSON if value == PERSON else zone_name(value)


def _moment(value: object) -> str:
    """Read an instant, or a day and time without an offset, which a zone then makes one."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and parse_instant_text(value, ZoneInfo("UTC")) is not None:
        return value
    raise mistake(
        f"`{value}` is no instant", "write `2026-11-27T09:00:00+01:00`, or with a `zone`: `2026-11-27 09:00`"
    )


class ScheduleTrigger(Form):
    """A clock: again and again (`cron`) or once (`at`), in one zone or in each person's own."""

    cron: Annotated[Cron, PlainValidator(_cron), WithJsonSchema({"type": "string"})] | None = None
    at: Annotated[str, PlainValidator(_moment), WithJsonSchema({"type": "string"})] | None = None
    zone: Annotated[str, PlainValidator(_zone), WithJsonSchema({"type": "string"})] | None = None
    audience: KebabName | None = None
    if_late: Literal["skip", "send"] = "skip"
    if_past: Literal["skip", "go_on"] = "skip"
    pace: Rate | None = None

    @model_validator(mode="before")
    @classmethod
    def _which_clock(cls, data: Any) -> Any:
        if isinstance(data, str):
            raise mistake("a schedule is a `cron` or an `at`", f'write `schedule: {{cron: "{data}"}}`')
        return data

    @model_validator(mode="after")
    def _one(self) -> "ScheduleTrigger":
        if (self.cron is None) == (self.at is None):
            raise mistake("a schedule has `cron` or `at`, and only one of them")
        if self.at is None:
            return self
        absolute = parse_instant_text(self.at) is not None
        if not absolute and self.zone is None:
            raise mistake(
                f"`{self.at}` is no instant without a zone",
                "add an offset (`…+01:00`) or `zone: Europe/Berlin` (or `person`) beside it",
            )
        if absolute and self.zone == PERSON:
            raise mistake(
                f"`{self.at}` is the same instant for everybody", "leave out its offset, or `zone: person`"
            )
        return self

    @property
    def per_person(self) -> bool:
        """Whether everybody has an instant of their own."""
        return self.zone == PERSON

    def zone_for(self, own: ZoneInfo, project: ZoneInfo) -> ZoneInfo:
        """Return the zone in which it is read: the person's own, the one it names, else the project's."""
        if self.zone is None:
            return project
        return own if self.per_person else ZoneInfo(self.zone)

    def next(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the first tick strictly after an instant, read in `zone`; None: there is none any more."""
        if self.cron is not None:
            return cron_next(self.cron, after, zone)
        instant = self.instant(zone)
        return instant if instant > after else None

    def instant(self, zone: ZoneInfo) -> datetime:
        """Return the instant of an `at`, read in `zone` where it has no offset of its own."""
        assert self.at is not None
        found = parse_instant_text(self.at) or parse_instant_text(self.at, zone)
        assert found is not None  # the form has read it once
        return found


class Trigger(Form):
    """What brings people in: exactly one of the eight forms."""

    FORMS: ClassVar[tuple[str, ...]] = (
        "event",
        "audience",
        "trait",
        "date",
        "schedule",
        "inbound",
        "signal",
        "api",
    )

    event: EventNames | None = None
    audience: AudienceTrigger | None = None
    trait: TraitTrigger | None = None
    date: DateTrigger | None = None
    schedule: ScheduleTrigger | None = None
    inbound: InboundTrigger | None = None
    signal: PlainText | None = None
    api: Literal[True] | None = None
    where: expression_field(Place.TRIGGER_WHERE) | None = None  # type: ignore[valid-type]  # built by a factory
    key: expression_field(Place.TRIGGER_WHERE) | None = None  # type: ignore[valid-type]  # built by a factory
    existing: Literal["include", "exclude"] = "exclude"
    pace: Rate | None = None
    people: expression_field(Place.PEOPLE) | None = None  # type: ignore[valid-type]  # built by a factory
    at_most: int | None = Field(default=None, ge=1, le=100_000)
    order: expression_field(Place.ORDER) | None = None  # type: ignore[valid-type]  # built by a factory

    @property
    def form(self) -> str:
        """Which of the eight it is."""
        return next(name for name in self.FORMS if getattr(self, name) is not None)

    @property
    def enters_many(self) -> bool:
        """Whether one tick or one signal enters many: what they are sent gives way to what single events cause."""
        return self.schedule is not None or self.signal is not None

    @classmethod
    def not_one(cls, forms: Sequence[str]) -> tuple[str, str]:
        """Return what to say, and what about it, to a trigger that has none of the forms or several."""
        every = ", ".join(f"`{name}`" for name in cls.FORMS)
        return f"a trigger is exactly one of {every}", f"this one has {' and '.join(forms)}" if forms else ""

    @model_validator(mode="before")
    @classmethod
    def _a_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            raise mistake("a trigger says what brings people in", f"write `trigger: {{event: {data}}}`")
        return data

    @model_validator(mode="after")
    def _exactly_one(self) -> "Trigger":
        forms = [name for name in self.FORMS if getattr(self, name) is not None]
        if len(forms) != 1:
            raise mistake(*self.not_one(forms))
        self._fits(
            "where", ("event", "trait", "inbound", "signal"), "looks at an event", "use `entry: {where: …}`"
        )
        self._fits(
            "pace",
            ("audience", "signal"),
            "stands beside `audience` or `signal`",
            "a schedule has it inside: `schedule: {…, pace: …}`",
        )
        for name in ("people", "at_most", "order"):
            self._fits(name, ("signal",), "belongs to a `signal`", "it says whom the signal is about")
        if self.existing == "include" and self.audience is None:
            raise mistake("`existing` belongs to an `audience` trigger")
        if self.signal is not None and self.people is None:
            raise mistake(
                "a signal is about nobody in particular",
                "say whom it enters: `people: entry.sku in values('Stock Requested', 'sku')`",
            )
        return self

    def _fits(self, name: str, forms: tuple[str, ...], what: str, hint: str) -> None:
        value: Any = getattr(self, name)
        if value is not None and self.form not in forms:
            raise mistake(f"`{name}` {what}; this trigger is `{self.form}`", hint)

    @property
    def default_reentry(self) -> timedelta | None:
        """How long somebody must wait before the next entry where the journey does not say: none is never."""
        again = self.api or (self.schedule is not None and self.schedule.cron is not None)
        again = again or (self.date is not None and self.date.every == "year")
        return timedelta(0) if again else None
