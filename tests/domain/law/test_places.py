"""Where somebody is, for the law; and that the table of places is right about every number it names."""

from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from engage.domain.timing import zone_names
from engage.project.law_files import places

HOME = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("traits", "phone", "by", "zones"),
    [
        ({"timezone": "America/New_York"}, "+13055550101", {"US": "zone", "US-FL": "phone"}, ["America/New_York"]),
        ({}, "+12145550101", {"US": "phone", "US-TX": "phone"}, ["America/Chicago"]),
        ({}, "+18505550101", {"US": "phone", "US-FL": "phone"}, ["America/New_York", "America/Chicago"]),
        ({"address": {"state": "fl"}}, None, {"US": "address", "US-FL": "address"}, ["America/New_York", "America/Chicago"]),
        ({"state": "US-FL", "timezone": "America/Chicago"}, None, {"US": "zone", "US-FL": "address"}, ["America/Chicago"]),
        ({"state": "Florida"}, "+13055550101", {"US": "address", "US-FL": "address"}, ["America/New_York"]),
        ({"address": {"country": "Canada", "state": "Québec"}}, None, {"CA": "address", "CA-QC": "address"}, ["America/Toronto", "America/Halifax"]),
        ({"region": "CA"}, None, {"US": "address", "US-CA": "address"}, ["America/Los_Angeles"]),
        ({"timezone": "Asia/Tokyo"}, "+13055550101", {"JP": "zone", "US": "phone", "US-FL": "phone"}, ["Asia/Tokyo", "America/New_York"]),
        ({"country_code": "fr"}, None, {"FR": "address"}, ["Europe/Paris"]),
        ({}, "+33612345678", {"FR": "phone"}, ["Europe/Paris"]),
        ({}, "+819012345678", {"JP": "phone"}, ["Asia/Tokyo"]),
        ({}, "+18095550101", {"DO": "phone"}, ["America/Santo_Domingo"]),
        ({}, "+15555550101", {"US": "phone"}, ["America/New_York"]),
        ({}, "+447700900123", {"GB": "phone"}, ["Europe/London"]),
        ({"timezone": "Nowhere/Land", "address": "a text", "country": 5, "state": ["x"]}, "not a phone", {}, ["America/New_York"]),
        ({}, None, {}, ["America/New_York"]),
    ],
)  # fmt: skip
def test_zone_address_and_phone_each_name_places(
    traits: dict[str, Any], phone: str | None, by: dict[str, str], zones: list[str]
) -> None:
    found = places().locate(traits, phone, HOME)

    assert dict(found.by) == by
    assert [zone.key for zone in found.zones] == zones


def test_where_only_a_wide_country_is_known_every_clock_of_it_counts() -> None:
    found = places().locate({"country": "USA"}, None, ZoneInfo("UTC"))

    assert {"America/New_York", "America/Los_Angeles", "Pacific/Honolulu"} <= {z.key for z in found.zones}


def test_every_area_code_lies_in_the_country_that_the_table_says() -> None:
    table = places()
    listed = [(area, place[:2]) for place, state in table.states.items() for area in state.areas]
    listed += [(area, code) for code, country in table.countries.items() for area in country.areas]

    wrong = {
        area: home
        for area, home in listed
        if phonenumbers.region_code_for_number(phonenumbers.parse(f"+1{area}2220123")) != home
    }

    assert wrong == {}
    assert len({area for area, _ in listed}) == len(listed)


def test_every_calling_code_belongs_to_its_country() -> None:
    wrong = {
        code: country.calling
        for code, country in places().countries.items()
        if country.calling and phonenumbers.region_code_for_country_code(country.calling) != code
    }

    assert wrong == {}


def test_every_zone_is_one_and_area_codes_with_zones_of_their_own_stay_near_their_state() -> None:
    table = places()
    named = {zone for country in table.countries.values() for zone in country.zones}
    named |= {zone for state in table.states.values() for zone in state.zones}
    home = {area: state for state in table.states.values() for area in state.areas}

    assert named <= zone_names()
    for item in table.area_zones:
        for area in item.areas:
            assert area in home, area
            assert set(item.zones) & set(home[area].zones), area
