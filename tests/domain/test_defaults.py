"""What the language means where nothing is said, and what its names mean."""

from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from engage.domain.consent.consent import Policy
from engage.domain.journey.journey import Journey
from engage.domain.project_settings import ProjectSettings
from tests.domain.engine.house import House

NEVER, ALWAYS = None, timedelta(0)
STEPS = [{"exit": "done"}]


@pytest.mark.parametrize(
    ("trigger", "every"),
    [
        ({"event": "Go"}, NEVER),
        ({"audience": {"entered": "a"}}, NEVER),
        ({"trait": {"changed": "plan"}}, NEVER),
        ({"inbound": {"channel": "sms"}}, NEVER),
        ({"signal": "S", "people": "true"}, NEVER),
        ({"date": {"trait": "due", "every": "once"}}, NEVER),
        ({"schedule": {"at": "2026-11-27T09:00:00Z"}}, NEVER),
        ({"date": {"trait": "birthday", "every": "year"}}, ALWAYS),
        ({"schedule": {"cron": "0 9 * * *"}}, ALWAYS),
        ({"api": True}, ALWAYS),
    ],
    ids=lambda value: str(value)[:50],
)
def test_the_default_of_re_entry_follows_the_trigger(trigger: Any, every: timedelta | None) -> None:
    journey = Journey.model_validate({"journey": "j", "trigger": trigger, "steps": STEPS})

    assert journey.reentry.every == every


def test_an_import_counts_and_starts_nothing() -> None:
    house = House()
    house.publish({"audience": "old-hands", "where": "count('Long Ago') >= 3"})
    house.publish({"journey": "j", "trigger": {"event": "Long Ago"}, "steps": STEPS})
    house.publish({"journey": "k", "trigger": {"audience": {"entered": "old-hands"}}, "steps": STEPS})
    house.import_history("ada", 3)
    house.rest()

    with house.store.transaction() as tx:
        assert list(tx.people.memberships(house.profiles()).values()) == [{"old-hands"}]
    assert house.runs("j") == house.runs("k") == []


def test_paths_are_positions() -> None:
    steps: list[dict[str, Any]] = [
        {"wait": "1 hour", "id": "nap"},
        {"branch": [{"if": "true", "then": [{"exit": "a"}]}, {"else": [{"exit": "b"}]}], "id": "fork"},
        {"split": {"arms": {"a": {"weight": 1, "then": [{"exit": "c"}]}}}, "id": "pick"},
        {"repeat": {"times": 2, "steps": [{"wait": "1 hour"}]}},
        {
            "wait_for": {
                "event": "X",
                "timeout": "1 day",
                "then": [{"exit": "d"}],
                "on_timeout": [{"exit": "e"}],
            }
        },
        {
            "wait_for": {
                "timeout": "1 day",
                "branches": [{"event": "Y", "then": [{"wait": "1s"}, {"exit": "f"}]}],
            }
        },
        {"sms": {"text": "hi"}, "id": "note", "if_not_sent": {"capped": [{"exit": "g"}]}},
    ]
    journey = Journey.model_validate(
        {"journey": "j", "trigger": {"event": "Go"}, "steps": steps, "on_exit": [{"emit": {"event": "E"}}]}
    )

    assert sorted(journey.program.nodes) == sorted(
        [
            *(
                "0",
                "1",
                "1.0.then.0",
                "1.else.0",
                "2",
                "2.a.0",
                "3",
                "3.steps.0",
                "4",
                "4.then.0",
                "4.on_timeout.0",
            ),
            *("5", "5.branches.0.then.0", "5.branches.0.then.1", "6", "6.if_not_sent.capped.0", "on_exit.0"),
        ]
    )
    assert {"nap", "fork", "pick", "note"} <= set(journey.program.by_id)


def test_absent_settings_have_the_defaults_of_the_page() -> None:
    settings = ProjectSettings()

    assert (settings.timezone, settings.locale, settings.region) == ("UTC", "en", "US")
    assert settings.late_events == timedelta(hours=24)
    assert (settings.law, settings.topics, settings.caps) == ((), {}, ())
    assert settings.global_holdout == Decimal(0)
    assert (settings.sms.opt_out_text, settings.sms.help_text) == (None, None)
    quiet = settings.quiet_hours
    assert quiet is not None
    assert (quiet.from_, quiet.to) == (time(21), time(8))
    assert [str(channel) for channel in quiet.channels] == ["sms", "mms", "whatsapp", "voice"]
    assert (quiet.on_quiet, quiet.unknown_zone) == ("hold", "project")


def test_quiet_hours_can_be_off() -> None:
    assert ProjectSettings.model_validate({"quiet_hours": "off"}).quiet_hours is None


def test_a_topic_allows_the_channels_it_names_and_all_if_it_names_none() -> None:
    topics = {
        "offers": {"email": "opt_out", "sms": "opt_in"},
        "orders": {"transactional": True},
        "calls": {"transactional": True, "voice": "opt_in"},
    }
    settings = ProjectSettings.model_validate({"topics": topics})

    assert settings.policy("mms", "offers") is Policy.OPT_IN
    assert settings.policy("voice", "offers") is Policy.NEVER
    assert {settings.policy(channel, "orders") for channel in ("email", "sms", "voice")} == {
        Policy.TRANSACTIONAL
    }
    assert settings.policy("voice", "calls") is Policy.TRANSACTIONAL
    assert settings.policy("sms", "calls") is Policy.NEVER


def test_a_blocked_value_names_nobody() -> None:
    house = House(settings={"identity": {"blocked": ["unknown"]}})
    house.track("unknown", "Go")
    house.track("ada", "Go")
    house.rest()

    assert len(house.profiles()) == 1
