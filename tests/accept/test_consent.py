"""Consent said directly: in the ledger at once, the stricter wins, and nobody confirms for somebody else."""

from collections.abc import Callable
from typing import Any

import pytest

from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, ConsentState
from engage.domain.fact import ConsentGiven, Identifier
from engage.domain.ids import ProfileId
from engage.domain.profile.profile import Profile
from engage.domain.project_settings import ProjectSettings
from engage.domain.turn.changes import Changes
from engage.engine.accept.consent import Choice, ConsentDesk, Wish
from tests.accept.store import ADA, NOW, Hinted, TestedStore

SETTINGS = ProjectSettings.model_validate(
    {
        "topics": {
            "newsletter": {"title": "News", "description": "Weekly", "email": "double_opt_in"},
            "promotions": {"title": "Offers", "email": "opt_out", "sms": "opt_in"},
            "orders": {"transactional": True},
        }
    }
)
YES, NO, PENDING = ConsentState.SUBSCRIBED, ConsentState.UNSUBSCRIBED, ConsentState.PENDING
MAIL, PHONE, OLD_PHONE = "ada@shop.example", "+14155550101", "+14155550100"
BY_MAIL, BY_ID = Identifier("email", MAIL), Identifier("user_id", "ada")


class Desk:
    """A desk over a store that knows Ada."""

    def __init__(self, settings: ProjectSettings = SETTINGS) -> None:
        self.store = TestedStore()
        self.hints = Hinted()
        self.desk = ConsentDesk(self.store, self.hints, lambda: settings)
        names = [BY_ID, BY_MAIL, Identifier("phone", OLD_PHONE), Identifier("phone", PHONE)]
        ada = Profile(id=ADA, bucket_key="b", created_at=NOW, lane=1, identifiers=names)
        with self.store.transaction() as tx:
            tx.write(Changes(profiles={ADA: ada}, identifiers=[(name, ADA) for name in names]))

    def say(
        self, person: Identifier, channel: str, topic: str | None, state: ConsentState, **more: Any
    ) -> ConsentState:
        wish = Wish(person=person, channel=channel, topic=topic, state=state, source="test", **more)
        (now,) = self.desk.change([wish], NOW)
        return now

    def choose(self, wanted: Callable[[Choice], bool]) -> None:
        self.desk.choose(BY_MAIL, "email", None, wanted, source="page", now=NOW)

    def on(self) -> dict[tuple[str, str], bool]:
        return {(c.channel, c.topic): c.on for c in self.desk.offer(BY_MAIL, "email").choices}

    def state(self, channel: str, address: str, topic: str) -> ConsentState | None:
        return self.store.consents(channel, address).by_address.get((channel, address, topic))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_change_is_in_the_ledger_when_it_is_answered_and_a_fact_follows_it_up(desk: Desk) -> None:
    assert desk.say(BY_MAIL, "email", "promotions", NO) is NO

    assert desk.state("email", MAIL, "promotions") is NO
    (fact,) = desk.store.facts()
    assert isinstance(fact, ConsentGiven)
    assert (fact.person, fact.profile, fact.wish.state, fact.source) == (BY_MAIL, ADA, NO, "test")
    assert len(desk.hints.lanes) == 1


@pytest.mark.parametrize("state", [YES, NO])
def test_what_is_said_again_is_in_the_ledger_again_and_updates_nothing(
    desk: Desk, state: ConsentState
) -> None:
    for _ in range(3):
        assert desk.say(BY_ID, "sms", "promotions", state) is state

    assert len(desk.store.facts()) == 1
    assert len(desk.store.look().consents.all()) == 3 * (2 if state is NO else 1)

    desk.say(BY_ID, "sms", "promotions", NO if state is YES else YES)
    assert len(desk.store.facts()) == 2


def test_what_is_pending_may_be_asked_for_again(desk: Desk) -> None:
    for _ in range(2):
        assert desk.say(BY_MAIL, "email", "newsletter", YES) is PENDING

    assert len(desk.store.facts()) == 2


def test_what_stands_at_the_address_and_not_for_its_new_owner_is_followed_up(desk: Desk) -> None:
    stranger = Identifier("email", "new@shop.example")
    desk.say(stranger, "email", "promotions", NO)
    profile = Profile(
        id=ProfileId("019ca945-0a00-71df-b438-0000000000ee"), bucket_key="n", created_at=NOW, lane=1
    )
    profile.identifiers.append(stranger)
    with desk.store.transaction() as tx:
        tx.write(Changes(profiles={profile.id: profile}, identifiers=[(stranger, profile.id)]))

    desk.say(stranger, "email", "promotions", NO)

    assert len(desk.store.facts()) == 2


