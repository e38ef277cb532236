"""Selecting: which people a rule is about, asked of storage for many at once.

What is answered is a superset where the store cannot judge as Python does; whoever is *unsure* is judged by the engine.
A store that cannot judge at all says that everybody is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.expression import Expression
from engage.domain.ids import ProfileId
from engage.domain.project_settings import ProjectSettings


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is the same for everybody: the clock, what started it, the house rules, and rules that stand for tables."""

    now: datetime
    settings: ProjectSettings = field(default_factory=ProjectSettings)
    entry: Mapping[str, Any] | None = None
    entry_event: str | None = None
    audiences: Mapping[str, Audience] = field(default_factory=dict)
    """Audiences that are judged by their rule, not by who is in them now."""
    traits: Mapping[str, ComputedTrait] = field(default_factory=dict)
    """Computed traits that are computed, not read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Some people in the order of their ids: after one, up to and including another."""

    after: ProfileId | None
    upto: ProfileId
    people: int
    """How many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What is brought in line: rules that changed, with all that read them; those that others read come first."""

    audiences: Sequence[Audience] = ()
    traits: Sequence[ComputedTrait] = ()
    inside: Collection[str] = ()
    """Who is in one of these audiences is looked at by the engine in any case."""
    outside: Collection[str] = ()
    """Who is not in one of these is, too."""
    dated: Collection[str] = ()
    """Who has one of these traits is, too: a journey's clock goes by it."""
    clocks: Collection[str] = ()
    """Who has a clock of one of these journeys running is, too."""
    walking: bool = True
    """Whether everybody who is in a journey is looked at; else only those of them whose membership changes."""
    watched: Collection[str] = ()
    """Whose membership of one of these changes is looked at by the engine: more follows from it than the event."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One person whose audiences or timers are not what the rules ask for."""

    profile: ProfileId
    lane: int
    unsure: bool
    """The engine must judge: SQL cannot, or more than memberships hangs on it. The rest says nothing then."""
    members: Mapping[str, bool] = field(default_factory=dict)
    """Audiences in which this person is to be from now on, or no longer."""
    due: Mapping[str, datetime | None] = field(default_factory=dict)
    """Audiences whose timer is to be set, or cleared."""


@dataclass(frozen=True, slots=True)
class Holding:
    """For whom a rule holds: surely, and perhaps."""

    surely: frozenset[ProfileId]
    perhaps: frozenset[ProfileId]


class Selection(Protocol):
    """People by rule. Nothing is locked."""

    def stretch(self, after: ProfileId | None, limit: int) -> Stretch | None:
        """Return the next people in the order of their ids; None: there are none."""
        ...

    def upto(self, after: ProfileId | None, last: ProfileId) -> Stretch:
        """Return the people after one, up to another."""
        ...

    def candidates(self, rule: Expression, given: Given, among: Stretch) -> list[ProfileId]:
        """Return those for whom the rule may hold, in the order of their ids."""
        ...

    def members(self, audience: str, after: ProfileId | None, limit: int) -> list[ProfileId]:
        """Return the next members of an audience, in the order of their ids."""
        ...

    def walking(self, journey: str, among: Stretch) -> list[ProfileId]:
        """Return those who are in a journey now, in the order of their ids."""
        ...

    def standings(self, rules: Rules, given: Given, among: Stretch | Collection[ProfileId]) -> list[Standing]:
        """Return whoever is not as the rules ask for, in the order of their ids."""
        ...

    def sample(self, size: int) -> list[ProfileId]:
        """Return some people at random, about `size`; everybody, if there are not many more."""
        ...

    def holding(
        self, rules: Sequence[Expression], given: Given, among: Stretch | Collection[ProfileId]
    ) -> list[Holding]:
        """Return for whom each rule holds."""
        ...
