"""A simulation plays recorded events through the real rooms, sends nothing, and says who would get what."""

import json
from typing import Any

import pytest

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


def live_shop(shop: Author) -> None:
    """Publish the starter, and let two people sign up and one of them buy."""
    shop.json("publish")
    shop.identify("ada", email="ada@home.example", first_name="Ada")
    shop.identify("bob", email="bob@home.example")
    for person in ("ada", "bob"):
        shop.track(person, "Signed Up")


@pytest.mark.live
class TestAgainstLive:
    def test_a_project_that_is_what_is_live_would_send_the_same(self, shop: Author) -> None:
        live_shop(shop)

        found = shop.json("simulate", "welcome", "--against", "live")

        assert (found["people"], found["gets"], found["loses"], found["moved"]) == (2, [], [], [])
        assert found["same"] == 2
        assert "0 messages more, 0 fewer" in shop.run("simulate", "welcome", "--against", "live")

    def test_who_would_get_what_that_did_not_and_the_reverse(self, shop: Author) -> None:
        live_shop(shop)
        shop.edit(
            "journeys/welcome.yaml",
            "reentry: never",
            "reentry: never\n  where: profile.first_name is present",
        )
        shop.edit(
            "journeys/welcome.yaml",
            "steps:",
            "steps:\n  - email: {template: first-mail, topic: account}\n    id: extra",
        )
        shop.write("templates/first-mail/email.txt", "Hello.\n")
        shop.write("templates/first-mail/meta.yaml", "subject: Hello\n")

        found = shop.json("simulate", "welcome", "--against", "live")

        assert [(one["person"], one["template"]) for one in found["gets"]] == [("ada", "first-mail")]
        assert [(one["person"], one["template"]) for one in found["loses"]] == [("bob", "welcome")]
        assert (found["project"]["entered"], found["live"]["entered"]) == (1, 2)
        text = shop.run("simulate", "welcome", "--against", "live")
        assert "would get, and do not now" in text
        assert "get now, and would not" in text

    def test_nothing_of_it_is_stored_or_sent(self, shop: Author) -> None:
        live_shop(shop)
        before = shop.json("profile", "show", "ada")

        shop.json("simulate", "welcome", "--against", "live", "--until", "2099-01-01T00:00:00Z")

        assert shop.json("profile", "show", "ada") == before

    def test_a_journey_that_is_not_live_yet_sends_only_what_is_new(self, shop: Author) -> None:
        live_shop(shop)
        text = (
            (shop.folder / "journeys/welcome.yaml").read_text().replace("journey: welcome", "journey: hello")
        )
        shop.write("journeys/hello.yaml", text)

        found = shop.json("simulate", "hello", "--against", "live")

        assert found["live"] is None
        assert {one["person"] for one in found["gets"]} == {"ada", "bob"}


def test_what_to_play_must_be_said(author: Author) -> None:
    assert "--against live" in author.run("simulate", "welcome", code=2)
