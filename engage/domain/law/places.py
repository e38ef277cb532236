"""Places: where a person is, for the law — by their own zone, their address and the area code of their phone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from engage.domain.forms import Form, PlainText
from engage.domain.project_settings import ZoneName
from engage.domain.timing import zone_of

_UTC = ZoneInfo("UTC")
_NORTH_AMERICA = "1"
_COUNTRY_TRAITS = ("country", "country_code")
_STATE_TRAITS = ("state", "province", "region")


class Country(Form):
    """A country: its name and how it is spelled otherwise, its calling code, its zones."""

    name: PlainText
    also: tuple[PlainText, ...] = ()
    calling: int | None = None
    areas: tuple[int, ...] = ()
    """Area codes behind +1, of the countries that share it with the United States."""
    zones: tuple[ZoneName, ...] = ()


class State(Form):
    """A state or province: its zones and the area codes of its phones."""

    name: PlainText
    also: tuple[PlainText, ...] = ()
    zones: tuple[ZoneName, ...]
    areas: tuple[int, ...] = ()


class AreaZones(Form):
    """Area codes whose zones are fewer or others than those of their state."""

    zones: tuple[ZoneName, ...]
    areas: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """Where somebody may be. Every zone counts: what one of them forbids is forbidden."""

    by: Mapping[str, str]
    """Place → what puts the person there: `zone`, `address` or `phone`."""
    zones: tuple[ZoneInfo, ...]


class Places(Form):
    """Everything known of places; a file of data."""

    countries: dict[str, Country] = {}
    states: dict[str, State] = {}
    area_zones: tuple[AreaZones, ...] = Field(default=())

    def locate(self, traits: Mapping[str, Any], phone: str | None, fallback: ZoneInfo) -> Located:
        """Return where a person is. `fallback` is the zone of those of whom nothing else tells it.

        All three kinds of evidence name places. Zones of the phone and of the address count beside the person's own
        only where they contradict it: somebody in Miami lives on one of Florida's two clocks, not on both.
        """
        own, is_wrong = zone_of(traits.get("timezone"), _UTC)
        given = [] if is_wrong or not traits.get("timezone") else [own.key]
        phone_place, phone_zones = self._by_phone(phone)
        home, home_zones = self._by_address(traits)
        by: dict[str, str] = {}
        for places, evidence in (
            (self._of_zone(given), "zone"),
            (home, "address"),
            (phone_place, "phone"),
        ):
            for place in places:
                by.setdefault(place, evidence)
        chosen: list[str] = list(given)
        for zones in (phone_zones, home_zones):
            if zones and not set(zones) & set(chosen):
                chosen.extend(zones)
        if not chosen:
            chosen = self._narrowed(by, fallback)
        return Located(by, tuple(ZoneInfo(name) for name in chosen))

    def _of_zone(self, given: Iterable[str]) -> Iterator[str]:
        for name in given:
            if name in self._country_of_zone:
                yield self._country_of_zone[name]

    def _by_phone(self, phone: str | None) -> tuple[list[str], tuple[str, ...]]:
        digits = (phone or "").removeprefix("+")
        if not phone or not phone.startswith("+") or not digits.isdecimal():
            return [], ()
        if digits[0] == _NORTH_AMERICA:
            place = self._place_of_area.get(int(digits[1:4] or 0), "US")
            return self._around(place), self._zones_of_area.get(int(digits[1:4] or 0), ())
        for length in (3, 2, 1):
            country = self._country_of_code.get(int(digits[:length]))
            if country is not None:
                return [country], self._only_zone(country)
        return [], ()

    def _by_address(self, traits: Mapping[str, Any]) -> tuple[list[str], tuple[str, ...]]:
        home = traits.get("address")
        found = [home, traits] if isinstance(home, Mapping) else [traits]
        country = next(
            (c for at in found for name in _COUNTRY_TRAITS if (c := self._country(at.get(name)))), None
        )
        names = [at.get(name) for at in found for name in _STATE_TRAITS]
        state = next((s for name in names if (s := self._state(name, country))), None)
        if state is not None:
            return self._around(state), self.states[state].zones
        return ([], ()) if country is None else ([country], self._only_zone(country))

    def _around(self, place: str) -> list[str]:
        return [place.partition("-")[0], place] if "-" in place else [place]

    def _only_zone(self, country: str) -> tuple[str, ...]:
        known = self.countries.get(country)
        return known.zones if known is not None and len(known.zones) == 1 else ()

    def _narrowed(self, by: Mapping[str, str], fallback: ZoneInfo) -> list[str]:
        """Where only a wide country is known: the project's zone if it lies there, else every zone of the country."""
        for place in by:
            country = self.countries.get(place)
            if country is not None and country.zones:
                return [fallback.key] if fallback.key in country.zones else list(country.zones)
        return [fallback.key]

    def _country(self, value: object) -> str | None:
        return self._country_names.get(value.strip().casefold()) if isinstance(value, str) else None

    def _state(self, value: object, country: str | None) -> str | None:
        if not isinstance(value, str):
            return None
        name = value.strip().casefold()
        for home in (country,) if country else ("US", "CA"):
            found = self._state_names.get((home, name)) or self._state_names.get(
                (home, name.removeprefix(f"{home}-".casefold()))
            )
            if found is not None:
                return found
        return None

    @cached_property
    def _country_of_zone(self) -> dict[str, str]:
        return {zone: code for code, country in self.countries.items() for zone in country.zones}

    @cached_property
    def _country_of_code(self) -> dict[int, str]:
        return {country.calling: code for code, country in self.countries.items() if country.calling}

    @cached_property
    def _country_names(self) -> dict[str, str]:
        return {
            name.casefold(): code
            for code, country in self.countries.items()
            for name in (code, country.name, *country.also)
        }

    @cached_property
    def _state_names(self) -> dict[tuple[str, str], str]:
        return {
            (place.partition("-")[0], name.casefold()): place
            for place, state in self.states.items()
            for name in (place.partition("-")[2], state.name, *state.also)
        }

    @cached_property
    def _place_of_area(self) -> dict[int, str]:
        countries = {area: code for code, country in self.countries.items() for area in country.areas}
        return countries | {area: place for place, state in self.states.items() for area in state.areas}

    @cached_property
    def _zones_of_area(self) -> dict[int, tuple[str, ...]]:
        whole = {area: state.zones for state in self.states.values() for area in state.areas}
        countries = {area: country.zones for country in self.countries.values() for area in country.areas}
        return countries | whole | {area: item.zones for item in self.area_zones for area in item.areas}
