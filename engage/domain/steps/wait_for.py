"""`wait_for`: the first of several things to happen, or a time-out."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from engage.domain.delivery.delivery import ANSWERS, Mark, reached
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

    def hears(self, event: Event, matches_key: bool) -> bool:
        """Return whether this branch waits for an event of that name and key."""
        named = self.event is not None and names_match(self.event, event.name)
        return named and (self.any_key or matches_key)

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
            return self._if_reached(walk, node, index, None)
        if branch.when is not None:
            return self._go(walk, node, index, None) if branch.when.truth(walk.scope()) else None
        if self.wait_for.since == "entry" and branch.event is not None:
            for name in branch.event:
                for event in walk.happened_since(walk.run.since, name):
                    if (branch.any_key or walk.belongs(event)) and branch.takes(walk, event):
                        _consume(walk, event)
                        return self._go(walk, node, index, event)
        return None

    def _if_reached(self, walk: Walk, node: Node, index: int, now: Event | None) -> Move | None:
        """Take the branch if its step has got so far; `now`: only by this event, which has just happened."""
        branch = self.wait_for.branches[index]
        delivery, status = walk.run.deliveries.get(branch.step or ""), branch.status
        if delivery is None or status is None or status in delivery.used:
            return None
        for fact in delivery.facts_for(status, walk.run.consumed):
            if now in (None, fact.event) and branch.takes(walk, fact.event):
                fact.used = [*fact.used, status]
                if status not in ANSWERS:
                    delivery.used = [*delivery.used, status]
                _consume(walk, fact.event)
                return self._go(walk, node, index, fact.event)
        return self._if_marked(walk, node, index)

    def _if_marked(self, walk: Walk, node: Node, index: int) -> Move | None:
        """Take the branch if its step has got so far by something that is no event."""
        branch = self.wait_for.branches[index]
        delivery, status = walk.run.deliveries.get(branch.step or ""), branch.status
        if delivery is None or status is None or status in delivery.used or branch.where is not None:
            return None
        by_event = any(status in reached([fact.mark]) for fact in delivery.facts)
        if by_event or not delivery.status_reached(status):
            return None
        delivery.used = [*delivery.used, status]
        return self._go(walk, node, index, None)

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
        """Judge the branches on what has just happened."""
        return self.resume_by(walk, node, [stimulus])

    def resume_by(self, walk: Walk, node: Node, fact: Sequence[Stimulus]) -> Move | None:
        """Judge the branches in order on one fact, whatever it is to each of them."""
        if any(isinstance(stimulus, Due) for stimulus in fact):
            walk.note("timeout")
            return self._timed_out(node)
        for index in range(len(self.wait_for.branches)):
            for stimulus in fact:
                move = self._taken(walk, node, index, stimulus)
                if move is not None:
                    return move
        if any(isinstance(stimulus, Looked) for stimulus in fact):
            look = self._next_look(walk)
            return Park(walk.run.due_at, look) if look != walk.run.look_at else None
        return None

    def _taken(self, walk: Walk, node: Node, index: int, stimulus: Stimulus) -> Move | None:
        """Return where a branch leads if this satisfies it."""
        branch = self.wait_for.branches[index]
        match stimulus:
            case Happened(event=event, fact_id=fact_id):
                if fact_id in walk.run.consumed or not branch.hears(event, stimulus.matches_key):
                    return None
                if not branch.takes(walk, event):
                    return None
                _consume(walk, event)
                return self._go(walk, node, index, event)
            case Moved(step=step, event=event) if branch.step == step:
                return self._if_reached(walk, node, index, event)
            case Looked() if branch.when is not None:
                return self._go(walk, node, index, None) if branch.when.truth(walk.scope()) else None
            case Looked() if (
                branch.step is not None
            ):  # a status that was reached while the journey was paused
                return self._if_reached(walk, node, index, None)
            case _:
                return None


def _consume(walk: Walk, event: Event) -> None:
    walk.run.consumed = [*walk.run.consumed, str(event.id)][-MAX_RESTARTS:]
