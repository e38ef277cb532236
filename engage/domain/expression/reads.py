"""What an expression depends on: decides when it must be judged again and what must be loaded for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from engage.domain.expression.foldable import Foldable


@dataclass(frozen=True, slots=True, order=False)
class EventRead:
    """Events that an expression looks at."""

    #: An event name; ends in `*` for a prefix.
    name: str
    #: The oldest age that can matter (an event of exactly this age does not); None: the whole history.
    within: timedelta | None = None
    #: Whether only aggregates with a state look at them: what is kept of those counted stands for them.
    folded: bool = False
    #: Whether only what happened since a run was entered is looked at: each run's own instant, then, and not the whole history.
    entered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Everything the value of an expression can depend on."""

    #: Top-level trait names; `timezone` is among them where a bare date may be read.
    traits: frozenset[str] = frozenset()
    #: Which of `id`, `user_id`, `anonymous_id` are read from the profile.
    identifiers: frozenset[str] = frozenset()
    events: frozenset[EventRead] = frozenset()
    #: Aggregates over the whole history, told by a state.
    folds: frozenset[Foldable] = frozenset()
    audiences: frozenset[str] = frozenset()
    changed_at: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    #: (channel, topic) pairs asked of consent.
    consents: frozenset[tuple[str, str]] = frozenset()
    subscriptions: bool = False
    event: bool = False
    entry: bool = False
    run: bool = False
    #: First names after `run.`, without `key` and `entered_at`: what must have been remembered before.
    run_names: frozenset[str] = frozenset()
    #: First names after `entry.`; empty with `entry` true if the whole entry is read.
    entry_names: frozenset[str] = frozenset()
    #: Whether it names an address that is made only when its message leaves.
    links: bool = False
    #: Whether the clock alone can change the value.
    now: bool = False

    @property
    def sees_more_than_values(self) -> bool:
        """Whether it looks beyond the values at hand: into history, audiences or consent."""
        return bool(self.events or self.audiences or self.subscriptions or self.changed_at)


def union(parts: Iterable[Reads]) -> Reads:
    """Return what is read by any of `parts`."""
    parts = tuple(parts)
    return Reads(
        traits=frozenset().union(*(p.traits for p in parts)),
        identifiers=frozenset().union(*(p.identifiers for p in parts)),
        events=frozenset().union(*(p.events for p in parts)),
        folds=frozenset().union(*(p.folds for p in parts)),
        audiences=frozenset().union(*(p.audiences for p in parts)),
        changed_at=frozenset().union(*(p.changed_at for p in parts)),
        secrets=frozenset().union(*(p.secrets for p in parts)),
        consents=frozenset().union(*(p.consents for p in parts)),
        subscriptions=any(p.subscriptions for p in parts),
        event=any(p.event for p in parts),
        entry=any(p.entry for p in parts),
        run=any(p.run for p in parts),
        run_names=frozenset().union(*(p.run_names for p in parts)),
        entry_names=frozenset().union(*(p.entry_names for p in parts)),
        links=any(p.links for p in parts),
        now=any(p.now for p in parts),
    )
