"""The law's judgement: the strictest wins, every refusal names rule and version, and figures are those of the source."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.delivery.delivery import Channel
from engage.domain.errors import UnusableSettingsError
from engage.domain.law import Contact, Law, LawPack, Never, Requirement, Wait
from engage.project.law_files import BUILT_IN, built_in, law_of, places

UTC_ZONE = ZoneInfo("UTC")
LAW = law_of(BUILT_IN, {})
MARKETING = (Channel.SMS, Channel.MMS, Channel.VOICE)


def contact(
    traits: dict[str, Any], phone: str | None = None, *, channel: Channel = Channel.SMS, owed: bool = False
) -> Contact:
    return Contact(channel, "offers", not owed, LAW.locate(traits, phone, UTC_ZONE))


def wall(zone: str, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)


# compliance figures of June 2026 (the 7th is a Sunday): state, zone, day, first open minute, last open minute
@pytest.mark.parametrize("channel", MARKETING)
@pytest.mark.parametrize(
    ("state", "zone", "day", "opens", "shuts", "rule"),
    [
        ("NY", "America/New_York", 8, 8, 21, "us-tcpa-hours"),
        ("FL", "America/New_York", 8, 8, 20, "us-fl-hours"),
        ("OK", "America/Chicago", 8, 8, 20, "us-ok-hours"),
        ("WA", "America/Los_Angeles", 8, 8, 20, "us-wa-hours"),
        ("TX", "America/Chicago", 8, 9, 21, "us-tx-hours"),
        ("TX", "America/Chicago", 7, 12, 21, "us-tx-hours"),
        ("VA", "America/New_York", 7, 8, 21, "us-va-hours"),
    ],
)
def test_hours_are_those_of_the_state(
    channel: Channel, state: str, zone: str, day: int, opens: int, shuts: int, rule: str
) -> None:
    home = contact({"state": state, "timezone": zone}, channel=channel)
    start, end = wall(zone, day, opens), wall(zone, day, shuts)
    minute = timedelta(minutes=1)

    early = LAW.refusal(home, [], lambda topic: False, start - minute)
    assert isinstance(early, Wait)
    assert early.until == start
    assert early.rule.startswith(f"law {rule}, us ")
    assert LAW.refusal(home, [], lambda topic: False, start) is None
    assert LAW.refusal(home, [], lambda topic: False, end - minute) is None
    late = LAW.refusal(home, [], lambda topic: False, end)
    assert isinstance(late, Wait)
    assert late.until > end
    assert LAW.lawful_until(home, start) == end


CITIES = {
    "Miami": ({"timezone": "America/New_York"}, "+13055550101"),
    "Dallas": ({"timezone": "America/Chicago"}, "+12145550101"),
    "Seattle": ({"timezone": "America/Los_Angeles"}, "+12065550101"),
    "Paris": ({"timezone": "Europe/Paris"}, "+33612345678"),
    "Tokyo": ({"timezone": "Asia/Tokyo"}, "+819012345678"),
}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (  # a Sunday in winter
            "2026-01-25T12:30:00Z",
            {
                "Miami": ("2026-01-25T13:00:00Z", "law us-fl-hours, us 2026-11-27: America/New_York,"),
                "Dallas": ("2026-01-25T18:00:00Z", "law us-tx-hours, us 2026-11-27: America/Chicago,"),
                "Seattle": ("2026-01-25T16:00:00Z", "law us-wa-hours, us 2026-11-27: America/Los_Angeles,"),
                "Paris": ("2026-01-26T07:00:00Z", "law fr-text-hours, fr 2026-11-27: Europe/Paris,"),
            },
        ),
        (  # a Monday evening in America in summer; in Paris the national day has begun
            "2026-07-14T01:00:00Z",
            {
                "Miami": ("2026-07-14T12:00:00Z", "law us-fl-hours, us 2026-11-27: America/New_York,"),
                "Paris": ("2026-07-15T06:00:00Z", "law fr-text-hours, fr 2026-11-27: Europe/Paris,"),
            },
        ),
        (  # the night in which America's clocks go forward; Paris goes three weeks later
            "2026-03-08T04:30:00Z",
            {
                "Miami": ("2026-03-08T12:00:00Z", "law us-fl-hours, us 2026-11-27: America/New_York,"),
                "Dallas": ("2026-03-08T17:00:00Z", "law us-tx-hours, us 2026-11-27: America/Chicago,"),
                "Seattle": ("2026-03-08T15:00:00Z", "law us-wa-hours, us 2026-11-27: America/Los_Angeles,"),
                "Paris": ("2026-03-09T07:00:00Z", "law fr-text-hours, fr 2026-11-27: Europe/Paris,"),
            },
        ),
        (  # the Sunday in which they go back: an hour comes twice
            "2026-11-01T05:30:00Z",
            {
                "Miami": ("2026-11-01T13:00:00Z", "law us-fl-hours, us 2026-11-27: America/New_York,"),
                "Dallas": ("2026-11-01T18:00:00Z", "law us-tx-hours, us 2026-11-27: America/Chicago,"),
                "Seattle": ("2026-11-01T16:00:00Z", "law us-wa-hours, us 2026-11-27: America/Los_Angeles,"),
                "Paris": ("2026-11-02T07:00:00Z", "law fr-text-hours, fr 2026-11-27: Europe/Paris,"),
            },
        ),
    ],
)
def test_the_same_text_waits_in_each_city_for_its_own_hour_and_names_its_own_rule(
    now: str, expected: dict[str, tuple[str, str]]
) -> None:
    at = datetime.fromisoformat(now)
    told: dict[str, tuple[datetime, str]] = {}
    for city, (traits, phone) in CITIES.items():
        found = LAW.refusal(contact(traits, phone), [], lambda topic: False, at)
        if found is not None:
            assert isinstance(found, Wait)
            told[city] = found.until, found.rule

    assert {city: until for city, (until, _) in told.items()} == {
        city: datetime.fromisoformat(until) for city, (until, _) in expected.items()
    }
    for city, (_, rule) in expected.items():
        assert told[city][1].startswith(rule), told[city]


@pytest.mark.parametrize(
    ("phone", "rule"),
    [
        ("+33612345678", "fr-call-consent"),
        ("+14165550101", "ca-adad-consent"),
        ("+12125550101", "us-tcpa-consent"),
    ],
)
def test_a_recorded_voice_that_sells_needs_a_yes_in_each_country(phone: str, rule: str) -> None:
    country = next(iter(LAW.locate({}, phone, UTC_ZONE).by))
    asked = [
        one
        for pack in LAW.packs
        for one in pack.rules
        if Requirement("opt_in") in one.requires and Channel.VOICE in one.channels and country in one.places
    ]
    assert rule in [one.id for one in asked]


def test_a_refusal_names_rule_version_zone_place_and_evidence() -> None:
    found = LAW.refusal(
        contact({"timezone": "America/New_York"}, "+13055550101"),
        [],
        lambda topic: False,
        wall("America/New_York", 8, 20),
    )

    assert isinstance(found, Wait)
    pack = built_in("us")
    assert pack is not None
    assert (
        found.rule
        == f"law us-fl-hours, us {pack.version}: America/New_York, only 08:00-20:00 (US-FL by phone)"
    )


def test_mail_and_what_is_owed_have_no_hours() -> None:
    night = wall("America/New_York", 8, 3)

    assert (
        LAW.refusal(contact({"state": "FL"}, channel=Channel.EMAIL), [], lambda topic: False, night) is None
    )
    assert LAW.refusal(contact({"state": "FL"}, owed=True), [], lambda topic: True, night) is None
    assert LAW.lawful_until(contact({"state": "FL"}, owed=True), wall("America/New_York", 8, 12)) is None


def test_a_limit_that_holds_frees_a_slot_when_the_oldest_leaves_the_window() -> None:
    pack = LawPack.model_validate(
        {"law": "x", "version": "1", "title": "X", "rules": [
            {"id": "x-limit", "title": "t", "source": "s", "effective": "2020-01-01", "places": ["US"], "channels": ["sms", "voice"],
             "limit": {"count": 2, "per": "1 day", "on_limit": "hold"}}]}
    )  # fmt: skip
    law, now = Law([pack], places()), wall("America/New_York", 8, 12)
    sent = [
        (Channel.VOICE, "a", now - timedelta(hours=23)),
        (Channel.SMS, "b", now - timedelta(hours=1)),
        (Channel.EMAIL, "b", now),
    ]

    found = law.refusal(contact({"state": "NY"}), sent, lambda topic: False, now)

    assert found == Wait(now + timedelta(hours=1), "law x-limit, x 1: at most 2 in 24 hours (US by address)")
    assert law.refusal(contact({"state": "NY"}), sent, lambda topic: topic == "a", now) is None
    assert law.refusal(contact({"country": "FR"}), sent, lambda topic: False, now) is None


def test_where_clocks_leave_no_common_hour_the_message_is_refused_for_good() -> None:
    pack = LawPack.model_validate(
        {"law": "x", "version": "1", "title": "X", "rules": [
            {"id": "x-noon", "title": "t", "source": "s", "effective": "2020-01-01", "places": ["US"], "channels": ["sms"], "hours": [{"from": "12:00", "to": "13:00"}]}]}
    )  # fmt: skip
    law = Law([pack], places())

    found = law.refusal(
        contact({"timezone": "Asia/Tokyo"}, "+13055550101"), [], lambda topic: False, wall("UTC", 8, 12)
    )

    assert isinstance(found, Never)
    assert found.rule.startswith("law x-noon, x 1:")


@given(
    traits=st.fixed_dictionaries(
        {},
        optional={
            "timezone": st.sampled_from(
                [
                    "America/New_York",
                    "America/Chicago",
                    "Europe/Paris",
                    "Asia/Tokyo",
                    "Pacific/Honolulu",
                    "nonsense",
                ]
            ),
            "state": st.sampled_from(["FL", "TX", "OK", "WA", "VA", "CA"]),
            "country": st.sampled_from(["US", "France", "Canada", "JP"]),
        },
    ),
    phone=st.sampled_from(
        [None, "+13055550101", "+12145550101", "+33612345678", "+819012345678", "+14165550101"]
    ),
    channel=st.sampled_from(MARKETING),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_whatever_waits_is_lawful_when_it_is_told_to_come_back(
    traits: dict[str, str], phone: str | None, channel: Channel, now: datetime
) -> None:
    somebody = contact(traits, phone, channel=channel)

    found = LAW.refusal(somebody, [], lambda topic: False, now)

    if isinstance(found, Wait):
        assert found.until > now
        assert LAW.refusal(somebody, [], lambda topic: False, found.until) is None
        assert LAW.refusal(somebody, [], lambda topic: False, found.until - timedelta(seconds=1)) is not None
    elif found is None:
        end = LAW.lawful_until(somebody, now)
        if end is not None:
            assert LAW.refusal(somebody, [], lambda topic: False, end - timedelta(seconds=1)) is None
            assert LAW.refusal(somebody, [], lambda topic: False, end) is not None


@pytest.mark.parametrize("text", ["Opt out", " OPT-OUT ", "arrêt", "ARRET", "revoke"])
def test_words_of_the_packs_are_a_stop(text: str) -> None:
    assert LAW.is_stop(Channel.SMS, text)
    assert not LAW.is_stop(Channel.WHATSAPP, text)  # none of the packs speaks of it


@pytest.mark.parametrize("text", ["stop it", "opt", "", "no"])
def test_other_words_are_none(text: str) -> None:
    assert not LAW.is_stop(Channel.SMS, text)
    assert not law_of((), {}).is_stop(Channel.SMS, text)


def test_every_pack_reads_and_names_its_sources() -> None:
    for name in BUILT_IN:
        pack = built_in(name)
        assert pack is not None
        assert pack.law == name
        for rule in pack.rules:
            assert rule.id.startswith(f"{name}-")
            assert rule.source
            assert set(rule.places) <= {*places().countries, *places().states}


def test_a_pack_of_the_project_replaces_the_built_in_one() -> None:
    own = LawPack.model_validate({"law": "us", "version": "ours", "title": "Ours", "rules": []})

    assert law_of(["us"], {"us": own}).packs == (own,)
    assert law_of(["us"], {"us": own}).asks_for(Requirement.OPT_IN, Channel.SMS) is None


def test_a_pack_that_is_not_there_is_an_accident_and_never_no_law() -> None:
    with pytest.raises(UnusableSettingsError, match="no rule pack `nowhere`"):
        law_of(["us", "nowhere"], {})
