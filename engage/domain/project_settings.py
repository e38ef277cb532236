"""The house rules of a project: `journeys/settings.yaml` as a form, with the defaults of language.md §5."""

import re
from collections.abc import Mapping
from datetime import time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from engage.domain.consent.consent import Policy, family
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Identifier
from engage.domain.forms import ChannelField, DurationField, Form, KebabName, PlainText, mistake
from engage.domain.profile.sensitive import Sensitive


def wall_time(value: object) -> time:
    """Read `"09:00"`: a time on the wall, hours and minutes (and seconds)."""
    if isinstance(value, time):
        return value
    if not isinstance(value, str):
        raise mistake("a time of day is text", 'write it in quotes: "09:00"')
    found = re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d))?", value, re.ASCII)
    try:
        if found is not None:
            hours, minutes, seconds = (int(part or 0) for part in found.groups())
            return time(hours, minutes, seconds)
    except ValueError:
        pass  # an hour or a minute that no clock has
    raise mistake(f"`{value}` is not a time of day", 'write `"09:00"` or `"18:30"`')


def share(value: object) -> Decimal:
    """Read `5%` (or a bare number of per cent) as a fraction of one."""
    text = str(value).strip().removesuffix("%").strip() if not isinstance(value, bool) else "?"
    try:
        number = Decimal(text)
    except ArithmeticError as exc:
        raise mistake(f"`{value}` is not a share", "write `5%`") from exc
    if not number.is_finite() or not 0 <= number <= 100:
        raise mistake(f"`{value}` is not between 0% and 100%")
    if 0 < number < 1 and "%" not in str(value):
        meant = f"{(number * 100).normalize():f}%"
        raise mistake(f"`{value}` of what?", f"write `{meant}`, or `{number:f}%` if so little is meant")
    return number / 100


_PER = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


def rate(value: object) -> Decimal:
    """Read `10 per second` as a number per second."""
    words = str(value).split()
    try:
        number, unit = [word for word in words if word != "per"]
        result = Decimal(number) / _PER[unit]
    except (ValueError, ArithmeticError, KeyError) as exc:
        raise mistake(f"`{value}` is not a rate", "write `10 per second` or `600 per minute`") from exc
    if result <= 0:
        raise mistake("a rate is more than nothing")
    return result


def zone_name(value: object) -> str:
    """Read an IANA zone name and refuse what is none."""
    try:
        if isinstance(value, str) and value:
            ZoneInfo(value)
            return value
    except (KeyError, ValueError, OSError):
        pass
    raise mistake(f"`{value}` is not a time zone", "use an IANA name such as `Europe/Berlin`")


WallTime = Annotated[time, PlainValidator(wall_time), WithJsonSchema({"type": "string"})]
Share = Annotated[Decimal, PlainValidator(share), WithJsonSchema({"type": ["string", "number"]})]
Rate = Annotated[Decimal, PlainValidator(rate), WithJsonSchema({"type": "string"})]
ZoneName = Annotated[str, BeforeValidator(zone_name)]
TopicPolicy = Literal["opt_in", "opt_out", "double_opt_in"]


class TopicWords(Form):
    """What a topic is called on the preference page in another language."""

    title: PlainText = ""
    description: PlainText = ""


class Topic(Form):
    """What people may say yes or no to. A channel it does not name may not be used (mms follows sms)."""

    title: PlainText = ""
    description: PlainText = ""
    translations: dict[str, TopicWords] = {}
    transactional: bool = False
    urgent: bool = False
    duplicates: Literal["never_twice", "never_lost"] = "never_twice"
    email: TopicPolicy | None = None
    sms: TopicPolicy | None = None
    whatsapp: TopicPolicy | None = None
    voice: TopicPolicy | None = None
    chat: TopicPolicy | None = None
    unsubscribe_group: int | None = Field(default=None, ge=1)
    """The mail provider's own group of whoever said no to this topic: both say the same."""

    @property
    def asks_twice(self) -> bool:
        """Whether a yes to it waits for a second step on some channel."""
        return "double_opt_in" in (self.email, self.sms, self.whatsapp, self.voice, self.chat)

    def policy(self, channel: str) -> Policy:
        """Return what this topic asks for on `channel`."""
        named = {name: getattr(self, name) for name in ("email", "sms", "whatsapp", "voice", "chat")}
        asked = named[family(channel)]
        if self.transactional:
            return Policy.TRANSACTIONAL if asked or not any(named.values()) else Policy.NEVER
        return Policy(asked) if asked else Policy.NEVER


class QuietHoursForm(Form):
    """When these channels stay silent, on the person's wall clock; `from` inclusive, `to` exclusive."""

    from_: WallTime = Field(default=time(21), alias="from")
    to: WallTime = time(8)
    channels: tuple[ChannelField, ...] = (Channel.SMS, Channel.MMS, Channel.WHATSAPP, Channel.VOICE)
    on_quiet: Literal["hold", "skip"] = "hold"
    unknown_zone: Literal["project", "skip"] = "project"


