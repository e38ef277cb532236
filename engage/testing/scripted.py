"""Scripted: providers that answer as a scenario says, and remember every message they took."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from engage.domain.delivery.delivery import CALLS, REACHING, Channel
from engage.domain.ids import DeliveryId
from engage.ports.call_turns import everything_spoken, spoken
from engage.ports.channel import (
    Accepted,
    EmailContent,
    NotTaken,
    Outbound,
    Question,
    Sender,
    SmsContent,
    Taken,
    Unknown,
    VoiceContent,
    WhatsappContent,
)
from engage.ports.channel import Answer as SendAnswer
from engage.ports.clock import Clock
from engage.project.scenario import Answer, AnswerKind
from engage.templating import segments
from engage.testing.provider_words import PROVIDER_WORDS, ProviderWords
from engage.testing.scripted_calls import CallTaken, ScriptedCalls

PROVIDER = "scripted"
OK = Answer(kind=AnswerKind.OK, status=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One call a provider took: what it got, to which address, when."""

    provider_id: str
    delivery: DeliveryId
    channel: Channel
    address: str
    at: datetime
    content: SmsContent | WhatsappContent | EmailContent | VoiceContent

    @property
    def subject(self) -> str | None:
        """The subject of a mail."""
        return self.content.subject if isinstance(self.content, EmailContent) else None

    @property
    def body(self) -> str:
        """The text as it was sent; of mail the text part, of a call what a person hears at first."""
        match self.content:
            case SmsContent(body=body):
                return body
            case EmailContent(text=text):
                return text
            case VoiceContent(twiml=twiml):
                return spoken(twiml)
            case WhatsappContent(content_sid=content, variables=variables):
                return f"{content} {msgspec.json.encode(dict(variables)).decode()}"

    @property
    def document(self) -> str:
        """The document of a call."""
        return self.content.twiml if isinstance(self.content, VoiceContent) else ""

    @property
    def everything(self) -> str:
        """All that `contains` looks through: subject, texts and HTML; of a call whatever may be said in it."""
        said = everything_spoken(self.document) if self.document else ""
        return "\n".join((self.subject or "", self.body, self.html, said))

    @property
    def html(self) -> str:
        """The HTML part of a mail."""
        return (self.content.html or "") if isinstance(self.content, EmailContent) else ""


@dataclass
class ScriptedSender:
    """The provider of one channel. Implements `ports.channel.Sender`."""

    channel: Channel
    clock: Clock
    words: ProviderWords = PROVIDER_WORDS
    provider: str = PROVIDER
    answers: deque[Answer] = field(default_factory=deque)
    messages: list[Message] = field(default_factory=list)
    _last: dict[DeliveryId, Message | None] = field(default_factory=dict)
    """What became of the newest call for a delivery: the message, or none if it was not taken."""

    def send(self, outbound: Outbound) -> SendAnswer:
        """Answer as the script says; without one, take it."""
        answer = self.answers.popleft() if self.answers else OK
        match answer.kind:
            case AnswerKind.TIMEOUT:
                self._take(outbound)
                return Unknown(code="no_answer")
            case AnswerKind.TIMEOUT_LOST:
                self._last[outbound.delivery] = None
                return Unknown(code="no_answer")
            case _:
                status = answer.status or 200
                if answer.code is None and 200 <= status < 300:
                    taken = self._take(outbound)
                    return Accepted(provider_id=taken.provider_id, segments=_segments(taken))
                self._last[outbound.delivery] = None
                return self.words.answer(status, answer.code, answer.retry_after)

    def ask(self, question: Question) -> Taken | NotTaken:
        """Say whether the newest call for this delivery was taken: this provider always knows."""
        message = self._last.get(question.delivery)
        return NotTaken() if message is None else Taken(provider_id=message.provider_id)

    def _take(self, outbound: Outbound) -> Message:
        assert isinstance(outbound.content, SmsContent | WhatsappContent | EmailContent | VoiceContent)
        message = Message(
            provider_id=f"{self.channel}-{len(self.messages) + 1}",
            delivery=outbound.delivery,
            channel=outbound.channel,
            address=outbound.to,
            at=self.clock.now(),
            content=outbound.content,
        )
        self.messages.append(message)
        self._last[outbound.delivery] = message
        return message


def _segments(message: Message) -> int | None:
    """Return how many SMS a text is on the wire, as the provider would count."""
    texted = message.channel in (Channel.SMS, Channel.MMS) and isinstance(message.content, SmsContent)
    return segments(message.body) if texted else None


class ScriptedProviders:
    """The providers of all channels."""

    def __init__(self, clock: Clock, words: ProviderWords = PROVIDER_WORDS) -> None:
        self._senders = {channel: ScriptedSender(channel, clock, words) for channel in REACHING}
        self._calls = {channel: ScriptedCalls(channel, clock) for channel in CALLS}

    @property
    def senders(self) -> Mapping[Channel, Sender]:
        """By channel."""
        return {**self._senders, **self._calls}

    def script(self, channel: Channel, answers: Iterable[Answer]) -> None:
        """Answer the next calls like this, after what was scripted before."""
        (self._calls[channel] if channel in CALLS else self._senders[channel]).answers.extend(answers)

    def calls(self, channel: Channel) -> list[CallTaken]:
        """Return the calls of one kind that the other end took, or refused for good."""
        return self._calls[channel].taken

    def messages(self) -> list[Message]:
        """Return everything taken on all channels."""
        return [message for sender in self._senders.values() for message in sender.messages]
