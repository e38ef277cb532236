"""Profile: one person, the events that happened to them, and how trait values win over each other."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from engage.domain.fact import Identifier, Json
from engage.domain.ids import EventId, ProfileId


class TraitTimes(msgspec.Struct, array_like=True):
    """When a top-level trait was last written, and when it took its present value (both event time)."""

    written: datetime
    changed: datetime


class Profile(msgspec.Struct, kw_only=True):
    """One person. Owned and changed by the turn that locked it; `new` and `dirty` say what the turn must write."""

    id: ProfileId
    bucket_key: str
    created_at: datetime
    lane: int
    traits: Json = msgspec.field(default_factory=dict)
    trait_times: dict[str, TraitTimes] = msgspec.field(default_factory=dict)
    identifiers: list[Identifier] = msgspec.field(default_factory=list)
    merges: int = 0

    def identifier(self, kind: str) -> str | None:
        """Return the newest identifier of that kind, or None."""
        for identifier in reversed(self.identifiers):
            if identifier.kind == kind:
                return identifier.value
        return None

    def write_traits(self, values: Mapping[str, Any], at: datetime) -> dict[str, tuple[Any, Any]]:
        """Write top-level traits as of `at`; a value older than what is there loses; None deletes.

        Returns the traits whose value is now another one, as `{name: (before, after)}`.
        """
        changed: dict[str, tuple[Any, Any]] = {}
        for name, value in values.items():
            times = self.trait_times.get(name)
            if times is not None and at < times.written:
                continue
            before = self.traits.get(name)
            if _same(before, value):
                if times is not None:
                    times.written = at
                else:
                    self.trait_times[name] = TraitTimes(at, at)
                continue
            if value is None:
                self.traits.pop(name, None)
            else:
                self.traits[name] = value
            self.trait_times[name] = TraitTimes(at, at)
            changed[name] = (before, value)
        return changed


def _same(a: Any, b: Any) -> bool:
    """Equality of JSON values, where true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


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
