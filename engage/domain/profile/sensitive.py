"""Sensitive: values that the project wants nobody to read again are covered wherever they would be kept."""

from collections.abc import Iterable, Mapping
from typing import Any

from engage.domain.fact import Json
from engage.domain.profile.spelling import trait_path

MASK = "•••"
_PROFILE = "profile."


class Sensitive:
    """Covers what `settings.sensitive` names: `Passcode Requested.passcode`, `profile.password`.

    False where nothing is named: most projects, and nothing is looked at then.
    """

    __slots__ = ("_names", "_properties", "_traits")

    def __init__(self, names: Iterable[str]) -> None:
        """Cover these."""
        self._traits: set[str] = set()
        self._properties: dict[str, set[str]] = {}
        for name in names:
            if name.startswith(_PROFILE):
                self._traits.update(trait_path((name.removeprefix(_PROFILE),)))
            else:
                event, _, place = name.rpartition(".")
                self._properties.setdefault(event, set()).add(place)
        self._names = frozenset[str]().union(*self._properties.values())

    def __bool__(self) -> bool:
        """Whether anything is named."""
        return bool(self._traits or self._names)

    def event(self, name: str, properties: Json) -> Json:
        """Return an event's properties as they are kept."""
        covered = self._properties.get(name)
        if not covered:
            return properties
        return {key: MASK if key in covered else value for key, value in properties.items()}

    def traits(self, traits: Json) -> Json:
        """Return a person's traits as other systems may have them."""
        if not self._traits:
            return traits
        return {key: MASK if key in self._traits else value for key, value in traits.items()}

    def properties(self, data: Any) -> Any:
        """Return data in which some event's properties may stand, with every sensitive one covered."""
        match data:
            case Mapping():
                return {
                    key: MASK if key in self._names else self.properties(value) for key, value in data.items()
                }
            case list():
                return [self.properties(value) for value in data]
            case _:
                return data

    def values(self, seen: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a decision saw, by the names used in the expression, with the sensitive covered."""
        return {
            name: MASK if self._is_named(name) else self.properties(value) for name, value in seen.items()
        }

    def _is_named(self, name: str) -> bool:
        if name.startswith(_PROFILE):
            return name.removeprefix(_PROFILE) in self._traits
        return name.rpartition(".")[2] in self._names and "." in name

    def found_in(self, data: Any) -> frozenset[str]:
        """Return the sensitive texts in data, so that they can be found where they were written to."""
        match data:
            case Mapping():
                found: set[str] = set()
                for key, value in data.items():
                    if key in self._names and isinstance(value, str) and value:
                        found.add(value)
                    found |= self.found_in(value)
                return frozenset(found)
            case list():
                return frozenset[str]().union(*map(self.found_in, data))
            case _:
                return frozenset()


def without(data: Any, texts: frozenset[str]) -> Any:
    """Return data with these texts covered, wherever they stand."""
    match data:
        case str():
            for text in sorted(texts, key=len, reverse=True):
                data = data.replace(text, MASK)
            return data
        case Mapping():
            return {key: without(value, texts) for key, value in data.items()}
        case list():
            return [without(value, texts) for value in data]
        case _:
            return data
