"""Membership: computed traits and audiences follow what changed, at the instant at which it changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.decision import Decided
from engage.domain.expression import Expression
from engage.domain.journey.clockwork import plan as plan_clocks
from engage.domain.profile.person import Person
from engage.domain.profile.profile import Profile, same_value
from engage.domain.profile.touched import Touched
from engage.domain.timing import format_instant
from engage.domain.turn.changes import MembershipChange, TimerKind
from engage.domain.turn.turn import Turn


def follow(turn: Turn, person: Person, touched: Touched) -> None:
    """Bring computed traits and audiences in line with what changed; changes of membership become events.

    They come in the order in which they read each other, so one pass settles everything.
    """
    if person.unjudged:
        touched.everything, person.unjudged = True, False
    for rule in turn.catalog.followed:
        if isinstance(rule, ComputedTrait):
            if touched.concerns(rule.value.reads):
                _compute(turn, person, rule, touched)
        elif rule.where is not None and touched.concerns(rule.where.reads):
            _judge(turn, person, rule, touched)
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
    value = as_trait(trait.value.value(person.scope(turn.catalog.settings, turn.now)))
    changed = _write_computed(turn, person.profile, trait.name, value)
    if changed:
        touched.traits.add(trait.name)
        touched.values.update(changed)
        turn.touch(person)
    _plan(turn, person, TimerKind.TRAIT, trait.name, trait.value)


def as_trait(value: Any) -> Any:
    """Return a computed value as a trait keeps it: an instant is text, which is how it is told when it is read again."""
    return format_instant(value) if isinstance(value, datetime) else value


def _write_computed(turn: Turn, profile: Profile, name: str, value: Any) -> dict[str, tuple[Any, Any]]:
    """Write what was computed; what comes out as it was is no repeat that anything told late could fall before."""
    known = profile.trait_times.get(name)
    if known is None:
        return profile.write_traits({name: value}, turn.now)
    if same_value(profile.traits.get(name), value):
        return {}
    # A fact that waited in another lane is not newer than what came before it: what is computed now is true all the same.
    return profile.write_traits({name: value}, max(turn.now, known.written))


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


def apply_traits(
    turn: Turn, person: Person, values: Mapping[str, Any], at: datetime, *, moved: set[str] | None = None
) -> dict[str, tuple[Any, Any]]:
    """Write traits as of `at`; return those that changed, before and after; see `Profile.write_traits`.

    A write to a computed trait is refused and recorded.
    """
    computed = sorted(name for name in values if name in turn.catalog.traits)
    if computed:
        turn.decide(person, Decided.EVENT, "refused", reason="computed_trait", values={"traits": computed})
    own = {name: value for name, value in values.items() if name not in computed}
    changed = person.profile.write_traits(own, at, moved=moved)
    if values:
        turn.touch(person)
    return changed


def put_in_or_out(turn: Turn, person: Person, audience: str, member: bool) -> Touched:
    """Change a manual audience for a person and return what that touched: nothing if it stands so already."""
    known = turn.catalog.audiences.get(audience)
    if known is None or not known.manual:
        turn.decide(person, Decided.AUDIENCE, "refused", reason="not_manual", values={"audience": audience})
        return Touched()
    if member is (audience in person.audiences):
        return Touched()
    change_membership(turn, person, audience, member)
    return Touched(audiences={audience})
