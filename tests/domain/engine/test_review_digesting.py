"""Digesting late, broken or unusual facts: the innocent go on, the late see what they would have seen."""

from datetime import timedelta
from typing import Any

from engage.domain.catalog import Catalog
from engage.domain.consent.consent import ConsentEntry, ConsentState
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Identifier, Inbound, Kind, Send, SubscriptionWish
from engage.domain.ids import DeliveryId, ProfileId, lane_of, uuid7
from engage.domain.turn.changes import Changes
from engage.domain.turn.turn import POSTPONED
from engage.engine.digest.digest import Digest
from tests.domain.engine.house import House

HOUR = timedelta(hours=1)
WAITS = {"journey": "j", "trigger": {"event": "Go"}, "steps": [{"wait": "1 hour"}]}


def same_lane(name: str) -> str:
    return next(f"u{n}" for n in range(10_000) if lane_of(f"u{n}") == lane_of(name))


def test_a_timer_that_fails_costs_no_fact_behind_it() -> None:
    house = House()
    house.publish(WAITS)
    house.track("ada", "Go")
    house.rest()
    broken = Digest(house.store, lambda tx: Catalog(epoch=99))  # the run's version does not compile here
    innocent = same_lane("ada")
    house.sleep_until(house.clock.now() + 2 * HOUR)
    house.identify(innocent, plan="pro")

    for _ in range(10):
        broken.turn(lane_of("ada"), house.clock.now())

    with house.store.transaction() as tx:
        assert tx.people.find([Identifier("user_id", innocent)])
        assert tx.inbox.read(lane_of("ada"), 1) == []
        assert not list(house.store.look().quarantine.all())
    house.sleep_until(house.clock.now() + POSTPONED)
    house.rest()
    assert [run.reason for run in house.runs("j")] == ["completed"]


def test_a_fact_digested_late_counts_what_it_would_have_counted_in_time() -> None:
    house = House()
    house.publish({"audience": "busy", "where": "count('A', within='1 hour') >= 2"})
    house.track("ada", "A")
    house.rest()
    house.sleep_until(house.clock.now() + HOUR / 2)
    house.track("ada", "A")
    house.sleep_until(house.clock.now() + 3 * HOUR)
    house.rest()

    names = [event.name for event in house.store.look().events.all() if event.name.startswith("Audience")]
    assert sorted(names) == ["Audience Entered", "Audience Exited"]


def test_a_goal_reached_in_time_counts_however_late_it_is_digested() -> None:
    house = House()
    goal = {"event": "Bought", "within": "1 hour"}
    house.publish({"journey": "j", "trigger": {"event": "Go"}, "goal": goal, "steps": [{"exit": "done"}]})
    house.track("ada", "Go")
    house.rest()
    house.sleep_until(house.clock.now() + HOUR / 2)
    house.track("ada", "Bought")
    house.sleep_until(house.clock.now() + 3 * HOUR)
    house.rest()

    assert [run.goal_at is not None for run in house.runs("j")] == [True]


def test_whoever_is_first_known_by_a_delivery_is_judged_by_the_rules_and_reached_there() -> None:
    house = House()
    house.publish({"audience": "everybody", "where": "not (profile.plan is present)"})
    send = Send(
        message_id="s-1",
        delivery=DeliveryId(uuid7(house.clock.now(), "s-1")),
        channel="sms",
        person=Identifier("phone", "+14155550101"),
        text="hello",
    )
    house.add_fact(send, "s-1", 1)
    house.rest()

    with house.store.transaction() as tx:
        assert [tx.people.memberships([who])[who] for who in house.profiles()] == [{"everybody"}]
    assert [message.address for message in house.providers.messages()] == ["+14155550101"]


def test_a_stranger_who_writes_can_be_answered() -> None:
    house = House()
    answer = {"sms": {"text": "welcome"}}
    house.publish({"journey": "j", "trigger": {"inbound": {"channel": "sms"}}, "steps": [answer]})
    inbound = Inbound(
        message_id="i-1",
        channel="sms",
        sender="+14155550101",
        to="+14155550100",
        body="hi",
        at=house.clock.now(),
    )
    house.add_fact(inbound, "i-1", 1)
    house.rest()

    assert [message.body for message in house.providers.messages()] == ["welcome"]


def test_a_second_yes_does_not_undo_a_confirmed_one() -> None:
    topics: dict[str, Any] = {"newsletter": {"email": "double_opt_in"}}
    house = House(settings={"topics": topics})
    house.identify("ada", email="ada@shop.example")
    house.rest()
    with house.store.transaction() as tx:
        profile = house.profiles()[0]
        tx.write(Changes(consents=[_confirmed(profile, house)]))
    house.sleep_until(house.clock.now() + HOUR)
    wish = SubscriptionWish(channel="email", topic="newsletter", state="subscribed")
    house._call("ada", Kind.IDENTIFY, subscriptions=(wish,))
    house.rest()

    with house.store.transaction() as tx:
        view = tx.consents.view([profile], {profile: [("email", "ada@shop.example")]})[profile]
    assert view.by_address["email", "ada@shop.example", "newsletter"] is ConsentState.SUBSCRIBED


def _confirmed(profile: ProfileId, house: House) -> ConsentEntry:
    return ConsentEntry(
        channel=Channel.EMAIL,
        topic="newsletter",
        state=ConsentState.SUBSCRIBED,
        at=house.clock.now(),
        source="confirmed",
        address="ada@shop.example",
        profile=profile,
    )
