"""What is recorded while journeys live: why something is held, why somebody may not enter, which zone was meant."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from engage.domain.decision import Decision
from engage.domain.delivery.delivery import Delivery
from engage.engine.publish.publish import Source
from tests.domain.engine.house import House

HOUR = timedelta(hours=1)
NIGHT = datetime(2026, 3, 2, 23, tzinfo=UTC)


def decisions(house: House) -> Iterator[Decision]:
    for row in house.store.look().decisions.all():
        yield msgspec.json.decode(row.doc, type=Decision)


def refusals(house: House) -> list[str | None]:
    return [one.reason for one in decisions(house) if (one.kind, one.outcome) == ("entry", "refused")]


def deliveries(house: House) -> list[Delivery]:
    return [msgspec.json.decode(row.doc, type=Delivery) for row in house.store.look().deliveries.all()]


def journey(**parts: Any) -> dict[str, Any]:
    return {
        "journey": "j",
        "trigger": {"event": "Go", "key": "event.k"},
        "steps": [{"sms": {"text": "hi"}}],
        **parts,
    }


def test_a_corrected_template_reaches_everybody_and_is_recorded() -> None:
    house = House(templates_live=True)

    def template(text: str) -> None:
        source = Source(kind="template", name="hi", text=json.dumps({"sms.txt": text}))
        house.world.publish.publish([source], whole=False)

    template("Helo")
    house.publish(journey(steps=[{"wait": "1 hour"}, {"sms": "hi"}]))
    house.identify("ada", phone="+14155550101")
    house.track("ada", "Go", k="a")
    house.rest()
    template("Hello")
    house.world.run_until(house.clock.now() + HOUR)

    assert [message.body for message in house.providers.messages()] == ["Hello"]
    assert [one.template_version for one in deliveries(house)] == [2]


def test_what_is_held_says_why() -> None:
    house = House(NIGHT, settings={"quiet_hours": {"from": "21:00", "to": "08:00"}})
    house.publish(journey())
    house.identify("ada", phone="+14155550101")
    house.track("ada", "Go", k="a")
    house.rest()
    assert [(one.status, one.reason) for one in deliveries(house)] == [("held", "quiet_hours")]

    house.world.publish.set_state("j", "paused")
    house.world.run_until(datetime(2026, 3, 3, 9, tzinfo=UTC))
    assert [(one.status, one.reason) for one in deliveries(house)] == [("held", "paused")]

    house.world.publish.set_state("j", "active")
    house.rest()
    assert [(one.status, one.reason) for one in deliveries(house)] == [("accepted", None)]


def test_the_first_refusal_of_an_entry_is_recorded() -> None:
    """Paused, late, no key, not wanted, inside, been there: each is told only where none before it applies."""
    house = House(settings={"late_events": "1 hour"})
    entry = {"where": "entry.wanted", "reentry": "never"}
    house.publish(journey(entry=entry, steps=[{"wait": "1 hour"}]))

    def go(*, late: bool = False, **properties: Any) -> str | None:
        count = len(refusals(house))
        house.track("ada", "Go", ago_hours=2 if late else 0, **properties)
        house.rest()
        found = refusals(house)
        return found[-1] if len(found) > count else None

    assert go(k="a", wanted=True) is None
    house.world.publish.set_state("j", "paused")
    assert go(late=True) == "paused"
    house.world.publish.set_state("j", "active")
    house.rest()
    assert go(late=True) == "late"
    assert go() == "no_key"
    assert go(k="a") == "entry_where"
    assert go(k="a", wanted=True) == "already_inside"
    house.world.run_until(house.clock.now() + 2 * HOUR)
    assert go(k="a", wanted=True) == "reentry"


def test_an_invalid_zone_is_recorded_on_the_decision() -> None:
    house = House()
    house.publish({"journey": "j", "trigger": {"event": "Go"}, "steps": [{"wait_until": {"time": "12:00"}}]})
    house.identify("ada", timezone="Nowhere/Atlantis")
    house.track("ada", "Go")
    house.rest()

    told = [one.values for one in decisions(house) if one.outcome == "zone_invalid"]
    assert told == [{"timezone": "Nowhere/Atlantis"}]