def test_a_no_holds_for_every_address_of_a_person_and_a_yes_for_the_newest(desk: Desk) -> None:
    desk.say(BY_ID, "sms", "promotions", YES)
    assert (desk.state("sms", PHONE, "promotions"), desk.state("sms", OLD_PHONE, "promotions")) == (YES, None)

    desk.say(BY_ID, "sms", "promotions", NO)

    assert (desk.state("sms", PHONE, "promotions"), desk.state("sms", OLD_PHONE, "promotions")) == (NO, NO)


def test_an_address_nobody_has_yet_has_consent_of_its_own(desk: Desk) -> None:
    assert desk.say(Identifier("email", "new@shop.example"), "email", "promotions", NO) is NO

    assert desk.state("email", "new@shop.example", "promotions") is NO


def test_somebody_without_an_address_is_left_to_digest(desk: Desk) -> None:
    assert desk.say(Identifier("user_id", "bob"), "sms", "promotions", YES) is YES

    (fact,) = desk.store.facts()
    assert isinstance(fact, ConsentGiven)
    assert (fact.profile, fact.wish.address) == (None, None)


def test_a_double_opt_in_waits_until_it_is_confirmed(desk: Desk) -> None:
    assert desk.say(BY_MAIL, "email", "newsletter", YES) is PENDING
    assert desk.say(BY_MAIL, "email", "newsletter", YES, confirmed=True) is YES
    assert desk.say(BY_MAIL, "email", "newsletter", YES) is YES
    assert desk.state("email", MAIL, "newsletter") is YES


def test_a_yes_to_a_topic_does_not_open_a_channel_that_was_closed(desk: Desk) -> None:
    desk.say(BY_MAIL, "email", None, NO)

    assert desk.say(BY_MAIL, "email", "promotions", YES) is NO
    assert desk.state("email", MAIL, EVERY_TOPIC) is NO


def test_the_page_offers_what_people_may_choose(desk: Desk) -> None:
    assert desk.on() == {
        ("email", "newsletter"): False,
        ("email", "promotions"): True,
        ("sms", "promotions"): False,
    }


def test_looking_at_the_page_changes_nothing(desk: Desk) -> None:
    desk.on()

    assert (desk.store.facts(), desk.hints.lanes) == ([], [])


def test_the_page_makes_ticks_a_yes_and_the_rest_a_no(desk: Desk) -> None:
    desk.choose(lambda choice: choice.topic == "newsletter")

    assert desk.on() == {
        ("email", "newsletter"): True,
        ("email", "promotions"): False,
        ("sms", "promotions"): False,
    }


def test_the_page_writes_only_what_changes(desk: Desk) -> None:
    desk.choose(lambda choice: choice.on)

    assert desk.store.facts() == []


def test_ticking_opens_a_closed_channel_for_that_topic_alone(desk: Desk) -> None:
    desk.say(BY_MAIL, "email", None, NO)

    desk.choose(lambda choice: choice.topic == "newsletter")

    assert desk.on()[("email", "newsletter")] is True
    assert desk.on()[("email", "promotions")] is False


def test_ticking_does_not_undo_a_stop_that_stands_at_the_carrier(desk: Desk) -> None:
    stop = ConsentEntry(channel="sms", topic=EVERY_TOPIC, state=NO, at=NOW, source="acme:stop", address=PHONE)
    with desk.store.transaction() as tx:
        tx.consents.append([stop])

    desk.choose(lambda _choice: True)

    assert desk.on()[("sms", "promotions")] is False
    assert desk.state("sms", PHONE, EVERY_TOPIC) is NO


def test_another_address_is_not_confirmed_by_this_ones_link() -> None:
    settings = ProjectSettings.model_validate(
        {"topics": {"alerts": {"sms": "double_opt_in", "email": "opt_in"}}}
    )
    desk = Desk(settings)

    desk.choose(lambda _choice: True)

    assert (desk.state("email", MAIL, "alerts"), desk.state("sms", PHONE, "alerts")) == (YES, PENDING)


def test_without_topics_the_page_offers_the_channel_as_a_whole() -> None:
    desk = Desk(ProjectSettings())
    assert desk.on() == {("email", EVERY_TOPIC): True}

    desk.choose(lambda _choice: False)
    assert desk.on() == {("email", EVERY_TOPIC): False}

    desk.choose(lambda _choice: True)
    assert desk.on() == {("email", EVERY_TOPIC): True}


def test_one_click_by_somebody_erased_holds_and_brings_nobody_back() -> None:
    desk = Desk()
    gone = ProfileId("019ca945-0a00-71df-b438-0000000000ff")
    wish = Wish(
        person=Identifier("email", "zoe@b.example"),
        channel="email",
        topic="promotions",
        state=NO,
        source="one-click",
    )

    desk.desk.change([wish], NOW, profile=gone)

    assert desk.state("email", "zoe@b.example", "promotions") is NO
    assert desk.store.facts() == []
    assert "zoe" not in str([row.doc for row in desk.store._tables.consents.rows.values()])
