"""A provider with the weather's moods: it keeps a record of what it took, and tells of it in its own time, or never."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from engage.domain.delivery.delivery import Channel, FailReason, Mark
from engage.domain.fact import Receipt
from engage.engine.simulate import VirtualClock
from engage.ports.channel import (
    Accepted,
    Answer,
    Busy,
    CannotSay,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    Sent,
    Taken,
    Unknown,
)
from engage.testing.invariants import ProviderCall
from engage.testing.scheduler import Scheduler
from tests.reliability.sim.weather import Weather

ASK_NOT_BEFORE = timedelta(seconds=60)
TIME_OUT = timedelta(seconds=20)
AROUND = timedelta(minutes=2)
"""How long after a call what it led to may have begun: this provider does not know our references any more than a real one."""
HAPPY = {
    Channel.SMS: (Mark.SENT, Mark.DELIVERED),
    Channel.VOICE: (Mark.SENT, Mark.ANSWERED, Mark.COMPLETED),
    Channel.EMAIL: (Mark.ACCEPTED, Mark.DELIVERED),
}
UNHAPPY = {
    Channel.SMS: ((Mark.SENT, Mark.UNDELIVERED), (Mark.FAILED,), (Mark.SENT,)),
    Channel.VOICE: ((Mark.SENT, Mark.BUSY), (Mark.SENT, Mark.NO_ANSWER), (Mark.FAILED,)),
    Channel.EMAIL: (
        (Mark.ACCEPTED, Mark.BOUNCED),
        (Mark.DROPPED,),
        (Mark.ACCEPTED, Mark.DELIVERED, Mark.OPENED, Mark.CLICKED),
        (Mark.ACCEPTED, Mark.DELIVERED, Mark.COMPLAINED),
        (Mark.ACCEPTED, Mark.DELIVERED, Mark.UNSUBSCRIBED),
    ),
}
BAD_ADDRESS = frozenset({Mark.BOUNCED, Mark.UNDELIVERED})
BAD_ENDS = BAD_ADDRESS | {Mark.FAILED, Mark.DROPPED}
DELAYS = (0, 30, 600)
FIRST_DELAYS = (0, 30, 300)
LATE = (timedelta(minutes=20), timedelta(hours=3), timedelta(hours=20))
"""How much later something is told than it happened: behind what happened since, and behind the first look that asks for it."""


@dataclass(slots=True)
class Message:
    """What a provider took, and all that becomes of it."""

    id: str
    outbound: Outbound
    at: datetime
    life: list[tuple[datetime, Mark]] = field(default_factory=list)

    def receipt(self, mark: Mark, at: datetime) -> Receipt:
        """Return what is told of one thing that happened, by callback or when asked."""
        return Receipt(
            delivery=self.outbound.delivery,
            mark=mark,
            at=at,
            receipt_id=f"{self.id}:{mark}",
            provider="twin",
            provider_id=self.id,
            address=self.outbound.to,
            code="30008" if mark in BAD_ENDS else None,
            hard=mark is not Mark.BOUNCED or self.is_hard,
            suppress=mark in BAD_ADDRESS and self.is_hard,
        )

    @property
    def is_hard(self) -> bool:
        """Whether a bad end is the address's, for good."""
        return Random(self.id).random() < 0.3


