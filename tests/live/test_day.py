"""A day by the clock: real processes on a time-lapse do what was planned for 24 hours, when it was planned, and are idle then."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engage.bootstrap import open_runtime
from engage.clocks import VARIABLE, TimeLapse
from engage.settings import load_settings
from tests.live.stack import Stack, as_source, eventually, running_stack, send_surely

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(580)]

SPEED = 2_400.0
"""The day takes 36 seconds."""
ZONES = ("UTC", "Asia/Kolkata", "America/Phoenix")
"""Without daylight saving, so that the plan below is the same on every day of the year."""
PEOPLE = 60
COPIES = {"worker-engine": 2, "worker-deliver": 2}
MORNING, PARTS = 9, 5
JOURNEYS: tuple[dict[str, Any], ...] = (
    {
        "journey": "morning",
        "trigger": {
            "schedule": {
                "cron": f"0 {MORNING} * * *",
                "zone": "person",
                "audience": "everybody",
                "if_late": "send",
            }
        },
        "steps": [{"email": {"text": "Good morning"}}],
    },
    {
        "journey": "evening",
        "trigger": {"event": "Go"},
        "entry": {"reentry": "never"},
        "steps": [{"wait": "12 hours"}, {"sms": {"text": "Half a day later"}}],
    },
    {
        "journey": "course",
        "trigger": {"event": "Go"},
        "entry": {"reentry": "never"},
        "steps": [
            step
            for part in range(1, PARTS + 1)
            for step in ({"wait": "4 hours"}, {"email": {"text": f"Part {part}"}, "id": f"part-{part}"})
        ],
    },
)
QUIET = {"from": "21:00", "to": "08:00", "channels": ["sms"]}


def test_a_day_goes_as_planned_and_leaves_nothing_waiting(
    services_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = (datetime.now(UTC) - timedelta(days=8)).replace(hour=10, minute=0, second=0, microsecond=0)
    clock = TimeLapse.set_up(services_dir / "clock", opening, SPEED)
    monkeypatch.setenv(VARIABLE, str(services_dir / "clock"))
    variables = {"ENGAGE_SWEEP_SECONDS": "0.2"}
    with running_stack(services_dir / "day", copies=COPIES, variables=variables) as stack:
        stack.publish(
            as_source("settings", "settings", {"quiet_hours": QUIET}),
            as_source("audience", "everybody", {"audience": "everybody", "where": "did('Go')"}),
            *(as_source("journey", journey["journey"], journey) for journey in JOURNEYS),
        )
        with stack.events() as client:
            send_surely(client, "/v1/batch", {"batch": people()}, stack.heal)
        assert eventually(lambda: is_idle(stack, clock.now())), "the people are not taken in"
        began, end = time.monotonic(), clock.now() + timedelta(hours=24)
        clock.begin(datetime.now(UTC) + timedelta(seconds=1))
        clock.sleep_until(end)
        slept = time.monotonic() - began

        assert eventually(lambda: is_over(stack, end), 120), where_it_stands(stack, clock)
        behind = time.monotonic() - began - slept
        entered = runs(stack, "entered_at")
        late = check_mornings(stack, opening, end)
        late += check_course(stack, entered)
        late += check_evening(stack, entered)
        check_provider(stack)
        print({"seconds": round(slept, 1), "seconds_behind": round(behind, 1), "late_seconds": max(late)})
        assert stack.count("SELECT count(*) FROM run WHERE reason <> 'completed'") == 0
        assert stack.count("SELECT count(*) FROM quarantine") == 0


def people() -> list[dict[str, Any]]:
    return [
        call
        for number in range(PEOPLE)
        for call in (
            {"type": "identify", "userId": f"u{number}", "messageId": f"i-{number}",
             "traits": {"phone": f"+1415555{number:04d}", "email": f"u{number}@x.example",
                        "timezone": ZONES[number % len(ZONES)]}},
            {"type": "track", "userId": f"u{number}", "event": "Go", "messageId": f"g-{number}"},
        )
    ]  # fmt: skip


def is_idle(stack: Stack, at: datetime) -> bool:
    """Return whether all people are here, and nothing that was due at that time is left undone."""
    with open_runtime(load_settings(stack.environment, None)) as runtime:
        idle = runtime.reading.is_idle(at)
    return idle and stack.count("SELECT count(*) FROM run WHERE journey = 'course'") == PEOPLE


def is_over(stack: Stack, end: datetime) -> bool:
    """Return whether the day's work is done and nobody is under way but on a later morning.

    A wait begins when the provider has taken what stands before it: on a busy machine the course ends after the day.
    """
    under_way = stack.count("SELECT count(*) FROM run WHERE ended_at IS NULL AND journey <> 'morning'")
    return not under_way and is_idle(stack, end)


def runs(stack: Stack, column: str) -> dict[Any, datetime]:
    return dict(stack.rows(f"SELECT profile_id, {column} FROM run WHERE journey = 'course'"))


def sent(stack: Stack, journey: str) -> list[tuple[Any, str, datetime, str]]:
    """Return of each delivery the person, the step, when it left by the lapsed clock, and the person's zone."""
    rows = stack.rows(
        "SELECT d.profile_id, d.step, d.taken_at, p.traits->>'timezone' FROM delivery d"
        " JOIN profile p ON p.id = d.profile_id WHERE d.journey = %s AND d.status IN ('accepted', 'sent', 'delivered')",
        journey,
    )
    return [(who, str(step), at, str(zone)) for who, step, at, zone in rows]


