"""Proofs about chains: journeys that set each other, or themselves, going without an end."""

from collections.abc import Iterable, Iterator

from engage.domain.delivery.delivery import Mark
from engage.domain.delivery.events import event_of
from engage.domain.expression import Text
from engage.domain.expression.reads import Reads
from engage.domain.forms import names_match
from engage.domain.journey.journey import Journey
from engage.domain.journey.trigger import Trigger
from engage.domain.steps.base import Step
from engage.domain.steps.flow import Emit, Start
from engage.domain.steps.people import AddTo, RemoveFrom, Set, Subscribe, Suppress, Unsubscribe
from engage.domain.steps.send import Send
from engage.project.kinds import Definition
from engage.project.problem import Level, Problem
from engage.project.proofs.feeding import reads_of
from engage.project.surroundings import Surroundings
from engage.project.yaml.nodes import Position

_OWN_EVENTS = ("Journey Entered", "Journey Exited")


def chain_proofs(definitions: Iterable[Definition], around: Surroundings) -> Iterator[Problem]:
    """Point out journeys that set each other going in a circle without an end."""
    places = {
        definition.name: definition for definition in definitions if isinstance(definition.form, Journey)
    }
    follows = {name: dict(_follows(journey, around)) for name, journey in around.journeys.items()}
    told: set[str] = set()
    for name in sorted(follows):
        circle = _circle(name, follows)
        if circle is None or told & set(circle):
            continue
        told.update(circle)
        document = places[name].document
        at = Position(1, 1) if document is None else document.at(follows[name][circle[1 % len(circle)]])
        yield Problem(
            path=places[name].path,
            line=at.line,
            column=at.column,
            message="a circle without an end: " + " → ".join(f"`{link}`" for link in [*circle, name]),
            hint="a chain without waits is cut off after 100 links; let one of them say `reentry: never`",
            level=Level.WARNING,
        )


def _follows(journey: Journey, around: Surroundings) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Yield the journeys that a run of this one can set going again and again, with the place of the step."""
    for name, target in around.journeys.items():
        if target.reentry.every is None:
            continue
        if _hears(target, _OWN_EVENTS if journey.goal is None else (*_OWN_EVENTS, "Goal Reached")):
            yield name, ("steps", 0)
        for node in journey.program.walk():
            if _sets_going(node.step, name, target.trigger, target) or _by_rule(
                journey, node.step, target, around
            ):
                first = node.path.split(".")[0]
                yield name, ("steps", int(first)) if first.isdigit() else ("on_exit",)


def _sets_going(step: Step, name: str, trigger: Trigger, target: Journey) -> bool:
    """Return whether a step brings people into a journey, by whatever follows from it."""
    match step:
        case Start(start=form):
            return form.journey == name
        case Emit(emit=form):
            event = form.event.constant
            return event is not None and names_match(trigger.event or (), event)
        case Set(set=values):
            return trigger.trait is not None and trigger.trait.changed in values and trigger.where is None
        case AddTo(add_to=audience):
            return trigger.audience is not None and trigger.audience.entered == audience
        case RemoveFrom(remove_from=audience):
            return trigger.audience is not None and trigger.audience.left == audience
        case Send():
            return _hears(target, (event_of(step.channel, Mark.ACCEPTED) or "",))
        case Subscribe() | Unsubscribe():
            return _hears(target, ("Subscription Updated",))
        case Suppress():
            return _hears(target, ("Address Suppressed",))
        case _:
            return False


def _by_rule(journey: Journey, step: Step, target: Journey, around: Surroundings) -> bool:
    """Return whether a step may bring people into a journey by changing what the rule of its audience reads.

    A run that begins when its person enters an audience can only let them leave it with its first change, and the
    other way round: only a second change, or a computed one, brings them back to where the run began.
    """
    asked = target.trigger.audience
    audience = None if asked is None else asked.entered or asked.left
    if audience is None:
        return False
    reads = reads_of(audience, around)
    if not _changes(step, reads):
        return False
    if journey.trigger.audience != asked:
        return True
    changes = [node.step for node in journey.program.walk() if _changes(node.step, reads)]
    return len(changes) > 1 or _is_computed(step)


def _changes(step: Step, reads: Reads) -> bool:
    match step:
        case Set(set=values):
            return not reads.traits.isdisjoint(values)
        case AddTo(add_to=audience) | RemoveFrom(remove_from=audience):
            return audience in reads.audiences
        case Emit(emit=form):
            event = form.event.constant
            return event is not None and any(names_match((read.name,), event) for read in reads.events)
        case Subscribe(subscribe=form) | Unsubscribe(unsubscribe=form):
            return (str(form.channel), form.topic.constant) in reads.consents
        case _:
            return False


def _is_computed(step: Step) -> bool:
    values = step.set.values() if isinstance(step, Set) else ()
    return any(isinstance(value, Text) and value.constant is None for value in values)


def _hears(target: Journey, events: Iterable[str]) -> bool:
    """Return whether our own events start a journey, whichever they are about: no condition chooses among them."""
    trigger = target.trigger
    chooses = trigger.where is not None or target.entry.where is not None
    return not chooses and any(names_match(trigger.event or (), event) for event in events)


def _circle(start: str, follows: dict[str, dict[str, tuple[str | int, ...]]]) -> list[str] | None:
    ways, seen = [[start]], set[str]()
    while ways:
        way = ways.pop(0)
        for following in follows.get(way[-1], ()):
            if following == start:
                return way
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return None
