"""Hidden: values that the project calls sensitive are not shown."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from engage.domain.fact import Json
from engage.domain.profile import Event

MASK = "•••"
_PROFILE = "profile."


class Hidden:
    """Covers what `settings.sensitive` names: `Passcode Requested.passcode`, `profile.password`."""

    def __init__(self, names: Iterable[str]) -> None:
        """Cover these."""
        self._traits: set[str] = set()
        self._properties: dict[str, set[str]] = {}
        for name in names:
            if name.startswith(_PROFILE):
                self._traits.add(name.removeprefix(_PROFILE))
            else:
                event, _, place = name.rpartition(".")
                self._properties.setdefault(event, set()).add(place)

    def traits(self, traits: Json) -> Json:
        """Return traits with the sensitive ones covered."""
        return _covered(traits, self._traits)

    def event(self, event: Event) -> Event:
        """Return an event with its sensitive properties covered."""
        names = self._properties.get(event.name)
        return event if not names else replace(event, properties=_covered(event.properties, names))


def _covered(values: Json, names: set[str]) -> dict[str, Any]:
    return {name: MASK if name in names else value for name, value in values.items()}