def lateness(at: datetime, planned: datetime) -> float:
    """Return how many real seconds after the plan something left; never before it."""
    assert at >= planned, f"left at {at}, before {planned}"
    return (at - planned).total_seconds() / SPEED


def check_mornings(stack: Stack, opening: datetime, end: datetime) -> list[float]:
    """Nine o'clock where the person lives, once a day; mornings after the end do not count."""
    seen, late = Counter[Any](), list[float]()
    for who, _, at, zone in sent(stack, "morning"):
        local = at.astimezone(ZoneInfo(zone))
        planned = local.replace(hour=MORNING, minute=0, second=0, microsecond=0)
        if planned <= end:
            assert planned > opening
            late.append(lateness(at, planned))
            seen[who] += 1
    assert sorted(seen.values()) == [1] * PEOPLE
    return late


def check_course(stack: Stack, entered: dict[Any, datetime]) -> list[float]:
    """Each part once, at least four hours after the one before, counted from the entry."""
    found = sent(stack, "course")
    assert Counter((who, step) for who, step, _, _ in found) == Counter(
        (who, f"part-{part}") for who in entered for part in range(1, PARTS + 1)
    )
    return [
        lateness(at, entered[who] + timedelta(hours=4 * int(step.removeprefix("part-"))))
        for who, step, at, _ in found
    ]


def check_evening(stack: Stack, entered: dict[Any, datetime]) -> list[float]:
    """Twelve hours later, or at eight in the morning where that falls into the night of the person."""
    found, late = sent(stack, "evening"), list[float]()
    assert Counter(who for who, _, _, _ in found) == Counter(list(entered))
    for who, _, at, zone in found:
        planned = (entered[who] + timedelta(hours=12)).astimezone(ZoneInfo(zone))
        if planned.hour >= 21 or planned.hour < 8:
            day = planned.date() + timedelta(days=planned.hour >= 21)
            planned = datetime(day.year, day.month, day.day, 8, tzinfo=ZoneInfo(zone))
        assert 8 <= at.astimezone(ZoneInfo(zone)).hour < 21, "sent in the night"
        late.append(lateness(at, planned))
    return late


def check_provider(stack: Stack) -> None:
    """The provider has each message once, and every one that we hold for sent."""
    ours = stack.rows("SELECT id FROM delivery WHERE status IN ('accepted', 'sent', 'delivered')")
    with stack.sandbox() as sandbox:
        messages = sandbox.call("GET", "/_sandbox/messages?limit=100000", timeout=60)["messages"]
    refs = Counter(message["ref"] for message in messages)
    assert [ref for ref, times in refs.items() if times > 1] == []
    assert {str(delivery) for (delivery,) in ours} <= set(refs)


def where_it_stands(stack: Stack, clock: TimeLapse) -> str:
    return str(
        {
            "now": clock.now().isoformat(),
            "runs": stack.rows("SELECT journey, step, reason, count(*) FROM run GROUP BY 1, 2, 3"),
            "deliveries": stack.rows("SELECT journey, step, status, count(*) FROM delivery GROUP BY 1, 2, 3"),
            "leased": stack.count("SELECT count(*) FROM delivery WHERE lease_until IS NOT NULL"),
            "asked": stack.count("SELECT count(*) FROM delivery WHERE ask_at IS NOT NULL"),
            "inbox": stack.count("SELECT count(*) FROM inbox"),
            "timers": stack.rows("SELECT kind, min(due_at)::text, count(*) FROM timer GROUP BY 1"),
        }
    )
