"""What somebody stopped by STOP, nobody but they themselves starts again."""

import pytest

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState
from engage.domain.fact import Call, Identifier, Kind, SubscriptionWish
from engage.domain.ids import lane_of
from tests.domain.engine.house import House

PHONE, MAIL = "+14155550101", "ada@shop.example"
ADA = Identifier("user_id", "ada")
YES, NO = ConsentState.SUBSCRIBED, ConsentState.UNSUBSCRIBED


def say(house: House, message_id: str, wish: SubscriptionWish) -> None:
    call = Call(
        kind=Kind.IDENTIFY,
        message_id=message_id,
        timestamp=house.clock.now(),
        identifiers=(ADA,),
        traits={"phone": PHONE, "email": MAIL},
        subscriptions=(wish,),
        source="shop",
    )
    house.add_fact(call, message_id, lane_of(ADA.value))
    house.rest()


def state(house: House, channel: str, address: str) -> ConsentState | None:
    (profile,) = house.profiles()
    with house.store.transaction() as tx:
        view = tx.consents.view([profile], {profile: [(channel, address)]})[profile]
    return view.by_address.get((channel, address, EVERY_TOPIC))


@pytest.mark.parametrize(("channel", "address", "after"), [("sms", PHONE, NO), ("email", MAIL, YES)])
def test_a_call_does_not_open_what_a_stop_closed(channel: str, address: str, after: ConsentState) -> None:
    house = House()
    house.identify("ada", phone=PHONE, email=MAIL)
    house.rest()
    stop = ConsentEntry(
        channel=channel, topic=EVERY_TOPIC, state=NO, at=house.clock.now(), source="inbound", address=address
    )
    with house.store.transaction() as tx:
        tx.consents.append([stop])

    say(house, "m-yes", SubscriptionWish(channel=channel, state=YES, address=address))

    assert state(house, channel, address) is after


def test_a_call_may_open_what_nobody_closed() -> None:
    house = House()

    say(house, "m-yes", SubscriptionWish(channel="sms", state=YES, address=PHONE))

    assert state(house, "sms", PHONE) is YES


def test_a_number_that_said_stop_stays_closed_for_whoever_gets_it() -> None:
    house = House()
    stop = ConsentEntry(
        channel="sms", topic=EVERY_TOPIC, state=NO, at=house.clock.now(), source="inbound", address=PHONE
    )
    with house.store.transaction() as tx:
        tx.consents.append([stop])

    say(house, "m-yes", SubscriptionWish(channel="sms", state=YES))

    assert state(house, "sms", PHONE) is NO


TOPICS = {
    "topics": {
        "offers": {"title": "Offers", "email": "opt_in", "sms": "opt_in"},
        "letters": {"title": "Letters", "email": "opt_out", "sms": "double_opt_in"},
        "orders": {"title": "Orders", "transactional": True},
    }
}


def topics_of(house: House, channel: str, address: str) -> dict[str, ConsentState]:
    (profile,) = house.profiles()
    with house.store.transaction() as tx:
        view = tx.consents.view([profile], {profile: [(channel, address)]})[profile]
    return {topic: state for (_, _, topic), state in view.by_address.items()}


def test_a_yes_to_all_texts_is_one_to_every_topic_that_asks_for_it() -> None:
    house = House(settings=TOPICS)

    say(house, "m-yes", SubscriptionWish(channel="sms", state=YES, address=PHONE))

    assert topics_of(house, "sms", PHONE) == {
        EVERY_TOPIC: YES,
        "offers": YES,
        "letters": ConsentState.PENDING,
    }


def test_a_yes_to_mail_is_none_to_its_groups() -> None:
    house = House(settings=TOPICS)

    say(house, "m-yes", SubscriptionWish(channel="email", state=YES, address=MAIL))

    assert topics_of(house, "email", MAIL) == {EVERY_TOPIC: YES}


def test_a_yes_to_all_texts_after_a_stop_is_a_yes_to_nothing() -> None:
    house = House(settings=TOPICS)
    stop = ConsentEntry(
        channel="sms", topic=EVERY_TOPIC, state=NO, at=house.clock.now(), source="inbound", address=PHONE
    )
    with house.store.transaction() as tx:
        tx.consents.append([stop])

    say(house, "m-yes", SubscriptionWish(channel="sms", state=YES, address=PHONE))

    assert topics_of(house, "sms", PHONE) == {EVERY_TOPIC: NO}
