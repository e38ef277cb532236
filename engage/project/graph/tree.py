"""Graph: a journey as a tree of cards and forks, the way its picture is drawn. Pure.

A sequence goes down; a fork opens side by side and closes again below, unless a way ends in an exit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from engage.domain.journey.journey import Journey
from engage.domain.steps.base import Step
from engage.domain.steps.choice import Branch, Split
from engage.domain.steps.flow import Repeat
from engage.domain.steps.send import Send
from engage.domain.steps.wait_for import WaitFor
from engage.project.words.steps import branch_words, entry_words, exit_words, span, step_words, trigger_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One step as it is shown."""

    path: str
    verb: str
    title: str
    details: tuple[str, ...] = ()
    id: str | None = None
    """Its written id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way out of a fork: its condition and what follows on it."""

    label: str
    items: "tuple[Item, ...]" = ()
    code: bool = False
    """Whether the label is an expression."""

    @property
    def open(self) -> bool:
        """Whether a person on this way goes on below the fork."""
        return goes_on(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A step, the ways that open below it, or the steps it repeats."""

    card: Card
    ways: tuple[Way, ...] = ()
    main: int | None = None
    """The way that goes straight down, if one of them is the ordinary one."""
    loop: "tuple[Item, ...]" = ()

    @property
    def open(self) -> bool:
        """Whether a person goes on below it."""
        if self.card.verb == "exit":
            return False
        return not self.ways or any(way.open for way in self.ways)


def goes_on(items: Sequence[Item]) -> bool:
    """Return whether somebody who walks these items comes out at their end."""
    return all(item.open for item in items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A whole journey."""

    name: str
    title: str
    description: str
    trigger: Card
    entry: tuple[str, ...]
    goal: str | None
    exits: tuple[tuple[str, str], ...]
    """What ends a run early, and as what."""
    items: tuple[Item, ...]
    on_exit: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCount:
    """How many people came to a step, and wait at it now; none: not counted."""

    entered: int | None = None
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNumbers:
    """Live numbers of one journey, to be drawn into its picture."""

    entered: int = 0
    inside: int = 0
    goals: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    """Ended runs by reason."""
    steps: dict[str, StepCount] = field(default_factory=dict)
    """By path of the step."""


def flow_of(journey: Journey) -> Flow:
    """Return the picture's tree of a journey."""
    trigger = trigger_words(journey.trigger)
    goal = None
    if journey.goal is not None:
        goal = " or ".join(journey.goal.event)
        if journey.goal.where is not None:
            goal += f" where {journey.goal.where.source}"
        if journey.goal.within is not None:
            goal += f" within {span(journey.goal.within)}"
    return Flow(
        name=journey.journey,
        title=journey.title or journey.journey,
        description=" ".join(journey.description.split()),
        trigger=Card(path="", verb=journey.trigger.form, title=trigger.title, details=trigger.details),
        entry=entry_words(journey),
        goal=goal,
        exits=tuple(
            (exit_words(rule), "exit" if rule.reason is None else rule.reason.source)
            for rule in journey.exit_when
        ),
        items=_items(journey.steps, ""),
        on_exit=_items(journey.on_exit, "on_exit."),
    )


def _items(steps: Sequence[Step], prefix: str) -> tuple[Item, ...]:
    return tuple(_item(step, f"{prefix}{index}") for index, step in enumerate(steps))


def _item(step: Step, path: str) -> Item:
    words = step_words(step)
    below = {suffix: _items(block, f"{path}.{suffix}.") for suffix, block in step.blocks()}
    card = Card(path=path, verb=step.verb, title=words.title, details=words.details, id=step.id)
    match step:
        case Branch():
            return _forked(card, _branch_ways(step, below))
        case Split():
            return _forked(card, _split_ways(step, below))
        case WaitFor():
            return _wait_for(card, step, below)
        case Send():
            return _send(card, step, below)
        case Repeat():
            return Item(card=card, loop=below["steps"])
        case _:
            return Item(card=card)


def _forked(card: Card, ways: tuple[Way, ...]) -> Item:
    """An only way without steps goes straight down; the other ways stand beside it."""
    empty = [index for index, way in enumerate(ways) if not way.items]
    return Item(card=card, ways=ways, main=empty[0] if len(empty) == 1 else None)


def _branch_ways(step: Branch, below: dict[str, tuple[Item, ...]]) -> tuple[Way, ...]:
    ways = [
        Way(label=item.if_.source, items=below[f"{index}.then"], code=True)
        for index, item in enumerate(step.branch)
        if item.if_ is not None
    ]
    return (*ways, Way(label="otherwise", items=below.get("else", ())))


def _split_ways(step: Split, below: dict[str, tuple[Item, ...]]) -> tuple[Way, ...]:
    total = sum(arm.weight for arm in step.split.arms.values())
    return tuple(
        Way(label=f"{name}  {float(arm.weight / total * 100):.3g}%", items=below[name])
        for name, arm in step.split.arms.items()
    )


def _wait_for(card: Card, step: WaitFor, below: dict[str, tuple[Item, ...]]) -> Item:
    form = step.wait_for
    ways: list[Way] = []
    for index, branch in enumerate(form.branches):
        suffix = "then" if form.short else f"branches.{index}.then"
        again = "  (the wait starts again)" if branch.restart else ""
        ways.append(Way(label=f"{branch_words(branch)}{again}", items=below.get(suffix, ())))
    over = f"after {span(form.timeout)}" if isinstance(form.timeout, timedelta) else "when the time is over"
    ways.append(Way(label=over, items=below.get("on_timeout", ())))
    if not any(way.items for way in ways):
        return Item(card=card)
    plain = Card(path=card.path, verb=card.verb, title=card.title, id=card.id)
    return _forked(plain, tuple(ways))


def _send(card: Card, step: Send, below: dict[str, tuple[Item, ...]]) -> Item:
    answers = {reason: answer for reason, answer in (step.if_not_sent or {}).items() if answer != "continue"}
    if not answers:
        return Item(card=card)
    ways = [Way(label="")]
    for reason, answer in answers.items():
        only = len(step.if_not_sent or {}) == 1
        told = reason.replace("_", " ") if reason != "default" else "other reasons"
        label = "not sent" if only and reason == "default" else f"not sent: {told}"
        items = below.get(f"if_not_sent.{reason}", ())
        if isinstance(answer, str):
            items = (Item(card=Card(path=f"{card.path}.if_not_sent.{reason}", verb="exit", title="Exit")),)
        ways.append(Way(label=label, items=items))
    return Item(card=card, ways=tuple(ways), main=0)
