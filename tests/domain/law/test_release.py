"""Release and the law: what may leave says until when, so that a provider does not deliver in the night."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.catalog import Catalog
from engage.domain.consent.consent import Consents
from engage.domain.delivery.delivery import Channel, Delivery, HoldReason, SkipReason
from engage.domain.delivery.release import Hold, Release, Skip, _quiet_begins, judge
from engage.domain.ids import DeliveryId, ProfileId
from engage.domain.profile.profile import Profile
from engage.domain.project_settings import ProjectSettings
from engage.domain.timing import QuietHours, next_quiet
from engage.project.law_files import law_of

NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2026, 6, 8, 12, tzinfo=NEW_YORK).astimezone(UTC)
TOPICS = {
    "offers": {"sms": "opt_out", "email": "opt_out"},
    "orders": {"transactional": True},
    "codes": {"transactional": True, "urgent": True},
}


def catalog(**given: object) -> Catalog:
    settings = ProjectSettings.model_validate({"topics": TOPICS, **given})
    return Catalog(settings=settings, law=law_of(settings.law, {}))


def delivery(topic: str = "offers", channel: Channel = Channel.SMS) -> Delivery:
    return Delivery(
        id=DeliveryId("d"),
        profile=ProfileId("p"),
        lane=0,
        channel=channel,
        topic=topic,
        asked_at=NOON,
        due_at=NOON,
    )


def somebody(**traits: object) -> Profile:
    known = {"phone": "+13055550101", "email": "a@b.example", "timezone": "America/New_York", **traits}
    return Profile(id=ProfileId("p"), lane=0, bucket_key="p", created_at=NOON, traits=known)


@pytest.mark.parametrize(
    ("settings", "asked", "hour"),
    [
        ({"law": ["us"], "quiet_hours": "off"}, delivery(), 20),
        ({"law": ["us"]}, delivery(), 20),
        ({"law": ["us"], "quiet_hours": {"from": "18:00"}}, delivery(), 18),
        ({}, delivery(), 21),
        ({"law": ["us"]}, delivery("orders"), 21),
        ({"law": ["us"]}, delivery("codes"), None),
        ({"law": ["us"]}, delivery(channel=Channel.EMAIL), None),
        ({"quiet_hours": "off"}, delivery(), None),
    ],
)
def test_what_may_leave_says_when_silence_begins_again(
    settings: dict[str, object], asked: Delivery, hour: int | None
) -> None:
    verdict = judge(asked, somebody(), Consents(), catalog(**settings), (), NOON)

    assert isinstance(verdict, Release)
    assert verdict.until == (None if hour is None else NOON + timedelta(hours=hour - 12))


def test_the_law_waits_no_longer_than_the_message_is_good_for() -> None:
    night = NOON + timedelta(hours=9)
    asked = delivery()
    asked.expires_at = night + timedelta(hours=1)

    verdict = judge(asked, somebody(), Consents(), catalog(law=["us"]), (), night)

    assert isinstance(verdict, Hold)
    assert (verdict.until, verdict.reason) == (asked.expires_at, HoldReason.LAW)


def test_unknown_zone_comes_before_the_law_and_the_law_before_quiet_hours() -> None:
    night = NOON + timedelta(hours=10)
    strict = catalog(law=["us"], quiet_hours={"unknown_zone": "skip", "on_quiet": "skip"})

    lost = judge(delivery(), somebody(timezone="Nowhere/Land"), Consents(), strict, (), night)
    known = judge(delivery(), somebody(), Consents(), strict, (), night)

    assert lost == Skip(SkipReason.UNKNOWN_ZONE)
    assert isinstance(known, Hold)
    assert known.reason is HoldReason.LAW


def test_a_fourth_contact_is_skipped_by_the_rule_that_forbids_it() -> None:
    sent = [(Channel.SMS, "offers", NOON - timedelta(hours=n)) for n in (1, 2, 3)]

    verdict = judge(delivery(), somebody(), Consents(), catalog(law=["us"]), sent, NOON)

    assert isinstance(verdict, Skip)
    assert verdict.reason is SkipReason.LAW
    assert verdict.rule is not None
    assert verdict.rule.startswith("law us-fl-contacts, us ")


@given(
    start=st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30])),
    end=st.builds(time, st.integers(0, 23), st.sampled_from([0, 45])),
    zone=st.sampled_from([NEW_YORK, ZoneInfo("Asia/Kolkata"), ZoneInfo("Europe/Paris"), ZoneInfo("UTC")]),
    seconds=st.integers(0, 40 * 86400),
)
def test_what_is_looked_up_is_what_would_be_computed(
    start: time, end: time, zone: ZoneInfo, seconds: int
) -> None:
    quiet, now = (
        QuietHours(start=start, end=end),
        datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=seconds),
    )

    assert _quiet_begins(now, quiet, zone) == next_quiet(now, quiet, zone)
