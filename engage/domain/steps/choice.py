"""Steps that choose a way: `branch` and `split`."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

from pydantic import Field, model_validator

from engage.domain.expression import Place, split_fraction
from engage.domain.forms import Form, VariableName, expression_field, mistake
from engage.domain.steps.base import Go, Move, Node, Step, Walk
from engage.domain.steps.steplist import StepList


class BranchItem(Form):
    """`if`/`then`, or a last `else`."""

    if_: expression_field(Place.STEP) | None = Field(default=None, alias="if")  # type: ignore[valid-type]  # factory
    then: StepList | None = None
    else_: StepList | None = Field(default=None, alias="else")

    @model_validator(mode="after")
    def _whole(self) -> "BranchItem":
        if self.else_ is not None and (self.if_ is not None or self.then is not None):
            raise mistake("`else` stands alone, as the last item", "begin it with `- else:`")
        if self.else_ is None and (self.if_ is None or self.then is None):
            raise mistake("an item of `branch` is `if` with `then`, or `else`")
        return self


class Branch(Step):
    """The first true condition, judged on arrival with fresh data; none: goes on."""

    verb: ClassVar[str] = "branch"
    branch: tuple[BranchItem, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _else_last(self) -> "Branch":
        if any(item.else_ is not None for item in self.branch[:-1]):
            raise mistake("`else` is the last item of `branch`")
        return self

    def blocks(self) -> Iterator[tuple[str, Sequence[Step]]]:
        """`<n>.then` and `else`."""
        for index, item in enumerate(self.branch):
            if item.then is not None:
                yield f"{index}.then", item.then
            if item.else_ is not None:
                yield "else", item.else_

    def enter(self, walk: Walk, node: Node) -> Move:
        """Judge the conditions in order and say which one was true."""
        scope = walk.scope()
        for index, item in enumerate(self.branch):
            if item.else_ is not None:
                return Go(node.blocks["else"])
            assert item.if_ is not None
            if walk.look(item.if_, scope):
                return Go(node.blocks[f"{index}.then"])
        return Go(node.after)


class Arm(Form):
    """One arm of a split; weights are shares of their sum."""

    weight: Decimal = Field(ge=0)
    then: StepList = ()


class SplitForm(Form):
    """The arms, and whether a person falls into the same one at every entry."""

    arms: dict[VariableName, Arm] = Field(min_length=1)
    sticky: bool = True


class Split(Step):
    """Divide people by a stable hash."""

    verb: ClassVar[str] = "split"
    split: SplitForm

    NO_ID: ClassVar[tuple[str, str]] = (
        "a `split` needs an `id`",
        "add `id: some-name`: it is the salt of the hash",
    )

    @model_validator(mode="after")
    def _with_id_and_weight(self) -> "Split":
        if not self.id:
            raise mistake(*self.NO_ID)
        if not sum(arm.weight for arm in self.split.arms.values()):
            raise mistake("all weights of the split are 0")
        return self

    def blocks(self) -> Iterator[tuple[str, Sequence[Step]]]:
        """`<arm>`."""
        for name, arm in self.split.arms.items():
            yield name, arm.then

    def enter(self, walk: Walk, node: Node) -> Move:
        """Take the arm that the hash, or a scenario, chooses."""
        arm = walk.chosen(node.id) or self._by_hash(walk, node)
        walk.note(arm)
        return Go(node.blocks[arm])

    def _by_hash(self, walk: Walk, node: Node) -> str:
        salt = f"{walk.journey_name}/{node.id}"
        if not self.split.sticky:
            salt = f"{salt}/{walk.run.ordinal}"
        weights = {name: Fraction(arm.weight) for name, arm in self.split.arms.items()}
        point = Fraction(split_fraction(salt, walk.bucket_key)) * sum(weights.values())
        for name, weight in weights.items():
            if point < weight:
                return name
            point -= weight
        return next(reversed(self.split.arms))
