"""`why` answers for every send and every refusal, with the rule, the values and the time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engage.engine.explain import telling
from tests.cli.conftest import Author

pytestmark = pytest.mark.live

BIG_ORDER = """
journey: thanks
topic: promotions
trigger: {event: Order Completed}
entry: {where: entry.total > 20, reentry: always}
steps:
  - branch:
      - if: profile.plan == 'pro' and entry.total > 100
        then: [{email: {template: welcome, topic: account}, id: letter}]
      - else: [{sms: first-order, id: text}]
  - wait: 1 day
"""


@pytest.fixture
def told(shop: Author) -> Author:
    """A shop where somebody got a mail, and somebody did not get a text."""
    shop.write("journeys/thanks.yaml", BIG_ORDER)
    shop.json("publish")
    shop.identify("ada", email="ada@home.example", plan="pro", timezone="Europe/Berlin")
    shop.identify("bob", phone="+12125550102")
    shop.track("ada", "Order Completed", total=500)
    shop.track("ada", "Order Completed", total=5)
    shop.track("bob", "Order Completed", total=50)
    return shop


def lines(told: Any) -> list[str]:
    """Return all texts of a tree, outer before inner."""
    return [text for line in told for text in (line["text"], *lines(line.get("below", ())))]


def test_a_send_is_told_with_the_branch_that_led_to_it_and_the_values_it_saw(told: Author) -> None:
    found = told.json("why", "ada", "thanks")

    assert found["zone"] == "Europe/Berlin"
    until = found["decisions"][0]["below"][-2]["values"]["until"]
    assert lines(found["decisions"]) == [
        "thanks (version 1)",
        "entered by Order Completed",
        "if profile.plan == 'pro' and entry.total > 100 → true",
        "email welcome, topic account: sent, taken by scripted",
        f"Wait 1 day: until {until}",
        f"is here now: Wait 1 day, until {until}",
        "did not enter thanks: `entry.where` was false",
    ]
    branch = found["decisions"][0]["below"][1]
    assert branch["values"]["profile.plan"] == "pro"
    assert branch["values"]["entry.total"] == 500


def test_a_refusal_is_told_with_its_reason(told: Author) -> None:
    text = told.run("why", "bob", "thanks")

    assert "sms first-order, topic promotions: not sent, not opted in — never said yes" in text
    assert "times in America/New_York" in text


def test_a_journey_that_is_not_there_is_said_to_be_none(told: Author) -> None:
    text = told.run("why", "bob", "thank")

    assert (
        "nothing was decided about this person in thank, of which nothing is live; did you mean `thanks`?"
        in text
    )


def test_a_person_is_found_by_any_name(told: Author) -> None:
    by_id = told.json("why", "ada")["profile"]

    for name in ("user_id:ada", "email:ada@home.example", "ada@home.example", by_id, f"id:{by_id}"):
        assert told.json("why", name)["profile"] == by_id
    assert "nobody is known as `eve`" in told.run("why", "eve", code=1)


def test_without_a_journey_everything_is_told(told: Author) -> None:
    texts = lines(told.json("why", "bob")["decisions"])

    assert "entered audience customers" in texts


def test_what_was_decided_later_is_left_out(told: Author) -> None:
    before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

    assert told.json("why", "ada", "--at", before)["decisions"] == []
    assert "nothing was decided" in told.run("why", "ada", "--at", before)
    assert "is no instant" in told.run("why", "ada", "--at", "yesterday", code=2)


def test_one_message_is_told_with_the_way_to_it_and_nothing_after(told: Author) -> None:
    page = told.json("profile", "show", "ada")
    delivery = page["deliveries"][0]["delivery_id"]

    assert lines(told.json("why", "ada", "--message", delivery)["decisions"]) == [
        "thanks (version 1)",
        "entered by Order Completed",
        "if profile.plan == 'pro' and entry.total > 100 → true",
        "email welcome, topic account: sent, taken by scripted",
    ]


def test_an_event_tells_what_followed_from_it_and_when_nothing_listened(told: Author) -> None:
    told.happen({"type": "track", "userId": "ada", "event": "Looked", "messageId": "look-1"})
    told.happen(
        {
            "type": "track",
            "userId": "ada",
            "event": "Order Completed",
            "properties": {"total": 1},
            "messageId": "order-1",
        }
    )

    (nothing,) = told.json("why", "ada", "--message", "look-1")["decisions"]
    (refused,) = told.json("why", "ada", "--message", "order-1")["decisions"]

    assert nothing["text"] == "Looked: nothing listened to it (epoch 1)"
    assert refused["reason"] == "entry_where"


def test_an_event_is_found_behind_many_others(told: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_EVENTS_AT_ONCE", 2)
    for number in range(6):
        told.happen({"type": "track", "userId": "ada", "event": "Looked", "messageId": f"look-{number}"})

    (nothing,) = told.json("why", "ada", "--message", "look-0")["decisions"]

    assert nothing["outcome"] == "nothing_listened"


def test_a_message_that_is_not_theirs_is_told_so(told: Author) -> None:
    assert "no delivery and no event `look-9` of this person" in told.run("why", "ada", "--message", "look-9")


def test_sensitive_values_are_not_shown(told: Author) -> None:
    settings = (told.folder / "journeys/settings.yaml").read_text()
    told.write("journeys/settings.yaml", settings + 'sensitive: ["Order Completed.total", profile.plan]\n')
    told.json("publish")

    values = told.json("why", "ada", "thanks")["decisions"][0]["below"][1]["values"]

    assert values["profile.plan"] == "•••"
    assert values["entry.total"] == "•••"


def test_a_person_is_shown_with_everything_known(told: Author) -> None:
    page = told.json("profile", "show", "email:ada@home.example")
    text = told.run("profile", "show", "ada")

    assert page["traits"]["plan"] == "pro"
    assert page["audiences"] == ["customers"]
    assert page["deliveries"][0]["status"] == "accepted"
    assert "thanks version 1: at step 1" in text
    assert "email welcome: accepted" in text


WAITS = """
journey: waits
topic: account
trigger: {event: Go}
entry: {reentry: always}
steps:
  - wait_for:
      timeout: 1 day
      branches:
        - {event: Order Completed, then: [{exit: bought}]}
        - {event: Looked, where: event.long == true}
  - wait_until: {time: "09:00"}
"""


def test_a_wait_is_told_with_what_it_waits_for_and_by_whose_clock(shop: Author) -> None:
    shop.write("journeys/waits.yaml", WAITS)
    shop.json("publish")
    shop.identify("ada", timezone="Europe/Berlin")
    shop.track("ada", "Go")
    assert "is here now: Wait up to 1 day for Order Completed or Looked where event.long == true" in shop.run(
        "why", "ada", "waits"
    )

    shop.track("ada", "Looked", long=True)

    told = lines(shop.json("why", "ada", "waits")["decisions"])
    assert told[2] == "Wait up to 1 day for Order Completed or Looked where event.long == true → Looked"
    assert told[3].startswith("Wait until 09:00: until ")
    assert told[3].endswith("(Europe/Berlin)")
    assert " 09:00:00" in shop.run("why", "ada", "waits")
