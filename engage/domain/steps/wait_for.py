"""`wait_for`: the first of several things to happen, or a time-out."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from engage.domain.delivery.delivery import Mark
from engage.domain.expression import Expression, Place, parse_instant
from engage.domain.forms import (
    DurationField,
    EventNames,
    Form,
    PlainText,
    VariableName,
    expression_field,
    mistake,
    names_match,
)
from engage.domain.profile.profile import Event
from engage.domain.steps.base import (
    Due,
    End,
    Go,
    Happened,
    Looked,
    Move,
    Moved,
    Node,
    Park,
    Step,
    Stimulus,
    Walk,
)
from engage.domain.steps.steplist import StepList

MAX_RESTARTS = 100
_BRANCH_KEYS = frozenset({"event", "where", "when", "step", "status", "then", "as", "restart", "any_key"})
_STATUSES = tuple(
    mark for mark in Mark if mark not in (Mark.QUEUED, Mark.HELD, Mark.SENDING, Mark.DEFERRED, Mark.MACHINE)
)


def status(value: object) -> Mark:
    """Read a delivery status."""
    if isinstance(value, str) and value in _STATUSES:
        return Mark(value)
    raise mistake(f"`{value}` is no status of a delivery", "one of: " + ", ".join(_STATUSES))


StatusField = Annotated[
    Mark, PlainValidator(status), WithJsonSchema({"enum": [str(mark) for mark in _STATUSES]})
]


class WaitBranch(Form):
    """One thing to wait for: an event, a condition, or a status of a step's newest delivery."""

    event: EventNames | None = None
    where: expression_field(Place.WAIT) | None = None  # type: ignore[valid-type]  # built by a factory
    when: expression_field(Place.WHEN) | None = None  # type: ignore[valid-type]  # built by a factory
    step: PlainText | None = None
    status: StatusField | None = None
    then: StepList | None = None
    as_: VariableName | None = Field(default=None, alias="as")
    restart: bool = False
    any_key: bool = False

    @model_validator(mode="after")
    def _one_thing(self) -> "WaitBranch":
        things = [name for name in ("event", "when", "step") if getattr(self, name) is not None]
        if len(things) != 1:
            raise mistake("a branch of `wait_for` waits for one of `event`, `when`, `step`")
        if (self.step is None) != (self.status is None):
            raise mistake("`step` and `status` go together", "`{step: reminder, status: clicked}`")
        if self.when is not None and self.where is not None:
            raise mistake("`where` looks at an event; beside `when` there is none", "write it into `when`")
        if self.restart and self.then:
            raise mistake("`restart` goes on waiting and never reaches its `then`")
        return self

    def takes(self, walk: Walk, event: Event) -> bool:
        """Return whether this branch is satisfied by an event it names."""
        return self.where is None or self.where.truth(walk.scope(event))


class UntilForm(Form):
    """A time-out at an instant of the person's."""

    at: expression_field(Place.STEP)  # type: ignore[valid-type]  # built by a factory
    before: DurationField | None = None
    after: DurationField | None = None
    if_past: Literal["go_on", "exit"]


