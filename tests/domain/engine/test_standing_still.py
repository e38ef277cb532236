"""What this release cannot read, or cannot find, stands still: nobody else is held up, and nothing of it is lost."""

from datetime import timedelta

import pytest

from engage.domain.catalog import Catalog, LiveJourney
from engage.domain.errors import UnusableSettingsError
from engage.domain.fact import Receipt, Send, Wake
from engage.domain.ids import DeliveryId, ProfileId, lane_of, uuid7
from engage.domain.journey.journey import Journey
from engage.domain.turn.turn import POSTPONED
from engage.engine.digest.digest import Digest
from engage.engine.publish.publish import Source
from tests.domain.engine.house import House

HOUR = timedelta(hours=1)
OLD = {
    "journey": "old",
    "trigger": {"event": "Go"},
    "exit_when": [{"event": "Stop"}],
    "steps": [{"wait_for": {"event": "Ping", "timeout": "1 hour", "then": [{"exit": "pinged"}]}}],
}
NEW = Journey.model_validate({"journey": "new", "trigger": {"event": "Ping"}, "steps": [{"exit": "done"}]})


def another_release(house: House) -> Digest:
    """Return a digest in which `old` does not compile and `new` does."""
    return Digest(house.store, lambda tx: Catalog(epoch=99, journeys=[LiveJourney(NEW, 1)]))


def inside() -> House:
    house = House()
    house.publish(OLD)
    house.track("ada", "Go")
    house.rest()
    return house


def test_facts_of_somebody_inside_a_journey_that_does_not_compile_are_digested_and_kept_for_it() -> None:
    house = inside()
    house.track("ada", "Ping")

    another_release(house).turn(lane_of("ada"), house.clock.now())

    assert [run.reason for run in house.runs("new")] == ["done"]
    assert [run.active for run in house.runs("old")] == [True]
    house.track("ada", "Anything")
    house.rest()
    assert [run.reason for run in house.runs("old")] == ["pinged"]


def test_a_timer_of_such_a_run_comes_again_until_it_compiles() -> None:
    house = inside()
    house.sleep_until(house.clock.now() + HOUR)
    broken = another_release(house)

    for _ in range(3):
        assert broken.turn(lane_of("ada"), house.clock.now()).timers <= 1
        house.sleep_until(house.clock.now() + POSTPONED)

    assert [run.active for run in house.runs("old")] == [True]
    house.sleep_until(house.clock.now() + POSTPONED)
    house.rest()
    assert [run.reason for run in house.runs("old")] == ["completed"]


def test_settings_that_do_not_compile_are_not_replaced_by_the_defaults_and_cost_no_fact() -> None:
    house = House()
    house.world.publish.publish([Source(kind="settings", name="settings", text="topics: [")], whole=False)
    house.track("ada", "Go")

    for _ in range(10):
        with pytest.raises(UnusableSettingsError, match="publish them again"):
            house.world.digest.turn(lane_of("ada"), house.clock.now())

    with house.store.transaction() as tx:
        assert len(tx.inbox.read(lane_of("ada"), 10)) == 1


def test_a_fact_about_a_profile_that_is_not_there_holds_up_nobody() -> None:
    house = House()
    gone = ProfileId(uuid7(house.clock.now(), "gone"))
    house.add_fact(Wake(message_id="w", profile=gone, cause="backfill", name="x"), "w", lane_of("ada"))
    house.identify("ada", plan="pro")

    house.rest()

    assert len(house.profiles()) == 1
    with house.store.transaction() as tx:
        assert tx.inbox.lanes() == {}


def test_an_import_at_the_head_of_a_lane_delays_no_timer() -> None:
    house = House()
    house.publish(
        {"journey": "j", "trigger": {"event": "Go"}, "steps": [{"wait": "1 hour"}, {"exit": "in time"}]}
    )
    house.track("ada", "Go")
    house.rest()
    house.import_history("ada", 1200)
    house.sleep_until(house.clock.now() + 2 * HOUR)

    house.world.digest.turn(lane_of("ada"), house.clock.now())

    assert [run.reason for run in house.runs("j")] == ["in time"]
    with house.store.transaction() as tx:
        assert tx.inbox.lanes()


def test_a_timer_still_waits_for_an_older_live_fact_behind_an_import() -> None:
    house = House()
    house.publish(
        {
            "journey": "j",
            "trigger": {"event": "Go"},
            "exit_when": [{"event": "Stop"}],
            "steps": [{"wait": "1 hour"}],
        }
    )
    house.track("ada", "Go")
    house.rest()
    house.import_history("ada", 600)
    house.track("ada", "Stop")
    house.sleep_until(house.clock.now() + 2 * HOUR)

    house.rest()

    assert [run.reason for run in house.runs("j")] == ["exit"]


def test_what_becomes_of_a_delivery_of_no_run_matches_no_run() -> None:
    house = House()
    exits = [{"event": "SMS Delivered"}, {"event": "SMS Sent"}]
    house.publish(
        {"journey": "j", "trigger": {"event": "Go"}, "exit_when": exits, "steps": [{"wait": "1 hour"}]}
    )
    house.identify("ada", phone="+14155550101")
    house.track("ada", "Go")
    house.rest()
    delivery = DeliveryId(uuid7(house.clock.now(), "api"))
    person = house.person("ada")
    house.add_fact(
        Send(message_id="s", delivery=delivery, channel="sms", person=person, text="hi"), "s", lane_of("ada")
    )
    house.rest()
    receipt = Receipt(
        delivery=delivery, mark="delivered", at=house.clock.now(), receipt_id="r", provider="scripted"
    )
    house.add_fact(receipt, "r", lane_of("ada"))
    house.rest()

    assert len(house.providers.messages()) == 1
    assert [run.active for run in house.runs("j")] == [True]
