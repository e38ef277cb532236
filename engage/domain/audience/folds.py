"""Folds: what is kept of a person's events that aggregates over the whole history have counted.

A fold stands for everything that happened up to an instant, `upto`; what happened later is read as it is. So the cost of
a fact does not grow with the history behind it, and what retention removes stays counted. Of short histories nothing is
kept: they are read whole. Whatever comes late is counted as it comes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import structs

from engage.domain.expression import Foldable, Kept, MapHistory
from engage.domain.expression.functions import timestamp_of
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Event
from engage.domain.profile.sensitive import Sensitive
from engage.domain.turn.changes import FoldState

FOLDED_AT = 20
"""Events of one name that are read again at each fact before they are folded: as dear as writing a fold."""
BEFORE_REMOVAL = timedelta(days=1)
"""What is removed within this time is folded as it comes: the pass that folds what is old may be over already."""


class Folds:
    """One person's folds, for one turn. Changed in place; `written` says what the turn must write."""

    __slots__ = ("_changed", "_foldables", "_gone", "_others", "kept")

    def __init__(self, foldables: Mapping[str, Foldable], states: Iterable[FoldState] = ()) -> None:
        """Hold what storage has of a person; `foldables` are the aggregates that are live."""
        self._foldables = foldables
        self.kept: dict[str, Kept] = {}
        """By the key of the aggregate: what expressions read."""
        self._others: dict[str, datetime] = {}
        """Up to when folds reach that no live definition names: they hold for as long as nothing comes late."""
        self._changed: set[str] = set()
        self._gone: dict[str, datetime] = {}
        for fold in states:
            if fold.key in foldables and fold.state is not None:
                self.kept[fold.key] = Kept(fold.upto, fold.state)
            else:
                self._others[fold.key] = fold.upto

    def __bool__(self) -> bool:
        """Whether there is any aggregate to fold for."""
        return bool(self._foldables)

    def since(self, name: str) -> datetime | None:
        """Return after which instant events of a name (or `Prefix*`) must be read; None: all must."""
        reach = [self.kept.get(fold.key) for fold in self._foldables.values() if fold.name == name]
        known = [kept.upto for kept in reach if kept is not None]
        return min(known) if known and len(known) == len(reach) else None

    def take(self, event: Event, history: MapHistory, covered: Sensitive, *, oldest: datetime) -> None:
        """Count an event that `history` has just got, where it is late for a fold.

        What is older than `oldest` is about to be removed, or was: it is folded, with all that came before.
        """
        at = event.timestamp
        for key, upto in list(self._others.items()):
            if at <= upto:
                self._gone[key] = self._others.pop(key)
        for fold in self._foldables.values():
            if not fold.concerns(event.name):
                continue
            kept = self.kept.get(fold.key)
            if kept is not None and at <= kept.upto:
                self._put(fold, kept.upto, kept, [event], covered)
            elif at < oldest:
                self._fold(fold, _after(history, fold, kept), covered)

    def reaches(self, event: Event) -> bool:
        """Return whether the event is late for any fold."""
        return any(
            event.timestamp <= kept.upto and self._foldables[key].concerns(event.name)
            for key, kept in self.kept.items()
        )

    def fold(
        self,
        history: MapHistory,
        covered: Sensitive,
        *,
        at_least: int,
        before: datetime | None = None,
    ) -> None:
        """Fold what lies in `history`, of each aggregate that has so many events to read, the first of them `before` an
        instant if one is given. `history` must have all since `since`."""
        for fold in self._foldables.values():
            if len(history.matching(fold.name)) >= at_least:
                facts = _after(history, fold, self.kept.get(fold.key))
                if len(facts) >= at_least and (before is None or facts[0].timestamp < before):
                    self._fold(fold, facts, covered)

    def _fold(self, fold: Foldable, facts: list[Event], covered: Sensitive) -> None:
        self._put(fold, facts[-1].timestamp, self.kept.get(fold.key), facts, covered)

    def _put(
        self, fold: Foldable, upto: datetime, kept: Kept | None, facts: list[Event], covered: Sensitive
    ) -> None:
        state = fold.state_of(_covered(fact, covered) for fact in facts)
        self.kept[fold.key] = Kept(upto, state if kept is None else fold.unite(kept.state, state))
        self._changed.add(fold.key)

    def unite(self, history: MapHistory, other: "Folds", others: MapHistory, covered: Sensitive) -> None:
        """Take in another person's folds; both histories are still apart and have all since `since`."""
        self._others.clear()
        for key, fold in self._foldables.items():
            mine, theirs = self.kept.get(key), other.kept.get(key)
            upto = max((kept.upto for kept in (mine, theirs) if kept is not None), default=None)
            if upto is None:
                continue
            for folds, events in ((self, history), (other, others)):
                kept = folds.kept.get(key)
                facts = [fact for fact in _after(events, fold, kept) if fact.timestamp <= upto]
                folds._put(fold, upto, kept, facts, covered)
            united = fold.unite(self.kept[key].state, other.kept[key].state)
            self.kept[key] = Kept(upto, united)
        self._changed.update(self.kept)

    def written(self, profile: ProfileId) -> list[FoldState]:
        """Return what must be written."""
        changed = [
            FoldState(profile=profile, key=key, upto=self.kept[key].upto, state=self.kept[key].state)
            for key in sorted(self._changed)
        ]
        gone = [
            FoldState(profile=profile, key=key, upto=upto, state=None)
            for key, upto in sorted(self._gone.items())
        ]
        return changed + gone


def _after(history: MapHistory, fold: Foldable, kept: Kept | None) -> list[Event]:
    facts = history.matching(fold.name)
    start = 0 if kept is None else bisect_right(facts, kept.upto, key=timestamp_of)
    return [fact for fact in facts[start:] if isinstance(fact, Event)]


def _covered(event: Event, covered: Sensitive) -> Event:
    properties = covered.event(event.name, event.properties) if covered else event.properties
    return event if properties is event.properties else structs.replace(event, properties=properties)


NO_FOLDS = Folds({})
"""Of people where no aggregate is live that could be folded: shared, for nothing ever changes in it."""