class Cap(Form):
    """At most `limit` accepted, non-transactional sends per person in a rolling `per`."""

    channels: tuple[ChannelField, ...] | None = None
    topic: str | None = None
    limit: int = Field(ge=0)
    per: DurationField
    on_cap: Literal["skip", "hold"] = "skip"

    def covers(self, channel: Channel, topic: str | None) -> bool:
        """Return whether a send on `channel` for `topic` counts against this cap."""
        return (self.channels is None or channel in self.channels) and self.topic in (None, topic)


class SenderForm(Form):
    """Who we send as on one channel, and how fast (SMS: segments)."""

    messaging_service: PlainText | None = None
    number: PlainText | None = None
    address: PlainText | None = None
    name: PlainText | None = None
    rate: Rate | None = None


class SmsTexts(Form):
    """Texts that law or carriers ask for, and how texts are sent."""

    opt_out_text: PlainText | None = None
    help_text: PlainText | None = None
    smart_encoding: bool = False
    """The provider replaces look-alikes (curly quotes, long dashes) by plain ones, which cost fewer segments."""
    lookup: bool = False
    """Before the first text to a number the provider is asked whether it takes texts at all; a landline gets none."""


class MailTexts(Form):
    """Mail beside its templates."""

    unsubscribe: str | None = Field(default=None, pattern=r"^[^@\s<>?&]+@[^@\s<>?&]+$")
    """A mailbox that comes in through Inbound Parse: whoever writes to it by `List-Unsubscribe` says no to all mail."""


class Company(Form):
    """Who writes, as the law asks marketing to say; `engage check` looks for it in every message."""

    name: PlainText
    address: PlainText = ""
    """Postal, on one line."""


class Retention(Form):
    """How long things are kept."""

    events: DurationField = timedelta(days=400)
    bodies: DurationField = timedelta(days=90)
    decisions: DurationField = timedelta(days=90)


_LIMITS = {"user_id": 1}
_PRIORITIES = {"user_id": 1, "email": 2}


class IdentifierRule(Form):
    """How many values of one identifier a profile may have, and which identifier wins: the smaller number, then the
    alphabet. What is not said is as for every other: at most 1 user_id and 5 of any kind; user_id 1, email 2, others 3."""

    limit: int | None = Field(default=None, ge=1)
    priority: int | None = Field(default=None, ge=1)


_BLOCKED = frozenset({"-1", "null", "undefined", "anonymous"})
"""What programs send where they know nobody: it would make one person of all strangers (Segment suggests to block it)."""
_NOTHING = re.compile(r"[0-]{2,}")
"""Ids of nothing but zeros; a single 0 may be somebody's."""


class IdentityRules(Form):
    """Identity resolution: own identifiers and values that identify nobody, beside those that never do."""

    identifiers: dict[str, IdentifierRule] = {}
    blocked: tuple[str, ...] = ()

    def limit(self, kind: str) -> int:
        """Return how many identifiers of a kind one profile may have."""
        rule = self.identifiers.get(kind)
        if rule is not None and rule.limit is not None:
            return rule.limit
        return _LIMITS.get(kind, 5)

    def priority(self, kind: str) -> tuple[int, str]:
        """Return a kind's rank: the smallest goes first, the largest is given up first."""
        rule = self.identifiers.get(kind)
        given = rule.priority if rule is not None else None
        return (_PRIORITIES.get(kind, 3) if given is None else given, kind)

    def blocks(self, identifier: Identifier) -> bool:
        """Return whether an identifier's value names nobody; addresses are compared in lower case."""
        return identifier.value in self._blocked or _NOTHING.fullmatch(identifier.value) is not None

    @cached_property
    def _blocked(self) -> frozenset[str]:
        return _BLOCKED | frozenset(self.blocked) | {value.lower() for value in self.blocked if "@" in value}


def colour(value: object) -> str:
    """Read `#2446d8`."""
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return value.lower()
    raise mistake(f"`{value}` is not a colour", 'write six digits: "#2446d8"')


