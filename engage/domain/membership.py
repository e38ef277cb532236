"""Membership: computed traits and audiences follow what changed, at the instant at which it changed."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engage.domain.audience import Audience, ComputedTrait
from engage.domain.changes import MembershipChange, TimerKind
from engage.domain.clockwork import plan as plan_clocks
from engage.domain.decision import Decided
from engage.domain.expression import EventRead, Expression, Reads
from engage.domain.person import Person
from engage.domain.turn import Turn

_IDENTIFIERS = frozenset({"id", "user_id", "anonymous_id"})


@dataclass(slots=True)
class Touched:
    """What one fact changed about a person, as far as rules may care."""

    traits: set[str] = field(default_factory=set)
    values: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Traits that have another value now: before and after."""
    at: datetime | None = None
    """When the values changed, where that is not now."""
    events: set[str] = field(default_factory=set)
    audiences: set[str] = field(default_factory=set)
    consent: bool = False
    everything: bool = False

    def __bool__(self) -> bool:
        """Whether anything changed at all."""
        return bool(self.traits or self.events or self.audiences or self.consent or self.everything)

    def concerns(self, reads: Reads) -> bool:
        """Return whether an expression that reads `reads` may have another value now."""
        return (
            self.everything
            or not self.traits.isdisjoint(reads.traits)
            or not self.traits.isdisjoint(reads.changed_at)
            or not self.audiences.isdisjoint(reads.audiences)
            or (self.consent and reads.subscriptions)
            or (bool(reads.identifiers) and not self.traits.isdisjoint(_IDENTIFIERS))
            or any(_read_names(read, self.events) for read in reads.events)
        )


def _read_names(read: EventRead, events: Collection[str]) -> bool:
    if read.name.endswith("*"):
        return any(name.startswith(read.name[:-1]) for name in events)
    return read.name in events


def follow(turn: Turn, person: Person, touched: Touched) -> None:
    """Bring computed traits and audiences in line with what changed; changes of membership become events.

    Traits come first, then audiences in the order in which they read each other, so one pass settles everything.
    """
    if person.unjudged:
        touched.everything, person.unjudged = True, False
    for trait in turn.catalog.traits.values():
        if touched.concerns(trait.value.reads):
            _compute(turn, person, trait, touched)
    for audience in turn.catalog.rules:
        assert audience.where is not None
        if touched.concerns(audience.where.reads):
            _judge(turn, person, audience, touched)
    if turn.catalog.personal_clocks:
        plan_clocks(
            turn,
            person,
            traits=touched.traits,
            audiences=touched.audiences,
            everything=touched.everything,
        )


def on_timer(turn: Turn, person: Person, kind: TimerKind, name: str) -> Touched:
    """The clock may have changed one rule; judge it, and what reads it, again."""
    touched = Touched()
    turn.set_timer(person, kind, name, None)
    trait, audience = turn.catalog.traits.get(name), turn.catalog.audiences.get(name)
    if kind is TimerKind.TRAIT and trait is not None:
        _compute(turn, person, trait, touched)
    if kind is TimerKind.AUDIENCE and audience is not None and audience.where is not None:
        _judge(turn, person, audience, touched)
    follow(turn, person, touched)
    return touched


def _compute(turn: Turn, person: Person, trait: ComputedTrait, touched: Touched) -> None:
    scope = person.scope(turn.catalog.settings, turn.now)
    value: Any = trait.value.value(scope)
    known = person.profile.trait_times.get(trait.name)
    # A fact that waited in another lane is not newer than what came before it: what is computed now is true all the same.
    at = turn.now if known is None else max(turn.now, known.written)
    changed = person.profile.write_traits({trait.name: value}, at)
    if changed:
        touched.traits.add(trait.name)
        touched.values.update(changed)
        turn.touch(person)
    _plan(turn, person, TimerKind.TRAIT, trait.name, trait.value)


def _judge(turn: Turn, person: Person, audience: Audience, touched: Touched) -> None:
    assert audience.where is not None
    inside = audience.where.truth(person.scope(turn.catalog.settings, turn.now))
    if inside is not (audience.name in person.audiences):
        change_membership(turn, person, audience.name, inside)
        touched.audiences.add(audience.name)
    _plan(turn, person, TimerKind.AUDIENCE, audience.name, audience.where)


def _plan(turn: Turn, person: Person, kind: TimerKind, name: str, expression: Expression) -> None:
    if expression.reads.now:
        due = expression.next_change(person.scope(turn.catalog.settings, turn.now))
        turn.set_timer(person, kind, name, due)


def change_membership(turn: Turn, person: Person, audience: str, member: bool) -> None:
    """Put a person into an audience, or take them out: the row, the event, the decision."""
    if member:
        person.audiences.add(audience)
    else:
        person.audiences.discard(audience)
    turn.changes.memberships.append(
        MembershipChange(profile=person.id, audience=audience, member=member, at=turn.now)
    )
    turn.decide(person, Decided.AUDIENCE, "entered" if member else "left", values={"audience": audience})
    turn.happen(
        person,
        "Audience Entered" if member else "Audience Exited",
        {"audience_key": audience, audience: member},
    )
