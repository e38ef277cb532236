"""Journey: what a marketer wrote, as a form, and the program a run walks."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from engage.domain.delivery.delivery import Mark
from engage.domain.expression import Place
from engage.domain.forms import (
    DurationField,
    EventNames,
    Form,
    KebabName,
    PlainText,
    TextField,
    expression_field,
    mistake,
    read_duration,
)
from engage.domain.journey.trigger import Trigger
from engage.domain.project_settings import Share
from engage.domain.steps import StepList
from engage.domain.steps.base import Node, Step
from engage.domain.steps.wait_for import WaitFor


class Reentry(Form):
    """How often a person may enter again."""

    per: Literal["key", "profile"] = "key"
    every: timedelta | None = None
    """None: never again; zero: always."""


def read_reentry(value: object) -> Reentry:
    """Read `never`, `always`, a duration, or `{per: profile, every: …}`."""
    if isinstance(value, Reentry):
        return value
    per: Literal["key", "profile"] = "key"
    if isinstance(value, dict):
        strangers = sorted(set(value) - {"per", "every"})
        if strangers or "every" not in value or value.get("per", "profile") != "profile":
            raise mistake("`reentry` as a mapping is `{per: profile, every: 7 days}`")
        per, value = "profile", value["every"]
    if value == "never":
        return Reentry(per=per, every=None)
    if value == "always":
        return Reentry(per=per, every=timedelta(0))
    every = read_duration(value)
    if every is None:
        raise mistake(f"`{value}` is no `reentry`", "`never`, `always` or a duration such as `7 days`")
    return Reentry(per=per, every=every)


class Entry(Form):
    """Who may enter, how often, and what a trigger does to somebody who is inside."""

    where: expression_field(Place.ENTRY_WHERE) | None = None  # type: ignore[valid-type]  # built by a factory
    reentry: Annotated[Reentry | None, PlainValidator(read_reentry), WithJsonSchema({})] = None
    while_inside: Literal["ignore", "restart"] = "ignore"


class Goal(Form):
    """What success is, counted within a time from entry, also after the end."""

    event: EventNames
    where: expression_field(Place.WAIT) | None = None  # type: ignore[valid-type]  # built by a factory
    within: DurationField | None = None
    value: expression_field(Place.WAIT) | None = None  # type: ignore[valid-type]  # built by a factory
    any_key: bool = False


class ExitRule(Form):
    """What ends a run early: an event, a condition becoming true, or leaving an audience."""

    event: EventNames | None = None
    where: expression_field(Place.WAIT) | None = None  # type: ignore[valid-type]  # built by a factory
    when: expression_field(Place.WHEN) | None = None  # type: ignore[valid-type]  # built by a factory
    also_at_entry: bool = False
    any_key: bool = False
    reason: TextField | None = None

    @model_validator(mode="before")
    @classmethod
    def _audience_left(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("audience_left"), str):
            rest = {key: value for key, value in data.items() if key != "audience_left"}
            return {**rest, "when": f"not in_audience('{data['audience_left']}')"}
        return data

    @model_validator(mode="after")
    def _one(self) -> "ExitRule":
        if (self.event is None) == (self.when is None):
            raise mistake("an item of `exit_when` has one of `event`, `when`, `audience_left`")
        return self


class Migration(Form):
    """How people move from an older version, once, at publish."""

    from_: int = Field(alias="from", ge=1)
    steps: dict[str, str] = {}
    keep_timer: bool = False


class Journey(Form):
    """A journey file. The form is the compiled definition: expressions are closures, durations are durations."""

    journey: KebabName
    title: PlainText = ""
    description: PlainText = ""
    owner: PlainText = ""
    topic: KebabName | None = None
    trigger: Trigger
    entry: Entry = Entry()
    holdout: Share = Field(default=0, validate_default=True)
    goal: Goal | None = None
    exit_when: tuple[ExitRule, ...] = ()
    on_exit: StepList = ()
    steps: StepList = Field(min_length=1)
    migrate: Migration | None = None
    stale_after: DurationField | None = None

    @field_validator("on_exit")
    @classmethod
    def _no_waits(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        if any(step.verb.startswith("wait") for step in _all_of(steps)):
            raise mistake("`on_exit` has no waits", "it runs in the instant in which the run ends")
        return steps

    @model_validator(mode="after")
    def _unique_ids(self) -> "Journey":
        seen: set[str] = set()
        for node in self.program.nodes.values():
            if node.step.id is not None:
                if node.id in seen:
                    raise mistake(f"two steps have the id `{node.id}`", "ids are unique within a journey")
                seen.add(node.id)
        return self

    @property
    def name(self) -> str:
        """Its name."""
        return self.journey

    @cached_property
    def program(self) -> "Program":
        """The steps as a linked program."""
        return Program(self.steps, self.on_exit)

    @property
    def reentry(self) -> Reentry:
        """How often a person may enter again, with the default of the trigger's kind."""
        if self.entry.reentry is not None:
            return self.entry.reentry
        return Reentry(every=self.trigger.default_reentry)


def _all_of(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield steps and everything below them."""
    for step in steps:
        yield step
        for _, block in step.blocks():
            yield from _all_of(block)


class Program:
    """The steps of one version, linked: each node knows what follows it and what its lists begin with.

    Paths count from 0 and are positions only (`2.branches.0.then.1`), also below a step with a written id.
    """

    def __init__(self, steps: Sequence[Step], on_exit: Sequence[Step]) -> None:
        self.nodes: dict[str, Node] = {}
        self.first = self._link(steps, "", None)
        self.on_exit = self._link(on_exit, "on_exit.", None)
        self.by_id = {node.id: node for node in self.nodes.values()}

    def _link(self, steps: Sequence[Step], prefix: str, after: Node | None) -> Node | None:
        following = after
        for index in range(len(steps) - 1, -1, -1):
            step = steps[index]
            path = f"{prefix}{index}"
            node = Node(path=path, id=step.id or path, step=step, after=following)
            self.nodes[path] = node
            for suffix, block in step.blocks():
                back = node if step.loops() else node.after
                node.blocks[suffix] = self._link(block, f"{path}.{suffix}.", back)
            following = node
        return following

    @cached_property
    def awaited(self) -> dict[str, frozenset[Mark]]:
        """The statuses that some `wait_for` asks for, by the id of the step it names."""
        found: dict[str, set[Mark]] = {}
        for node in self.nodes.values():
            for branch in node.step.wait_for.branches if isinstance(node.step, WaitFor) else ():
                if branch.step is not None and branch.status is not None:
                    found.setdefault(branch.step, set()).add(branch.status)
        return {step: frozenset(statuses) for step, statuses in found.items()}

    def walk(self) -> Iterator[Node]:
        """Yield all nodes, in the order in which they are written."""
        return iter(sorted(self.nodes.values(), key=lambda node: _order(node.path)))


def _order(path: str) -> tuple[tuple[int, int | str], ...]:
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in path.split("."))
