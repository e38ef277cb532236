"""A simulation plays recorded events through the real rooms, sends nothing, and says who would get what."""

import json
from typing import Any

from tests.cli.conftest import Author

START = "2026-03-02T10:00:00-05:00"


def recorded(person: str, event: str, at: str, **properties: Any) -> dict[str, Any]:
    return {"type": "track", "userId": person, "event": event, "timestamp": at, "properties": properties}


def play(author: Author, calls: list[dict[str, Any]], *more: str) -> Any:
    author.write("events.jsonl", "\n".join(map(json.dumps, calls)))
    people = [
        {
            "userId": "ada",
            "traits": {"email": "ada@home.example", "phone": "+12125550101"},
            "consents": {"sms": {"promotions": True}},
        },
        {"userId": "bob", "traits": {"phone": "+12125550102"}},
    ]
    author.write("people.jsonl", "\n".join(map(json.dumps, people)))
    return author.json("simulate", "welcome", "--events", "events.jsonl", "--profiles", "people.jsonl", *more)


def test_everybody_who_would_get_something_is_named_with_the_instant(author: Author) -> None:
    found = play(author, [recorded("ada", "Signed Up", START), recorded("bob", "Signed Up", START)])

    told = [(one["at"], one["person"], one["channel"], one["status"], one["reason"]) for one in found["got"]]
    assert told == [
        ("2026-03-02T15:00:00Z", "ada", "email", "accepted", None),
        ("2026-03-02T15:00:00Z", "bob", "email", "skipped", "no_address"),
        ("2026-03-05T15:00:00Z", "ada", "sms", "accepted", None),
    ]
    assert found["totals"] == {"email": {"sent": 1, "no_address": 1}, "sms": {"sent": 1}}
    assert found["days"] == {"2026-03-02": {"email": 1}, "2026-03-05": {"sms": 1}}
    assert found["ended"] == {"completed": 2}


def test_the_same_events_in_any_order_give_the_same_outcome(author: Author) -> None:
    calls = [
        recorded("ada", "Signed Up", START),
        recorded("bob", "Signed Up", "2026-03-01T10:00:00-05:00"),
        recorded("ada", "Order Completed", "2026-03-03T10:00:00-05:00", total=3),
    ]

    once = play(author, calls)

    assert play(author, calls[::-1]) == once
    assert once["ended"] == {"bought": 1, "completed": 1}


def test_what_happened_before_going_live_is_history(author: Author) -> None:
    calls = [recorded("ada", "Signed Up", "2026-02-01T10:00:00Z"), recorded("bob", "Signed Up", START)]

    found = play(author, calls, "--from", "2026-03-01 00:00")

    assert found["entered"] == 1
    assert {one["person"] for one in found["got"]} == {"bob"}


def test_time_stops_when_told(author: Author) -> None:
    found = play(author, [recorded("ada", "Signed Up", START)], "--until", "2026-03-03T00:00:00Z")

    assert (found["active"], len(found["got"])) == (1, 1)


def test_a_person_reads_totals_days_and_lines(author: Author) -> None:
    play(author, [recorded("ada", "Signed Up", START)])

    text = author.run("simulate", "welcome", "--events", "events.jsonl", "--limit", "1")

    assert "entered 1" in text
    assert "no address 1" in text


def test_what_cannot_be_played_is_said_with_its_line(author: Author) -> None:
    author.write("events.jsonl", '{"type": "track", "userId": "a", "event": "X"}\n')
    assert "line 1: a recorded call needs a `timestamp`" in author.run(
        "simulate", "welcome", "--events", "events.jsonl", code=1
    )
    author.write("events.jsonl", "{")
    assert "line 1:" in author.run("simulate", "welcome", "--events", "events.jsonl", code=1)
    assert "did you mean `welcome`?" in author.run("simulate", "welcom", "--events", "events.jsonl", code=2)


def test_a_batch_stands_for_its_calls(author: Author) -> None:
    found = play(
        author, [{"batch": [recorded("ada", "Signed Up", START), recorded("bob", "Signed Up", START)]}]
    )

    assert found["entered"] == 2
