"""Steps that change what we know of a person: traits, variables, consent, suppression, manual audiences."""

from typing import ClassVar

from pydantic import Field

from engage.domain.consent.consent import ConsentState
from engage.domain.forms import (
    ChannelField,
    DataField,
    Form,
    KebabName,
    PlainText,
    TextField,
    TopicField,
    VariableName,
)
from engage.domain.steps.base import Go, Move, Node, Step, Walk


class Set(Step):
    """Write traits."""

    verb: ClassVar[str] = "set"
    set: dict[PlainText, DataField] = Field(min_length=1)

    def enter(self, walk: Walk, node: Node) -> Move:
        """Write them as of now; a held-out run does not."""
        if not walk.run.held_out:
            walk.write_traits(walk.fill(self.set))
        return Go(node.after)


class Remember(Step):
    """Keep values as `run.<name>`."""

    verb: ClassVar[str] = "remember"
    remember: dict[VariableName, DataField] = Field(min_length=1)

    def enter(self, walk: Walk, node: Node) -> Move:
        """Keep them on the run."""
        walk.run.variables = {**walk.run.variables, **walk.fill(self.remember)}
        return Go(node.after)


class ConsentForm(Form):
    """A channel and a topic."""

    channel: ChannelField
    topic: TopicField

    def named(self, walk: Walk) -> str:
        """Return the topic as it reads now."""
        return self.topic.text(walk.scope()).strip()


class Subscribe(Step):
    """Append a yes to the consent ledger."""

    verb: ClassVar[str] = "subscribe"
    subscribe: ConsentForm

    def enter(self, walk: Walk, node: Node) -> Move:
        """Source of the entry is this run."""
        walk.change_consent(self.subscribe.channel, self.subscribe.named(walk), ConsentState.SUBSCRIBED)
        return Go(node.after)


class Unsubscribe(Step):
    """Append a no to the consent ledger."""

    verb: ClassVar[str] = "unsubscribe"
    unsubscribe: ConsentForm

    def enter(self, walk: Walk, node: Node) -> Move:
        """Source of the entry is this run."""
        walk.change_consent(self.unsubscribe.channel, self.unsubscribe.named(walk), ConsentState.UNSUBSCRIBED)
        return Go(node.after)


class SuppressForm(Form):
    """A channel and why."""

    channel: ChannelField
    reason: TextField | None = None


class Suppress(Step):
    """Never use this person's present address on a channel again, for anybody."""

    verb: ClassVar[str] = "suppress"
    suppress: SuppressForm

    def reason(self, walk: Walk) -> str:
        """Return why, in words."""
        given = self.suppress.reason
        return ("" if given is None else given.text(walk.scope()).strip()) or "journey"

    def enter(self, walk: Walk, node: Node) -> Move:
        """Put the address on the list."""
        walk.suppress(self.suppress.channel, self.reason(walk))
        return Go(node.after)


class AddTo(Step):
    """Put the person into a manual audience."""

    verb: ClassVar[str] = "add_to"
    add_to: KebabName

    def enter(self, walk: Walk, node: Node) -> Move:
        """This run sees it at once; what follows is handled once it rests."""
        walk.member(self.add_to, True)
        return Go(node.after)


class RemoveFrom(Step):
    """Take the person out of a manual audience."""

    verb: ClassVar[str] = "remove_from"
    remove_from: KebabName

    def enter(self, walk: Walk, node: Node) -> Move:
        """This run sees it at once; what follows is handled once it rests."""
        walk.member(self.remove_from, False)
        return Go(node.after)
