"""`reach`: one channel after the other, until one of them gets through."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, model_validator

from engage.domain.delivery.delivery import SETTLED, Channel, Mark, reached
from engage.domain.expression import Place
from engage.domain.forms import DataField, DurationField, Form, TextField, expression_field, mistake
from engage.domain.ids import DeliveryId
from engage.domain.journey.run import next_delivery
from engage.domain.steps.base import Due, Go, Looked, Move, Moved, Node, Park, Step, Stimulus, Walk
from engage.domain.steps.send import SendForm, asked_for
from engage.domain.steps.wait_for import StatusField

_FAILED = (SETTLED - {Mark.ACCEPTED}) | {Mark.BUSY, Mark.NO_ANSWER, Mark.DROPPED}


class ReachChannel(Form):
    """One channel to try, with its template or text."""

    email: SendForm | None = None
    sms: SendForm | None = None
    mms: SendForm | None = None
    whatsapp: SendForm | None = None
    voice: SendForm | None = None
    chat: SendForm | None = None

    @model_validator(mode="after")
    def _one(self) -> "ReachChannel":
        if len(self.named) != 1:
            raise mistake("an item of `channels` is one channel with its template", "write `- sms: template`")
        return self

    @property
    def named(self) -> list[tuple[Channel, SendForm]]:
        """The channel, and what to send on it."""
        given = [(Channel(name), getattr(self, name)) for name in type(self).model_fields]
        return [(channel, form) for channel, form in given if form is not None]


class ReachForm(Form):
    """The channels in their order, how long each has, and what counts as having got through."""

    within: DurationField
    until: StatusField = Mark.DELIVERED
    channels: tuple[ReachChannel, ...] = Field(min_length=1)
    to: expression_field(Place.STEP) | None = None  # type: ignore[valid-type]  # built by a factory
    with_: dict[str, DataField] = Field(default={}, alias="with")
    topic: TextField | None = None
    expires: DurationField | None = None

    def sends(self) -> list[tuple[Channel, SendForm]]:
        """Return what to send on each channel; what an item does not say is said for all of them."""
        return [
            (
                channel,
                form.model_copy(
                    update={
                        "to": form.to or self.to,
                        "topic": form.topic or self.topic,
                        "with_": {**self.with_, **form.with_},
                    }
                ),
            )
            for item in self.channels
            for channel, form in item.named
        ]


class Reach(Step):
    """Try channels until one gets through; the next is tried at a failure, a refusal, or after `within`."""

    verb: ClassVar[str] = "reach"
    reach: ReachForm

    def waits(self) -> bool:
        """A run stands here until somebody was reached, or nothing is left to try."""
        return True

    def enter(self, walk: Walk, node: Node) -> Move:
        """Try the first channel; `expires` covers the whole step, from when it was due by plan."""
        expires = self.expires or self.reach.expires
        until = None if expires is None else (walk.planned + expires).isoformat()
        walk.run.state = {"tried": 0, "asked": {}, "until": until}
        return self._try(walk, node)

    def _try(self, walk: Walk, node: Node) -> Move:
        state, sends = walk.run.state, self.reach.sends()
        tried, until = int(state["tried"]), _until(state)
        if tried >= len(sends) or (until is not None and walk.now >= until):
            return self._go_on(walk, node, None)
        channel, form = sends[tried]
        walk.cancel(node)  # one that is still held would come after the next
        delivery = walk.ask(node, asked_for(walk, channel, form, until=until))
        asked = {**state["asked"], delivery: str(channel)}
        walk.run.state = {**state, "tried": tried + 1, "asked": asked}
        due = walk.now + self.reach.within
        return Park(due if until is None else min(due, until))

    def resume(self, walk: Walk, node: Node, stimulus: Stimulus) -> Move | None:
        """Look at what became of the channels that were tried."""
        match stimulus:
            case Due():
                return self._try(walk, node)
            case Moved(delivery=delivery, marks=marks) if delivery in walk.run.state["asked"]:
                return self._judge(walk, node, str(delivery), marks)
            case Looked():
                newest = walk.run.deliveries[node.id]
                return self._judge(walk, node, newest.id, newest.marks)
            case _:
                return None

    def _judge(self, walk: Walk, node: Node, delivery: str, marks: list[Mark]) -> Move | None:
        known = reached(marks)
        if self.reach.until in known:
            newest, asked = walk.run.deliveries[node.id], walk.run.state["asked"]
            channel = asked[delivery]
            if newest.id != delivery:
                winner = DeliveryId(delivery)
                newest = next_delivery(newest, delivery=winner, channel=channel, beside=asked, marks=marks)
                walk.run.deliveries = {**walk.run.deliveries, node.id: newest}
            return self._go_on(walk, node, channel)
        is_newest = walk.run.deliveries[node.id].id == delivery
        return self._try(walk, node) if is_newest and known & _FAILED else None

    def _go_on(self, walk: Walk, node: Node, channel: str | None) -> Move:
        walk.cancel(node)
        walk.run.variables = {**walk.run.variables, node.id: {"channel": channel}}
        walk.note("reached" if channel else "not_reached", values={"channel": channel})
        return Go(node.after)


def _until(state: Mapping[str, Any]) -> datetime | None:
    until = state["until"]
    return None if until is None else datetime.fromisoformat(until)