class WaitForForm(Form):
    """Branches in order, the first match wins; one branch may stand without a list."""

    timeout: DurationField | None = None
    until: UntilForm | None = None
    branches: tuple[WaitBranch, ...]
    on_timeout: StepList | None = None
    since: Literal["step", "entry"] = "step"
    short: bool = Field(default=False, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "branches" in data:
            return data
        keys = [key for key in data if key in _BRANCH_KEYS]
        if not keys:
            return {**data, "branches": ()}
        rest = {key: value for key, value in data.items() if key not in _BRANCH_KEYS}
        return {**rest, "branches": [{key: data[key] for key in keys}], "short": True}

    @model_validator(mode="after")
    def _ends(self) -> "WaitForForm":
        if (self.timeout is None) == (self.until is None):
            raise mistake("`wait_for` needs `timeout` or `until`, and only one of them")
        if not self.branches:
            raise mistake("`wait_for` waits for nothing", "name an `event`, a `when` or a `step`")
        return self


class WaitFor(Step):
    """Wait for the first of several things; a fact that satisfied a branch satisfies no later wait."""

    verb: ClassVar[str] = "wait_for"
    wait_for: WaitForForm

    def waits(self) -> bool:
        """A run stands here until something matches or the time is over."""
        return True

    def blocks(self) -> Iterator[tuple[str, Sequence[Step]]]:
        """`branches.<n>.then` (short form: `then`) and `on_timeout`."""
        for index, branch in enumerate(self.wait_for.branches):
            if branch.then is not None:
                yield self._block(index), branch.then
        if self.wait_for.on_timeout is not None:
            yield "on_timeout", self.wait_for.on_timeout

    def _block(self, index: int) -> str:
        return "then" if self.wait_for.short else f"branches.{index}.then"

    def enter(self, walk: Walk, node: Node) -> Move:
        """Look at what already counts, then wait."""
        for index, branch in enumerate(self.wait_for.branches):
            move = self._already(walk, node, index, branch)
            if move is not None:
                return move
        deadline, over = self._deadline(walk)
        if over:
            walk.note("past")
            assert self.wait_for.until is not None
            return End("exit") if self.wait_for.until.if_past == "exit" else self._timed_out(node)
        return Park(deadline, self._next_look(walk))

    def _already(self, walk: Walk, node: Node, index: int, branch: WaitBranch) -> Move | None:
        if branch.step is not None:
            return self._if_reached(walk, node, index, branch, None)
        if branch.when is not None:
            return self._go(walk, node, index, None) if branch.when.truth(walk.scope()) else None
        if self.wait_for.since == "entry" and branch.event is not None:
            for name in branch.event:
                for event in walk.happened_since(walk.run.since, name):
                    if (branch.any_key or walk.belongs(event)) and branch.takes(walk, event):
                        walk.run.consumed = [*walk.run.consumed, str(event.id)][-MAX_RESTARTS:]
                        return self._go(walk, node, index, event)
        return None

    def _if_reached(
        self, walk: Walk, node: Node, index: int, branch: WaitBranch, event: Event | None
    ) -> Move | None:
        delivery = walk.run.deliveries.get(branch.step or "")
        mark = branch.status
        if delivery is None or mark is None or mark in delivery.used or not delivery.status_reached(mark):
            return None
        if branch.where is not None and (event is None or not branch.takes(walk, event)):
            return None
        delivery.used = [*delivery.used, mark]
        if event is not None:
            walk.run.consumed = [*walk.run.consumed, str(event.id)][-MAX_RESTARTS:]
        return self._go(walk, node, index, event)

    def _go(self, walk: Walk, node: Node, index: int, event: Event | None) -> Move | None:
        branch = self.wait_for.branches[index]
        if event is not None:
            walk.run.event = dict(event.properties)
            if branch.as_ is not None:
                walk.run.variables = {**walk.run.variables, branch.as_: dict(event.properties)}
        if branch.restart:
            count = int(walk.run.state.get("restarts", 0)) + 1
            if count <= MAX_RESTARTS:
                walk.run.state = {**walk.run.state, "restarts": count}
                deadline, _ = self._deadline(walk)
                return Park(deadline, self._next_look(walk))
        walk.note("matched", self._block(index).removesuffix(".then"))
        return Go(node.blocks.get(self._block(index), node.after))

    def _deadline(self, walk: Walk) -> tuple[datetime | None, bool]:
        """Return the end of waiting and whether it is already over."""
        if self.wait_for.timeout is not None:
            return walk.now + self.wait_for.timeout, False
        until = self.wait_for.until
        assert until is not None
        instant = parse_instant(until.at.value(walk.scope()), walk.zone)
        if instant is None:
            return None, True
        try:
            instant += (until.after or timedelta()) - (until.before or timedelta())
        except OverflowError:
            return None, True
        return instant, instant <= walk.now

    def _next_look(self, walk: Walk) -> datetime | None:
        conditions: list[Expression] = [
            branch.when for branch in self.wait_for.branches if branch.when is not None
        ]
        scope = walk.scope()
        looks = [look for condition in conditions if (look := condition.next_change(scope)) is not None]
        return min(looks, default=None)

    def _timed_out(self, node: Node) -> Move:
        return Go(node.blocks.get("on_timeout", node.after))

    def resume(self, walk: Walk, node: Node, stimulus: Stimulus) -> Move | None:
        """Judge the branches in order on what has just happened."""
        match stimulus:
            case Due():
                walk.note("timeout")
                return self._timed_out(node)
            case Happened(event=event, fact_id=fact_id) if fact_id not in walk.run.consumed:
                return self._on_event(walk, node, stimulus, event)
            case Moved(step=step, event=event):
                for index, branch in enumerate(self.wait_for.branches):
                    if branch.step == step:
                        move = self._if_reached(walk, node, index, branch, event)
                        if move is not None:
                            return move
            case Looked():
                return self._on_look(walk, node)
            case _:
                pass
        return None

    def _on_event(self, walk: Walk, node: Node, stimulus: Happened, event: Event) -> Move | None:
        for index, branch in enumerate(self.wait_for.branches):
            if (
                branch.event is not None
                and names_match(branch.event, event.name)
                and (branch.any_key or stimulus.matches_key)
                and branch.takes(walk, event)
            ):
                walk.run.consumed = [*walk.run.consumed, stimulus.fact_id][-MAX_RESTARTS:]
                return self._go(walk, node, index, event)
        return None

    def _on_look(self, walk: Walk, node: Node) -> Move | None:
        for index, branch in enumerate(self.wait_for.branches):
            if branch.when is not None and branch.when.truth(walk.scope()):
                return self._go(walk, node, index, None)
            if branch.step is not None:  # a status that was reached while the journey was paused
                move = self._if_reached(walk, node, index, branch, None)
                if move is not None:
                    return move
        look = self._next_look(walk)
        return Park(walk.run.due_at, look) if look != walk.run.look_at else None
