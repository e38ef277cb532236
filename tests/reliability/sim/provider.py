"""A provider with the weather's moods: it writes down every call, and tells of what it took in its own time."""

from collections.abc import Callable
from datetime import datetime, timedelta

from engage.domain.delivery.delivery import Channel, FailReason, Mark
from engage.domain.fact import Receipt
from engage.domain.ids import DeliveryId
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
    Taken,
    Unknown,
)
from engage.testing.invariants import ProviderCall
from engage.testing.scheduler import Scheduler
from tests.reliability.sim.weather import Weather

ASK_NOT_BEFORE = timedelta(seconds=60)
TIME_OUT = timedelta(seconds=20)


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
        self.calls: list[ProviderCall] = []
        self._channel, self._scheduler, self._weather, self._clock = channel, scheduler, weather, clock
        self._tell = tell

    def send(self, outbound: Outbound) -> Answer:
        """Take a message, or not, and say so, or not."""
        begun, weather, random = self._clock.now(), self._weather, self._scheduler.random
        index = len(self.calls)
        self._note(outbound, begun, taken=False)
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
                self._take(index, outbound)
            self._scheduler.sleep_until(begun + TIME_OUT)
            return Unknown(code="no_answer")
        self._take(index, outbound)
        self._scheduler.pause("called")
        if random.random() < weather.accidents:
            raise RuntimeError("a mistake in this sender")
        return Accepted(provider_id=f"id-{outbound.delivery}")

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """Say whether a delivery was taken; mail's provider never can, and nobody may be asked too early."""
        assert self._clock.now() >= question.called_at + ASK_NOT_BEFORE or self._channel is Channel.EMAIL
        self._scheduler.pause("ask")
        if self._channel is Channel.EMAIL or self._scheduler.random.random() < self._weather.unknown / 2:
            return CannotSay()
        found = any(call.taken for call in self.calls if call.delivery == question.delivery)
        return Taken(provider_id=f"id-{question.delivery}") if found else NotTaken()

    def _note(self, outbound: Outbound, at: datetime, *, taken: bool) -> None:
        self.calls.append(
            ProviderCall(
                delivery=outbound.delivery, channel=outbound.channel, address=outbound.to, at=at, taken=taken
            )
        )

    def _take(self, index: int, outbound: Outbound) -> None:
        call = self.calls[index]
        self.calls[index] = ProviderCall(
            delivery=call.delivery, channel=call.channel, address=call.address, at=call.at, taken=True
        )
        weather, random = self._weather, self._scheduler.random
        soon = random.random() < weather.overtaken
        for mark, delay in ((Mark.DELIVERED, 0 if soon else 300), (Mark.SENT, random.choice((30, 600)))):
            at = self._clock.now() + timedelta(seconds=delay)
            for _ in range(1 + (random.random() < weather.doubled)):
                # An event stream tells everything in the end; the callbacks of a text may never come.
                if self._channel is Channel.EMAIL or random.random() >= weather.lost:
                    self._tell(at, outbound.lane, receipt_of(outbound.delivery, mark, at))
        if soon:
            self._scheduler.stir()
            self._scheduler.pause("overtaken")


def receipt_of(delivery: DeliveryId, mark: Mark, at: datetime) -> Receipt:
    return Receipt(
        delivery=delivery,
        mark=mark,
        at=at,
        receipt_id=f"{delivery}:{mark}",
        provider="twin",
        provider_id=f"id-{delivery}",
    )
