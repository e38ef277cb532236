"""Profile: one person, the events that happened to them, and how trait values win over each other."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from engage.domain.fact import Identifier, Json
from engage.domain.ids import EventId, ProfileId
from engage.domain.profile.trait_times import Repeats, TraitTimes


class Profile(msgspec.Struct, kw_only=True):
    """One person. Owned and changed by the turn that locked it; `new` and `dirty` say what the turn must write."""

    id: ProfileId
    bucket_key: str
    created_at: datetime
    lane: int
    traits: Json = msgspec.field(default_factory=dict)
    trait_times: dict[str, TraitTimes] = msgspec.field(default_factory=dict)
    told_again: list[int] = msgspec.field(default_factory=list)
    """See `Repeats`."""
    identifiers: list[Identifier] = msgspec.field(default_factory=list)
    merges: int = 0

    def identifier(self, kind: str) -> str | None:
        """Return the newest identifier of that kind, or None."""
        for identifier in reversed(self.identifiers):
            if identifier.kind == kind:
                return identifier.value
        return None

    def address(self, kind: str) -> str | None:
        """Return the trait `email` or `phone` as addresses are compared, None if there is none."""
        value = self.traits.get(kind)
        return value.strip().lower() or None if isinstance(value, str) else None

    def learns(self, address: Identifier, at: datetime) -> bool:
        """Return whether being named by an address at an instant says anything new about the trait: that they have one, or
        that they have had it for longer."""
        known, times = self.traits.get(address.kind), self.trait_times.get(address.kind)
        return known is None or (known == address.value and times is not None and at < times.changed)

    def write_traits(
        self, values: Mapping[str, Any], at: datetime, *, moved: set[str] | None = None
    ) -> dict[str, tuple[Any, Any]]:
        """Write top-level traits as of `at`; a value older than what is there loses; None deletes.

        Returns the traits whose value is now another one, as `{name: (before, after)}`. Into `moved` go those that kept
        their value and are now known to have had it since another instant: a late write told.
        """
        changed: dict[str, tuple[Any, Any]] = {}
        repeats = self._repeats()
        for name, value in values.items():
            before, known = self.traits.get(name), self.trait_times.get(name)
            if known is None:
                self.trait_times[name] = TraitTimes(at, at)
                won = True
            else:
                since = known.changed
                won = repeats.write(known, at, same=same_value(before, value))
                if moved is not None and known.changed != since and not won:
                    moved.add(name)
            if won and not same_value(before, value):
                self._put(name, value)
                changed[name] = (before, value)
        return changed

    def unite_traits(self, other: "Profile") -> None:
        """Take in the traits of a profile that becomes part of this one: of each the value written last."""
        both = self.trait_times.keys() & other.trait_times.keys()
        same = {name for name in both if same_value(self.traits.get(name), other.traits.get(name))}
        for name in self._repeats().unite(other._repeats(), same):
            self._put(name, other.traits.get(name))

    def told_times(self) -> dict[str, dict[str, Any]]:
        """Return since when the person has each trait, deleted ones too, and what is remembered of when it was told."""
        return self._repeats().told()

    def _repeats(self) -> Repeats:
        return Repeats(self.trait_times, self.told_again)

    def _put(self, name: str, value: Any) -> None:
        if value is None:
            self.traits.pop(name, None)
        else:
            self.traits[name] = value


def same_value(a: Any, b: Any) -> bool:
    """Return whether two JSON values are equal, where true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_value(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same_value(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


RESERVED_TYPE = "reserved"
"""Of an event from outside whose name only the engine may use: it is stored apart, and no history."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a person. Written once; `(profile, id)` is unique."""

    id: EventId
    profile: ProfileId
    name: str
    type: str
    """`track`, `page`, `screen`, `identify`, `group`, `alias`, or `engine` for our own."""
    timestamp: datetime
    received_at: datetime
    arrival: int
    """Order of arrival; breaks ties of `timestamp`."""
    properties: Json
    epoch: int = 0
    """The definitions that were active when it was digested."""