def web_address(value: object) -> str:
    """Read an https address."""
    if isinstance(value, str) and re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d+)?(/[^\s\"'<>]*)?", value):
        return value
    raise mistake(f"`{value}` is not an address of the web", "write `https://shop.example/logo.png`")


class PagesForm(Form):
    """How the pages behind our links look: preferences, unsubscribe, confirmation."""

    name: PlainText = ""
    logo: Annotated[str, BeforeValidator(web_address)] | None = None
    home: Annotated[str, BeforeValidator(web_address)] | None = None
    accent: Annotated[str, BeforeValidator(colour)] = "#2446d8"
    footer: PlainText = ""

    @property
    def on_accent(self) -> str:
        """Black or white, whichever is read more easily on the accent: one of the two always has a contrast of 4.5 or more."""
        channels = [int(self.accent[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        # Relative luminance, WCAG 2.2; above this one black is the better of the two.
        return (
            "#000000" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 else "#ffffff"
        )


def language(value: str) -> str:
    """Read `en` or `fr-CA`."""
    if re.fullmatch(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*", value):
        return value
    raise mistake(f"`{value}` is no language", "write its code: `en`, `de`, `fr-CA`")


def country(value: str) -> str:
    """Read `US`."""
    if re.fullmatch(r"[A-Z]{2}", value):
        return value
    raise mistake(f"`{value}` is no country", "write its two letters: `US`, `GB`, `DE`")


def host(value: str) -> str:
    """Read the name or number of a host, as it stands in an address."""
    if re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", value):
        return value
    raise mistake(f"`{value}` is no host", "write its name alone: `hooks.partner.example`")


def path_of_value(value: str) -> str:
    """Read `Passcode Requested.passcode` or `profile.password`."""
    if "." in value.strip("."):
        return value
    raise mistake(
        f"`{value}` names no value", f"write `profile.{value}`, or the event before it: `Signed Up.{value}`"
    )


class WebhookRules(Form):
    """Hosts the `webhook` step may call."""

    allow: tuple[Annotated[PlainText, AfterValidator(host)], ...] = ()


class Prices(Form):
    """What one message costs, for the forecast of `engage plan`: a channel without a price is left out of the sum."""

    currency: PlainText = "USD"
    email: Decimal | None = Field(default=None, ge=0)
    sms: Decimal | None = Field(default=None, ge=0)
    mms: Decimal | None = Field(default=None, ge=0)
    whatsapp: Decimal | None = Field(default=None, ge=0)
    voice: Decimal | None = Field(default=None, ge=0)
    chat: Decimal | None = Field(default=None, ge=0)

    def of(self, counts: Mapping[str, int]) -> Decimal | None:
        """Return what so many messages per channel cost; None where no channel among them has a price."""
        known = {channel: getattr(self, channel, None) for channel in counts}
        priced = [price * counts[channel] for channel, price in known.items() if price is not None]
        return sum(priced, Decimal(0)) if priced else None


class ProjectSettings(Form):
    """`journeys/settings.yaml`. Absent parts have the defaults of language.md §5."""

    timezone: ZoneName = "UTC"
    locale: Annotated[PlainText, AfterValidator(language)] = "en"
    region: Annotated[PlainText, AfterValidator(country)] = "US"
    late_events: DurationField = timedelta(hours=24)
    law: tuple[str, ...] = ()
    """Rule packs that are kept, whatever a journey says: built-in (`us ca eu fr`) or of `journeys/law/`."""
    company: Company | None = None
    topics: dict[KebabName, Topic] = {}
    quiet_hours: QuietHoursForm | None = QuietHoursForm()
    caps: tuple[Cap, ...] = ()
    senders: dict[ChannelField, SenderForm] = {}
    sms: SmsTexts = SmsTexts()
    mail: MailTexts = MailTexts()
    global_holdout: Share = Decimal(0)
    retention: Retention = Retention()
    prices: Prices = Prices()
    sensitive: tuple[Annotated[PlainText, AfterValidator(path_of_value)], ...] = ()
    webhooks: WebhookRules = WebhookRules()
    pages: PagesForm = PagesForm()
    identity: IdentityRules = IdentityRules()

    @model_validator(mode="before")
    @classmethod
    def _quiet_hours_off(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("quiet_hours") in ("off", False):
            return {**data, "quiet_hours": None}
        return data

    @cached_property
    def zone(self) -> ZoneInfo:
        """The project's zone."""
        return ZoneInfo(self.timezone)

    @cached_property
    def covered(self) -> Sensitive:
        """What must not be kept readable."""
        return Sensitive(self.sensitive)

    def policy(self, channel: str, topic: str | None) -> Policy:
        """Return what a send on `channel` for `topic` needs; without topics everything is opt-out."""
        if not self.topics:
            return Policy.OPT_OUT
        if topic is None or topic not in self.topics:
            return Policy.NEVER
        return self.topics[topic].policy(channel)

    def opted_into(self, channel: str) -> list[str]:
        """Return the topics that need a yes on `channel`."""
        asking = (Policy.OPT_IN, Policy.DOUBLE_OPT_IN)
        return [topic for topic in self.topics if self.policy(channel, topic) in asking]

    def is_transactional(self, topic: str | None) -> bool:
        """Return whether the topic waives opt-in, caps and holdout."""
        return topic is not None and topic in self.topics and self.topics[topic].transactional

    def is_urgent(self, topic: str | None) -> bool:
        """Return whether the topic has its own queue and waives quiet hours."""
        return topic is not None and topic in self.topics and self.topics[topic].urgent

    def never_lost(self, topic: str | None) -> bool:
        """Return whether an unknown outcome is, at the very last, sent again."""
        return topic is not None and topic in self.topics and self.topics[topic].duplicates == "never_lost"
