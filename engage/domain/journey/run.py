"""Run: one person's way through one journey, as it is stored between two facts."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from engage.domain.delivery.delivery import ANSWERS, Mark, reached
from engage.domain.fact import Json
from engage.domain.ids import DeliveryId, ProfileId, RunId
from engage.domain.profile.profile import Event


class StepFact(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One fact about a delivery that a step of this journey may wait for, with the event that it is."""

    mark: Mark
    event: Event
    used: list[Mark] = []
    """Statuses that it has satisfied a wait for: each at most once."""


class StepDelivery(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The newest delivery of one step in this run, as far as later steps may ask about it."""

    id: DeliveryId
    channel: str
    marks: list[Mark] = []
    used: list[Mark] = []
    """Statuses that are reached once, and have satisfied a wait."""
    facts: list[StepFact] = []
    """What somebody may wait for, oldest first, bounded: a status reached before its wait still has its event."""
    earlier: list[DeliveryId] = []
    """The deliveries of the same `reach` that came before it."""

    def status_reached(self, mark: Mark) -> bool:
        """Return whether the delivery has got as far as `mark`, directly or by implication."""
        return mark in reached(self.marks)

    def facts_for(self, status: Mark, consumed: Collection[str]) -> list[StepFact]:
        """Return the facts by which `status` was reached and that may still satisfy a wait; `consumed`: events that
        have satisfied one, as an event or as another status of the same fact."""
        return [
            fact
            for fact in self.facts
            if status in reached([fact.mark]) and status not in fact.used
            if fact.used or fact.event.id not in consumed
        ]


def next_delivery(
    known: StepDelivery | None,
    *,
    delivery: DeliveryId,
    channel: str,
    beside: Iterable[str],
    marks: Sequence[Mark] = (),
) -> StepDelivery:
    """Return what a run keeps of a step's delivery from now on; `beside`: the others of the same visit of a `reach`."""
    earlier = [DeliveryId(other) for other in beside if other != delivery]
    answers = [fact for fact in known.facts if fact.mark in ANSWERS] if known is not None and earlier else []
    return StepDelivery(id=delivery, channel=channel, marks=list(marks), facts=answers, earlier=earlier)


class Run(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run. At most one active per (journey, profile, key): a database constraint.

    A run that has not ended stands at `step` and waits: for `due_at` (its timer), for a delivery, or for a named
    fact. `state` is what the step at which it stands keeps for itself and is emptied on moving on.
    """

    id: RunId
    profile: ProfileId
    journey: str
    version: int
    key: str = ""
    entered_at: datetime
    """The instant of the fact that started it (its `now`)."""
    since: datetime
    """The timestamp of the fact that started it: exits, goals and waits see only events from here on."""
    started_by: str | None = None
    """Id of the event that started it: it cannot satisfy this run."""
    chain: int = 0
    """`emit` and `start` done since the last outside fact: a wait does not begin a new chain."""
    links: int = 0
    """Runs that came of one another since the last outside fact, this one included."""
    moves: int = 0
    """Steps taken so far, by any version."""
    entry: Json = {}
    entry_event: str | None = None
    held_out: bool = False
    step: str | None = None
    arrived_at: datetime | None = None
    due_at: datetime | None = None
    look_at: datetime | None = None
    """When the clock alone may change a condition this run waits for."""
    state: Json = {}
    variables: Json = {}
    """`run.<name>`: what `remember`, `save_as` and aliases kept."""
    event: Json | None = None
    """Properties of the last matched event; none: the entry."""
    visits: dict[str, int] = {}
    """The steps it has been at, each with how many deliveries it asked for there."""
    turns: dict[str, int] = {}
    """Turns begun of each `repeat` the run is inside."""
    deliveries: dict[str, StepDelivery] = {}
    conditions: dict[str, bool] = {}
    """The last known truth of each `exit_when: when:`, so that only becoming true ends the run."""
    consumed: list[str] = []
    """Ids of facts that satisfied a wait (newest last, bounded)."""
    kept: list[Event] = []
    """Facts that arrived while the journey was paused, to be judged at resume."""
    ordinal: int = 1
    """This person's n-th entry into this journey, from 1 (for `sticky: false`)."""
    goal_until: datetime | None = None
    goal_at: datetime | None = None
    goal_value: Any = None
    ended_at: datetime | None = None
    reason: str | None = None

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.ended_at is None

    def goal_open(self, now: datetime) -> bool:
        """Return whether reaching the goal would still count for this run."""
        return self.goal_at is None and self.goal_until is not None and now <= self.goal_until
