"""What a step is: a form that knows how a run enters it, and what wakes a run that waits at it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

from engage.domain.consent.consent import ConsentState
from engage.domain.delivery.delivery import Channel, Mark
from engage.domain.expression import Expression, Scope
from engage.domain.forms import DurationField, Form, PlainText
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event


@dataclass(slots=True, eq=False)
class Node:
    """One step at its place in a journey: `path` is its position, `id` its written id or the path."""

    path: str
    id: str
    step: "Step"
    after: "Node | None" = None
    """Where a run goes on when this step is done; none: the journey is completed."""
    blocks: dict[str, "Node | None"] = field(default_factory=dict)
    """The first step of each list below this one, by the suffix of its path; an empty list leads to `after`."""


@dataclass(frozen=True, slots=True)
class Go:
    """Go on to a node; none: the end of the journey."""

    to: Node | None


@dataclass(frozen=True, slots=True)
class Park:
    """Wait here: until `due`, and for whatever the step listens to; `look` is when the clock may change a condition."""

    due: datetime | None = None
    look: datetime | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The run ends, with this reason."""

    reason: str


Move = Go | Park | End


@dataclass(frozen=True, slots=True)
class Due:
    """The run's timer fired."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event happened to this person, and belongs to this run by key or by delivery."""

    event: Event
    fact_id: str
    matches_key: bool
    """Whether the journey's key expression gives this run's key for it (or the journey has none)."""
    step: str | None = None
    """The step of this run whose delivery the event is about, if any."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A delivery of this run got further: `mark` is what is newly known about it."""

    step: str
    mark: Mark
    reason: str | None = None
    event: Event | None = None
    delivery: str | None = None
    marks: list[Mark] = field(default_factory=list)
    """Everything known of that delivery, this included."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Something about the person may have changed: conditions are judged again."""


Stimulus = Due | Happened | Moved | Looked


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One delivery, or one call to another system, as a step asks for it: everything evaluated."""

    channel: Channel
    template: str | None = None
    text: str | None = None
    variables: Any = field(default_factory=dict)
    to: str | None = None
    """None: the person's own address; empty: an address was named and there is none."""
    topic: str | None = None
    sender: str | None = None
    expires: timedelta | None = None
    """From the instant the step was due by plan."""
    until: datetime | None = None
    """When it expires, where that is not counted from here."""


class Walk(Protocol):
    """What a step may see and do while a run stands at it. Nothing here touches the world."""

    now: datetime
    run: Run
    journey_name: str
    bucket_key: str

    @property
    def zone(self) -> ZoneInfo:
        """The person's zone."""
        ...

    def scope(self, event: Event | None = None) -> Scope:
        """Return what expressions see now; `event` is the one being looked at."""
        ...

    def fill(self, data: Any) -> Any:
        """Return compiled data with its texts evaluated."""
        ...

    def zone_of(self, name: str | None) -> ZoneInfo:
        """Return the zone a step names: none or `person` is the person's own."""
        ...

    @property
    def planned(self) -> datetime:
        """When this step was due by plan: earlier than `now` where a pause or a downtime came between."""
        ...

    def fill_secret(self, data: Any) -> Any:
        """Return compiled data with its texts evaluated; secrets stand in it by name (`marked_secret`)."""
        ...

    def ask(self, node: Node, asked: Asked) -> str:
        """Ask for one delivery, for this visit of this step, and return its id."""
        ...

    def cancel(self, node: Node) -> None:
        """Cancel what this step asked for and has not left yet."""
        ...

    def happened_since(self, since: datetime, name: str) -> Sequence[Event]:
        """Return this person's events of that name (or `Prefix*`) from `since` on that this run may see."""
        ...

    def belongs(self, event: Event) -> bool:
        """Return whether the event has this run's key."""
        ...

    def write_traits(self, values: Mapping[str, Any]) -> None:
        """Write traits of the person, as of now."""
        ...

    def change_consent(self, channel: str, topic: str, state: ConsentState) -> None:
        """Append to the consent ledger for this person's address; the source is this run."""
        ...

    def suppress(self, channel: str, reason: str) -> None:
        """Suppress this person's address on a channel, everywhere."""
        ...

    def emit(self, node: Node, event: str, properties: Mapping[str, Any]) -> bool:
        """Let an event follow, handled once this run rests. False: the limit of its chain is reached."""
        ...

    def start(self, node: Node, journey: str, entry: Mapping[str, Any], key: str | None) -> bool:
        """Enter the person into another journey once this run rests. False: the limit of its chain is reached."""
        ...

    def member(self, audience: str, member: bool) -> None:
        """Put this person into a manual audience, or take them out."""
        ...

    def look(self, expression: Expression, scope: Scope) -> bool:
        """Judge a condition and record what it saw."""
        ...

    def chosen(self, step: str) -> str | None:
        """Return the arm a scenario fixed for this person at a split, or None."""
        ...

    def note(self, outcome: str, reason: str | None = None, values: Mapping[str, Any] | None = None) -> None:
        """Record a decision of this step."""
        ...


class Step(Form):
    """One step of a journey. A subclass is one verb: its form, how it is entered, and what resumes it."""

    verb: ClassVar[str]
    id: PlainText | None = None
    note: PlainText | None = None
    expires: DurationField | None = None
    if_not_sent: dict[str, Any] | None = None

    def blocks(self) -> Iterator[tuple[str, Sequence["Step"]]]:
        """Yield the lists of steps below this one, each with the suffix of its path."""
        return iter(())

    def loops(self) -> bool:
        """Return whether its blocks lead back to it instead of past it."""
        return False

    def enter(self, walk: Walk, node: Node) -> Move:
        """Return what happens when a run arrives here."""
        raise NotImplementedError

    def resume(self, walk: Walk, node: Node, stimulus: Stimulus) -> Move | None:
        """Return what a stimulus does to a run that waits here; none: it goes on waiting."""
        del walk, stimulus
        return Go(node.after) if self.waits() else None

    def resume_by(self, walk: Walk, node: Node, fact: Sequence[Stimulus]) -> Move | None:
        """Return what one fact does that is several stimuli at once: the first that does something decides."""
        return next((move for one in fact if (move := self.resume(walk, node, one)) is not None), None)

    def waits(self) -> bool:
        """Return whether a run can stand at this step at all."""
        return False
