"""The items of a timeline: one class a verb, the verb's key is the alias of the class's main field."""

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema, model_validator

from engage.domain.forms import ChannelField, mistake
from engage.project.scenario.expect import DeliveryNamed, Expected
from engage.project.scenario.values import (
    AnswerField,
    Flag,
    Json,
    Label,
    Moment,
    OwnMoment,
    Part,
    People,
    Person,
    ProviderName,
    ReceiptWord,
    Words,
    _several,
)

DeliveryRef = DeliveryNamed


class Item(Part):
    """One thing that happens, or is expected, at one instant (UTC)."""

    verb: ClassVar[str]
    at: Moment
    _line: int = PrivateAttr(default=0)

    @property
    def line(self) -> int:
        """The line of the file it was written on."""
        return self._line


class _Call(Item):
    """A call of Segment's wire."""

    message_id: Label | None = Field(default=None, alias="id")
    timestamp: OwnMoment = None


class Identify(_Call):
    """`identify: ada, traits: {…}`"""

    verb: ClassVar[str] = "identify"
    person: Person = Field(alias="identify")
    traits: Json = {}


class Track(_Call):
    """`track: ada, event: Name, properties: {…}`"""

    verb: ClassVar[str] = "track"
    person: Person = Field(alias="track")
    event: Annotated[str, Field(min_length=1)]
    properties: Json = {}


class Page(_Call):
    """`page: ada, name: Pricing, properties: {…}`"""

    verb: ClassVar[str] = "page"
    person: Person = Field(alias="page")
    name: str | None = None
    properties: Json = {}


class Screen(_Call):
    """`screen: ada, name: Home, properties: {…}`"""

    verb: ClassVar[str] = "screen"
    person: Person = Field(alias="screen")
    name: str | None = None
    properties: Json = {}


class Group(_Call):
    """`group: ada, group_id: g, traits: {…}`"""

    verb: ClassVar[str] = "group"
    person: Person = Field(alias="group")
    group_id: Label
    traits: Json = {}


class Alias(_Call):
    """`alias: ada, previous: anon-1`"""

    verb: ClassVar[str] = "alias"
    person: Person = Field(alias="alias")
    previous: Person


class SignalItem(_Call):
    """`signal: Product Restocked, properties: {…}`: an event without a person."""

    verb: ClassVar[str] = "signal"
    event: Annotated[str, Field(alias="signal", min_length=1)]
    properties: Json = {}


class SubscribeItem(Item):
    """`subscribe: ada, channel: sms, topic: promotions`; without a topic: every topic of the channel."""

    verb: ClassVar[str] = "subscribe"
    person: Person = Field(alias="subscribe")
    channel: ChannelField
    topic: str | None = None


class UnsubscribeItem(Item):
    """`unsubscribe: ada, channel: sms, topic: promotions`; without a topic: every topic of the channel."""

    verb: ClassVar[str] = "unsubscribe"
    person: Person = Field(alias="unsubscribe")
    channel: ChannelField
    topic: str | None = None


class ReceiptItem(Item):
    """`receipt: delivered, of: {step: nudge, to: ada}`: what a provider tells by webhook."""

    verb: ClassVar[str] = "receipt"
    word: ReceiptWord = Field(alias="receipt")
    of: DeliveryRef
    receipt_id: Label | None = Field(default=None, alias="id")
    code: Label | None = None
    url: str | None = None
    digits: Label | None = None
    speech: str | None = None
    """What was said into a call: `receipt: digits, speech: "yes please"`."""
    answered_by: str | None = None
    duration: Annotated[int, Field(ge=0, strict=True)] | None = None
    """Seconds."""
    hard: Flag = True
    machine: Flag = False


class InboundReply(Item):
    """`inbound: ada, channel: sms, body: "STOP"`: somebody writes to one of our senders."""

    verb: ClassVar[str] = "inbound"
    person: Person = Field(alias="inbound")
    channel: ChannelField
    body: Label = ""
    subject: str | None = None
    media: Words = ()
    to: str | None = None
    """Our sender; none: the one the newest delivery came from."""
    message_id: Label | None = Field(default=None, alias="id")


class ProviderAnswers(Item):
    """`provider: sms, answers: [503, ok]`: one per call, then `ok` again."""

    verb: ClassVar[str] = "provider"
    provider: ProviderName
    answers: Annotated[tuple[AnswerField, ...], BeforeValidator(_several)]


class PauseJourney(Item):
    """`pause: j1`"""

    verb: ClassVar[str] = "pause"
    journey: str = Field(alias="pause")


class ResumeJourney(Item):
    """`resume: j1`"""

    verb: ClassVar[str] = "resume"
    journey: str = Field(alias="resume")


class Archive(Item):
    """`archive: j1`"""

    verb: ClassVar[str] = "archive"
    journey: str = Field(alias="archive")


def _name_or_document(value: object) -> object:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict) and sum(kind in value for kind in ("journey", "audience", "trait")) == 1:
        return value
    raise mistake("`publish` takes a name or a whole document", "a journey, an audience or a trait")


class Publish(Item):
    """`publish: j1` or a whole document, whose compiled form is then in `form`."""

    verb: ClassVar[str] = "publish"
    what: Annotated[
        Any,
        BeforeValidator(_name_or_document),
        WithJsonSchema({"type": ["string", "object"]}),
        Field(alias="publish"),
    ]
    """The name, or the document as plain data."""
    _form: Any = PrivateAttr(default=None)

    @property
    def form(self) -> Any:
        """The Journey, Audience or ComputedTrait of a whole document; None where only a name is given."""
        return self._form


class MembersChange(Item):
    """`audience: beta, add: [ada]` (`remove`, `replace`, `clear: true`)."""

    verb: ClassVar[str] = "audience"
    audience: str
    add: People = ()
    remove: People = ()
    replace: People | None = None
    clear: Flag = False

    @model_validator(mode="after")
    def _does_something(self) -> "MembersChange":
        if not (self.add or self.remove or self.clear) and self.replace is None:
            raise mistake(
                "an `audience` item changes nobody", "give `add`, `remove`, `replace` or `clear: true`"
            )
        return self


class StartJourney(Item):
    """`start: j2, for: ada, with: {x: 1}, key: k`"""

    verb: ClassVar[str] = "start"
    journey: str = Field(alias="start")
    person: Person = Field(alias="for")
    entry: Json = Field(default={}, alias="with")
    key: Label | None = None


class Confirm(Item):
    """`confirm: ada, channel: email, topic: newsletter`: presses the button of the newest confirm_url."""

    verb: ClassVar[str] = "confirm"
    person: Person = Field(alias="confirm")
    channel: ChannelField
    topic: str


class Forget(Item):
    """`forget: ada`"""

    verb: ClassVar[str] = "forget"
    person: Person = Field(alias="forget")


class Expect(Item):
    """`expect: {…}`"""

    verb: ClassVar[str] = "expect"
    expected: Expected = Field(alias="expect")


ITEMS: dict[str, type[Item]] = {
    item.verb: item
    for item in (
        Identify,
        Track,
        Page,
        Screen,
        Group,
        Alias,
        SignalItem,
        SubscribeItem,
        UnsubscribeItem,
        ReceiptItem,
        InboundReply,
        ProviderAnswers,
        PauseJourney,
        ResumeJourney,
        Archive,
        Publish,
        MembersChange,
        StartJourney,
        Confirm,
        Forget,
        Expect,
    )
}
"""Every verb of a timeline: the one table row that a new item needs."""
