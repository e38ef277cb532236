"""The rules of who is who: limits, priorities, blocked values, and what a public key may not do. Nothing is dropped silently."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.domain.decision import Decided
from engage.domain.fact import Identifier, Kind, SubscriptionWish
from engage.domain.outgoing import recorded
from engage.domain.profile.identity import MAX_IDENTIFIERS, MAX_MERGES
from engage.domain.project_settings import ProjectSettings
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import Intake
from engage.engine.quarantine import replay
from engage.ports.clock import NoHints
from tests.identity.town import Town, anon, at, mail, user

ADA, BOB = user("ada"), user("bob")
HERS, HIS, THIRD = mail("ada@shop.example"), mail("bob@shop.example"), mail("third@shop.example")


def own(kind: str, value: str) -> Identifier:
    return Identifier(kind, value)


class TestLimits:
    def test_one_user_id_and_five_of_any_other(self) -> None:
        town = Town()
        for number in range(7):
            town.tell(ADA, anon(f"a{number}"), own("phone", f"+1415555010{number}"))
        town.rest()

        names = town.profile(ADA).identifiers
        assert [sum(one.kind == kind for one in names) for kind in ("user_id", "anonymous_id", "phone")] == [
            1,
            5,
            5,
        ]
        assert town.dropped(ADA) == [("anonymous_id", "value_limit")] * 2 + [("phone", "value_limit")] * 2

    def test_the_settings_say_what_else(self) -> None:
        town = Town(
            settings={"identity": {"identifiers": {"anonymous_id": {"limit": 1}, "loyalty_id": {"limit": 2}}}}
        )
        for number in range(3):
            town.tell(ADA, anon(f"a{number}"))
            town.tell(ADA, own("loyalty_id", f"l{number}"))
        town.rest()

        assert len(town.profile(ADA).identifiers) == 1 + 1 + 2
        assert town.dropped(ADA) == [("anonymous_id", "value_limit")] * 2 + [("loyalty_id", "value_limit")]

    def test_a_priority_alone_leaves_the_limit_as_it_was(self) -> None:
        town = Town(
            settings={"identity": {"identifiers": {"user_id": {"priority": 1}, "phone": {"priority": 9}}}}
        )
        town.tell(ADA, HERS)
        town.tell(BOB, HERS)
        town.rest()

        assert town.whose(ADA) != town.whose(BOB)

    def test_the_least_of_the_facts_identifiers_goes_first(self) -> None:
        town = Town(settings={"identity": {"identifiers": {"email": {"priority": 7}}}})
        town.tell(ADA, HERS, anon("a"))
        town.rest()
        town.tell(BOB, HERS, anon("a"))
        town.rest()

        # The e-mail ranks last here; without it the anonymous id is still Ada's, and goes too.
        assert town.dropped(BOB) == [("anonymous_id", "value_limit"), ("email", "value_limit")]
        assert town.whose(HERS, anon("a")) == town.whose(ADA, ADA)

    def test_who_is_over_a_limit_that_was_tightened_stays_and_is_still_known(self) -> None:
        town = Town()
        for number in range(4):
            town.tell(ADA, anon(f"a{number}"))
        town.rest()
        town.settle({"identity": {"identifiers": {"anonymous_id": {"limit": 2}}}})
        for number in range(4):
            town.tell(anon(f"a{number}"), event="Bought")
        town.tell(ADA, anon("a9"))
        town.rest()

        (everything,) = town.people([ADA], ["Bought"]).values()
        assert len(everything.events) == 4
        assert len(town.profile(ADA).identifiers) == 5
        assert town.dropped(ADA) == [("anonymous_id", "value_limit")]

    def test_a_hundred_merges_and_no_more(self) -> None:
        limits = {"anonymous_id": {"limit": 1000}}
        town = Town(settings={"identity": {"identifiers": limits}})
        town.tell(ADA)
        for number in range(MAX_MERGES + 2):
            town.tell(anon(f"a{number}"))
            town.tell(ADA, anon(f"a{number}"), event="Bought")
        town.rest()

        profile = town.profile(ADA)
        assert profile.merges == MAX_MERGES
        assert town.dropped(ADA) == [("anonymous_id", "merge_limit")] * 2
        (everything,) = town.people([ADA], ["Bought"]).values()
        assert len(everything.events) == MAX_MERGES + 2

    def test_a_thousand_identifiers_and_no_more(self) -> None:
        limits = {"anonymous_id": {"limit": 5000}}
        town = Town(settings={"identity": {"identifiers": limits}})
        for number in range(MAX_IDENTIFIERS + 2):
            town.tell(ADA, anon(f"a{number}"))
        town.tell(anon("a5"))
        town.rest()

        assert len(town.profile(ADA).identifiers) == MAX_IDENTIFIERS
        assert town.dropped(ADA) == [("anonymous_id", "mapping_limit")] * 3


class TestBlocked:
    def test_a_blocked_value_names_nobody_and_the_rest_does(self) -> None:
        town = Town(settings={"identity": {"blocked": ["unknown", "Nobody@Shop.example"]}})
        town.tell(ADA, anon("unknown"), mail("nobody@shop.example"))
        town.rest()

        assert town.profile(ADA).identifiers == [ADA]
        assert town.dropped(ADA) == [("anonymous_id", "blocked_value"), ("email", "blocked_value")]

    @pytest.mark.parametrize("value", ["null", "undefined", "anonymous", "-1", "00", "0000-0000", "unknown"])
    def test_what_stands_for_nobody_makes_no_person_of_all_strangers(self, value: str) -> None:
        town = Town(settings={"identity": {"blocked": ["unknown"]}})
        town.tell(user(value), anon("a1"))
        town.tell(user(value), anon("a2"))
        town.tell(user("0"))
        town.rest()

        assert town.whose(user(value)) == [None]
        assert town.whose(anon("a1")) != town.whose(anon("a2"))
        assert town.whose(user("0")) != [None]

    def test_a_blocked_address_is_not_written_to_either(self) -> None:
        town = Town(settings={"identity": {"blocked": ["nobody@shop.example"]}})
        town.tell(ADA, mail("nobody@shop.example"))
        town.rest()

        assert town.profile(ADA).traits == {}

    def test_a_call_about_nobody_waits_in_quarantine_and_is_taken_when_the_rule_is_mended(self) -> None:
        town = Town(settings={"identity": {"blocked": ["unknown"]}})
        town.tell(user("unknown"), event="Bought", message_id="m")
        town.rest()
        (kept,) = town.quarantine()
        assert (kept.source, kept.reason) == ("digest", "no_identifier")
        assert town.whose(user("unknown")) == [None]

        town.settle({})
        acceptor = Acceptor(ProjectSettings)
        again = town.reading.quarantine().items
        done = replay(town.store, acceptor, Intake(town.store, NoHints()), again)
        town.rest()

        assert (done.taken, town.quarantine()) == (1, [])
        (somebody,) = town.people([user("unknown")], ["Bought"]).values()
        assert [event for event, _ in somebody.events] == ["m"]


class TestAliases:
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (0, 2, 1), (2, 0, 1)])
    def test_an_alias_may_come_before_during_or_after(self, order: tuple[int, ...]) -> None:
        town = Town()
        steps = (
            lambda: town.tell(anon("a"), event="Bought"),
            lambda: town.alias(ADA, "a"),
            lambda: town.tell(ADA, event="Bought"),
        )
        for step in order:
            steps[step]()
            town.rest()

        (somebody,) = town.people([ADA, anon("a")], ["Bought"]).values()
        assert len(somebody.events) == 2

    def test_a_user_does_not_become_another_user_and_why_is_told(self) -> None:
        town = Town()
        town.tell(user("zoe-before"))
        town.rest()
        town.alias(ADA, "zoe-before")
        town.rest()

        assert town.whose(ADA) != town.whose(user("zoe-before"))
        assert town.dropped(ADA) == [("user_id", "value_limit")]

    def test_a_user_becomes_another_where_two_are_allowed(self) -> None:
        town = Town(settings={"identity": {"identifiers": {"user_id": {"limit": 2}}}})
        town.tell(user("before"))
        town.rest()
        town.alias(ADA, "before")
        town.rest()

        assert town.whose(ADA) == town.whose(user("before"))


class TestPublicKey:
    """Whatever comes by a browser key, a known person keeps their addresses."""

    def known(self, **settings: Any) -> Town:
        town = Town(**settings)
        town.identify(ADA, HERS, traits={"email": "Ada@Shop.example", "phone": "+14155550101"})
        town.identify(BOB, HIS, traits={"email": "bob@shop.example"})
        town.rest()
        town.now = at(1)
        return town

    @pytest.mark.parametrize("email", ["third@shop.example", None, "", 7, ["x"]])
    def test_it_changes_and_deletes_no_address(self, email: Any) -> None:
        town = self.known()
        names = (ADA, THIRD) if email == "third@shop.example" else (ADA,)
        town.identify(*names, traits={"email": email, "phone": None, "plan": "pro"}, browser=True)
        town.rest()

        profile = town.profile(ADA)
        assert profile.traits == {"email": "Ada@Shop.example", "phone": "+14155550101", "plan": "pro"}
        assert THIRD not in profile.identifiers
        refused = {
            one.values["trait"]
            for one in town.decisions(ADA)
            if one.reason == "browser_key" and one.outcome == "refused"
        }
        assert refused == {"email", "phone"}

    def test_the_same_address_said_again_is_nothing(self) -> None:
        town = self.known()
        before = len(town.decisions(ADA))
        town.identify(ADA, HERS, traits={"email": " ADA@shop.example"}, browser=True)
        town.rest()

        assert town.profile(ADA).traits["email"] == "Ada@Shop.example"
        assert len(town.decisions(ADA)) == before

    def test_it_gives_an_address_to_whoever_has_none(self) -> None:
        town = self.known()
        town.identify(anon("new"), THIRD, traits={"email": "third@shop.example"}, browser=True)
        town.rest()

        assert town.whose(THIRD) == town.whose(anon("new"))

    def test_it_unites_nobody_with_people_of_another_address(self) -> None:
        town = self.known()
        town.identify(anon("evil"), THIRD, traits={"email": "third@shop.example"}, browser=True)
        town.rest()
        town.now = at(2)
        town.identify(ADA, anon("evil"), browser=True)
        town.alias(ADA, "evil", browser=True)
        town.rest()

        assert town.profile(ADA).traits["email"] == "Ada@Shop.example"
        assert town.whose(ADA) != town.whose(anon("evil"))
        assert town.dropped(ADA) == [("anonymous_id", "browser_key")] * 2

    def test_it_unites_a_visitor_with_whom_they_say_they_are(self) -> None:
        town = self.known()
        town.tell(anon("visitor"), event="Bought", browser=True)
        town.rest()
        town.tell(ADA, anon("visitor"), browser=True)
        town.rest()

        assert town.whose(ADA) == town.whose(anon("visitor"))

    def test_consent_from_it_is_refused_and_told(self) -> None:
        town = self.known()
        wish = SubscriptionWish(channel="email", state="subscribed", address=HERS.value)
        town.identify(ADA, subscriptions=(wish,), browser=True)
        town.rest()

        assert [(one.kind, one.outcome) for one in town.decisions(ADA) if one.reason == "browser_key"] == [
            (Decided.CONSENT, "refused")
        ]

    def test_a_server_key_may_do_all_of_it(self) -> None:
        town = self.known()
        town.identify(ADA, THIRD, traits={"email": "third@shop.example", "phone": None})
        town.rest()

        assert town.profile(ADA).traits == {"email": "third@shop.example"}
        assert THIRD in town.profile(ADA).identifiers


def test_a_value_that_cannot_be_an_identifier_is_told() -> None:
    town = Town()
    town.identify(ADA, traits={"phone": "call me"}, unusable=("phone", "external_id"))
    town.rest()

    assert town.dropped(ADA) == [("external_id", "invalid_value"), ("phone", "invalid_value")]
    assert town.profile(ADA).traits == {"phone": "call me"}


NAMES = [user("u1"), user("u2"), *(anon(f"a{n}") for n in range(4)), *(mail(f"e{n}@x.y") for n in range(3))]
BLOCKED = user("null")


@given(
    told=st.lists(
        st.tuples(
            st.lists(st.sampled_from([*NAMES, BLOCKED]), min_size=1, max_size=4, unique=True), st.booleans()
        ),
        min_size=1,
        max_size=8,
    )
)
def test_every_identifier_is_the_persons_or_its_loss_is_a_decision(
    told: list[tuple[list[Identifier], bool]],
) -> None:
    rules = {"identifiers": {"anonymous_id": {"limit": 2}, "email": {"limit": 1}}, "blocked": ["null"]}
    town = Town(settings={"identity": rules})
    for number, (names, public) in enumerate(told):
        before, aside = _losses(town), len(town.quarantine())
        town.tell(*names, kind=Kind.TRACK, event="E", browser=public, message_id=f"m{number}")
        town.rest()

        if len(town.quarantine()) > aside:
            assert set(names) == {BLOCKED}
            continue
        person = next(who for who in names if who in NAMES and f"m{number}" in _events(town, who))
        lost = [who for who in names if town.whose(who) != town.whose(person)]
        assert _losses(town) - before == len(lost)


def _losses(town: Town) -> int:
    """How many identifiers were dropped, of everybody."""
    people = {key: who for who, key in zip(NAMES, town.whose(*NAMES), strict=True) if key is not None}
    return sum(len(town.dropped(who)) for who in people.values())


def _events(town: Town, who: Identifier) -> set[str]:
    return {event for somebody in town.people([who], ["E"]).values() for event, _ in somebody.events}


def test_a_computed_trait_counts_a_fact_that_another_lane_kept_waiting() -> None:
    town = Town()
    town.publish({"trait": "orders", "value": "count('Bought')"})
    town.identify(ADA, anon("a"))
    town.rest()
    town.now = at(1)
    town.tell(anon("a"), event="Bought")
    (waits,) = town.waiting()
    town.now = at(2)
    town.tell(ADA, event="Bought")
    (goes,) = set(town.waiting()) - {waits}

    town.rest([goes, waits])

    assert town.profile(ADA).traits["orders"] == 2


def test_a_group_call_is_kept_on_the_person_and_unites_no_colleagues() -> None:
    town = Town()
    for who in (ADA, BOB):
        town.tell(who, kind=Kind.GROUP, group_id="acme", traits={"plan": "enterprise"})
    town.rest()

    assert town.whose(ADA) != town.whose(BOB)
    (key,) = town.whose(ADA)
    assert key is not None
    (event,) = town.reading.events(key).items
    assert (event.name, event.type) == ("Group Identified", "group")
    assert event.properties == {"group_id": "acme", "traits": {"plan": "enterprise"}}
    told = recorded(event, {"user_id": "ada", "id": key})
    assert (told["type"], told["groupId"], told["traits"]) == ("group", "acme", {"plan": "enterprise"})