class Provider:
    """One channel's provider. Implements `ports.channel.Sender`."""

    provider = "twin"

    def __init__(
        self,
        channel: Channel,
        scheduler: Scheduler,
        weather: Weather,
        clock: VirtualClock,
        tell: Callable[[datetime, int, Receipt], None],
    ) -> None:
        """`tell` gets (instant, lane, receipt): what is to be told when."""
        self.messages: list[Message] = []
        """The record."""
        self._begun: list[tuple[Outbound, datetime, Message | None]] = []
        self._channel, self._scheduler, self._weather, self._clock = channel, scheduler, weather, clock
        self._tell = tell

    @property
    def calls(self) -> list[ProviderCall]:
        """Every call, with what the record says of it."""
        return [
            ProviderCall(
                delivery=outbound.delivery,
                channel=outbound.channel,
                address=outbound.to,
                at=at,
                taken=message is not None,
                told=() if message is None else [mark for _, mark in message.life],
            )
            for outbound, at, message in self._begun
        ]

    def send(self, outbound: Outbound) -> Answer:
        """Take a message, or not, and say so, or not."""
        begun, weather, random = self._clock.now(), self._weather, self._scheduler.random
        index = len(self._begun)
        self._begun.append((outbound, begun, None))
        self._scheduler.pause("call")
        if random.random() < weather.busy:
            return Busy(retry_after=random.choice((None, timedelta(seconds=7))), code="429")
        if random.random() < weather.refused:
            if random.random() < 0.5:
                return Rejected(reason=FailReason.INVALID_ADDRESS, code="21211", suppress=True)
            return Rejected(reason=FailReason.BLOCKED, code="21610", opt_out=True)
        if random.random() < weather.slow:
            self._scheduler.sleep_until(self._clock.now() + timedelta(seconds=random.choice((1, 4, 12))))
        if random.random() < weather.unknown:
            if random.random() < 0.5:
                self._take(index)
            self._scheduler.sleep_until(begun + TIME_OUT)
            return Unknown(code="no_answer")
        message = self._take(index)
        self._scheduler.pause("called")
        if random.random() < weather.accidents:
            raise RuntimeError("a mistake in this sender")
        return Accepted(provider_id=message.id)

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """Say whether a delivery was taken, by what went to its address then; mail's provider never can."""
        assert self._clock.now() >= question.called_at + ASK_NOT_BEFORE or self._channel is Channel.EMAIL
        self._scheduler.pause("ask")
        if self._channel is Channel.EMAIL or self._scheduler.random.random() < self._weather.unknown / 2:
            return CannotSay()
        found = [
            message.id
            for message in self.messages
            if message.outbound.to == question.to
            and message.id not in question.known_ids
            and question.called_at <= message.at <= question.called_at + AROUND
        ]
        if len(found) > 1:
            return CannotSay()
        return Taken(provider_id=found[0]) if found else NotTaken()

    def _take(self, index: int) -> Message:
        outbound, at, _ = self._begun[index]
        message = Message(f"{self._channel}-{len(self.messages)}", outbound, self._clock.now())
        self.messages.append(message)
        self._begun[index] = (outbound, at, message)
        self._live(message)
        return message

    def _live(self, message: Message) -> None:
        """Draw all that will become of a message, and when which of it is told."""
        weather, before = (
            self._weather,
            sum(one.outbound.delivery == message.outbound.delivery for one in self.messages),
        )
        # By its delivery, not by who happened to send it: so that worlds with the same story can be compared.
        random = Random(f"{message.outbound.delivery}/{before}")
        life = HAPPY[self._channel]
        if random.random() < weather.unhappy:
            life = random.choice(UNHAPPY[self._channel])
        soon = random.random() < weather.overtaken
        at = message.at
        for number, mark in enumerate(life):
            at += timedelta(seconds=0 if soon else random.choice(DELAYS if number else FIRST_DELAYS))
            message.life.append((at, mark))
            self._report(message, mark, at, random, is_first=not number)
        if soon:
            self._scheduler.stir()
            self._scheduler.pause("overtaken")

    def _report(self, message: Message, mark: Mark, at: datetime, random: Random, *, is_first: bool) -> None:
        weather = self._weather
        # An event stream tells everything in the end, and of a mail at all within minutes; a callback may never come.
        is_stream = self._channel is Channel.EMAIL
        for _ in range(1 + (random.random() < weather.doubled)):
            wait = random.choice(LATE) if random.random() < weather.late else timedelta()
            if is_stream or random.random() >= weather.lost:
                told = at if is_stream and is_first else at + wait
                self._tell(told, message.outbound.lane, message.receipt(mark, at))


class TellingProvider(Provider):
    """A provider that says how a message fares. Implements `ports.channel.TellingSender`."""

    def fate(self, sent: Sent) -> Sequence[Receipt] | None:
        """Say what has become of a message by now, unless nobody answers."""
        self._scheduler.pause("fate")
        weather, random = self._weather, self._scheduler.random
        if random.random() < weather.away:
            return None
        if random.random() < weather.accidents:
            raise RuntimeError("an answer nobody foresaw")
        (message,) = (message for message in self.messages if message.id == sent.provider_id)
        assert message.outbound.delivery == sent.delivery, "asked about somebody else's message"
        so_far = [(at, mark) for at, mark in message.life if at <= self._clock.now()]
        return [message.receipt(mark, at) for at, mark in so_far[-1:]]
