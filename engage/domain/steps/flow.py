"""Steps that end, repeat, or set other things going: `exit`, `repeat`, `emit`, `start`."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from pydantic import Field, model_validator

from engage.domain.expression import Place, Scope, Text, text_of
from engage.domain.forms import DataField, Form, KebabName, TextField, expression_field
from engage.domain.steps.base import End, Go, Move, Node, Step, Walk
from engage.domain.steps.steplist import StepList

LOOP_LIMIT = "loop_limit"


def reason_of(text: Text | None, scope: Scope) -> str:
    """Return the reason with which a run is left: the text as it reads now, `exit` where that is nothing."""
    return ("" if text is None else text.text(scope).strip()) or "exit"


class Exit(Step):
    """End this run."""

    verb: ClassVar[str] = "exit"
    exit: TextField | None = None

    def enter(self, walk: Walk, node: Node) -> Move:
        """The reason is the text given, else `exit`."""
        del node
        return End(reason_of(self.exit, walk.scope()))


class RepeatForm(Form):
    """A bounded loop; `while` is judged before each turn."""

    times: int = Field(ge=1, le=1000)
    while_: expression_field(Place.STEP) | None = Field(default=None, alias="while")  # type: ignore[valid-type]  # factory
    steps: StepList = Field(min_length=1)


class Repeat(Step):
    """Walk a list of steps several times."""

    verb: ClassVar[str] = "repeat"
    repeat: RepeatForm

    def blocks(self) -> Iterator[tuple[str, Sequence[Step]]]:
        """`steps`."""
        yield "steps", self.repeat.steps

    def loops(self) -> bool:
        """The last step of the list leads back here."""
        return True

    def enter(self, walk: Walk, node: Node) -> Move:
        """Take another turn while there are turns left and the condition holds."""
        turns = dict(walk.run.turns)
        done = turns.pop(node.path, 0)
        goes_on = done < self.repeat.times and (
            self.repeat.while_ is None or self.repeat.while_.truth(walk.scope())
        )
        if goes_on:
            turns[node.path] = done + 1
        walk.run.turns = turns
        return Go(node.blocks["steps"] if goes_on else node.after)


class EmitForm(Form):
    """A track on this profile."""

    event: TextField
    properties: dict[str, DataField] = {}


class Emit(Step):
    """Let an event happen to this person, handled after this run rests."""

    verb: ClassVar[str] = "emit"
    emit: EmitForm

    def enter(self, walk: Walk, node: Node) -> Move:
        """A held-out run emits nothing; the 101st of one chain ends the run."""
        if walk.run.held_out:
            return Go(node.after)
        name = self.emit.event.text(walk.scope()).strip()
        if not name:
            walk.note("skipped", "no_event", {"event": self.emit.event.source})
            return Go(node.after)
        done = walk.emit(node, name, walk.fill(self.emit.properties))
        return Go(node.after) if done else End(LOOP_LIMIT)


class StartForm(Form):
    """A journey to enter, with the entry it gets."""

    journey: KebabName
    with_: dict[str, DataField] = Field(default={}, alias="with")
    key: expression_field(Place.STEP) | None = None  # type: ignore[valid-type]  # built by a factory

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"journey": data} if isinstance(data, str) else data


class Start(Step):
    """Enter the person into another journey."""

    verb: ClassVar[str] = "start"
    start: StartForm

    def enter(self, walk: Walk, node: Node) -> Move:
        """A held-out run starts nothing; the 101st of one chain ends the run."""
        if walk.run.held_out:
            return Go(node.after)
        key = None if self.start.key is None else self.start.key.value(walk.scope())
        done = walk.start(
            node, self.start.journey, walk.fill(self.start.with_), None if key is None else text_of(key)
        )
        return Go(node.after) if done else End(LOOP_LIMIT)
