"""The provider's own lists of refused addresses and our ledger say the same, whoever heard the no first."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from engage.channels.registry import build_lists
from engage.domain.consent.consent import EVERY_TOPIC, ConsentEntry, Consents, ConsentState, SuppressionEntry
from engage.domain.fact import Identifier
from engage.domain.project_settings import ProjectSettings
from engage.engine.accept.intake import NOBODY
from engage.engine.settle.lists import REST, Lists, State, state_of
from engage.ports.clock import NoHints
from engage.ports.listing import ListsAwayError
from tests.sandbox.twin import Twin
from tests.twin.shop import SETTINGS, Shop, open_shop

ADA = "ada@sandbox.example"
KEY: dict[str, Any] = {"sendgrid_api_key": "SG.test"}
TOPICS = {"news": {"email": "opt_out", "unsubscribe_group": 1}, "offers": {"email": "opt_out"}}


@pytest.fixture
def shop(twin: Twin) -> Iterator[Shop]:
    """A shop with mail, whose topic `news` has group 1."""
    with open_shop(
        twin, **KEY, sendgrid_from="Shop <hello@shop.example>", sendgrid_base_url=twin.url
    ) as shop:
        shop.settings(quiet_hours="off", topics=TOPICS)
        groups = twin.sendgrid.client.asm.groups
        groups.post(request_body={"name": "News", "description": "Weekly"})
        yield shop


@pytest.fixture
def lists(shop: Shop) -> Lists:
    """The room, on the twin's lists."""
    return room(shop)


def room(shop: Shop, **settings: Any) -> Lists:
    (provider,) = build_lists(replace(SETTINGS, sendgrid_base_url=shop.twin.url, **{**KEY, **settings}))
    form = ProjectSettings.model_validate({"topics": TOPICS})
    return Lists(shop.store, lambda: form, provider, shop.clock, NoHints())


def a_pass(lists: Lists, shop: Shop) -> int:
    """Take turns until the pass rests; return how many."""
    shop.world.rest()
    shop.clock.move_to(shop.clock.now() + REST + timedelta(seconds=1))
    turns = 1
    while lists.turn():
        turns += 1
        assert turns < 1000
    shop.world.rest()
    return turns


def state(shop: Shop) -> State:
    found, _ = state_of(shop.store, "sendgrid")
    assert found is not None
    return found


def view(shop: Shop, address: str = ADA) -> Consents:
    with shop.store.transaction() as tx:
        return tx.consents.view([NOBODY], {NOBODY: [("email", address)]})[NOBODY]


def say(shop: Shop, consent: ConsentState, *, topic: str = EVERY_TOPIC, at: datetime | None = None) -> None:
    with shop.store.transaction() as tx:
        entry = ConsentEntry(
            channel="email",
            topic=topic,
            state=consent,
            at=at or shop.clock.now(),
            source="test",
            address=ADA,
        )
        tx.consents.append([entry])


def put(twin: Twin, listing: str, *addresses: str) -> None:
    for address in addresses:
        twin.post("suppressions", {"list": listing, "email": address})


def theirs(twin: Twin, listing: str) -> list[str]:
    client = twin.sendgrid.client
    if listing.startswith("group"):
        path = client.asm.groups._("1").suppressions
        return sorted(json.loads(path.get().body))
    return sorted(row["email"] for row in json.loads(client.suppression._(listing).get().body))


@pytest.mark.parametrize("listing", ["bounces", "invalid_emails", "spam_reports"])
def test_an_address_that_sendgrid_gave_up_is_suppressed_here(
    lists: Lists, shop: Shop, twin: Twin, listing: str
) -> None:
    shop.identify("ada", email=ADA)
    put(twin, listing, "Ada@Sandbox.example")

    a_pass(lists, shop)

    assert ("email", ADA) in view(shop).suppressed


def test_who_is_only_blocked_is_not(lists: Lists, shop: Shop, twin: Twin) -> None:
    shop.identify("ada", email=ADA)
    put(twin, "blocks", ADA)

    a_pass(lists, shop)

    assert view(shop) == Consents()


@pytest.mark.parametrize(("listing", "topic"), [("unsubscribes", EVERY_TOPIC), ("group:1", "news")])
def test_a_no_said_at_sendgrid_is_a_no_here_and_the_person_s_journeys_hear_of_it(
    lists: Lists, shop: Shop, twin: Twin, listing: str, topic: str
) -> None:
    shop.identify("ada", email=ADA)
    put(twin, listing, ADA)

    a_pass(lists, shop)

    assert view(shop).by_address == {("email", ADA, topic): ConsentState.UNSUBSCRIBED}
    assert shop.subscribed("email", "news") is False
    assert shop.subscribed("email", "offers") is (topic == "news")
    [updated] = [event for event in shop.events() if event.name == "Subscription Updated"]
    assert updated.properties == {
        "channel": "email", "topic": topic, "state": "unsubscribed", "source": f"sendgrid:{'unsubscribed' if topic == EVERY_TOPIC else listing}",
    }  # fmt: skip


def test_nothing_is_written_twice_however_often_it_is_read(lists: Lists, shop: Shop, twin: Twin) -> None:
    shop.identify("ada", email=ADA)
    put(twin, "unsubscribes", ADA)
    put(twin, "bounces", ADA)

    for _ in range(3):
        a_pass(lists, shop)

    lines = len(shop.store.look().consents.table.rows)
    assert lines == 2  # the address's and the person's
    assert shop.counts()["Subscription Updated"] == 1


def test_of_a_stranger_only_a_hash_is_kept_and_their_no_waits_for_them(
    lists: Lists, shop: Shop, twin: Twin
) -> None:
    put(twin, "unsubscribes", ADA)
    put(twin, "bounces", ADA)

    a_pass(lists, shop)

    tables = shop.store.look()
    kept = str([*tables.listed.table.rows, *tables.subscriptions.table.rows, *tables.suppressions.table.rows])
    assert "erased:" in kept
    assert ADA not in kept
    shop.identify("ada", email=ADA)
    shop.world.rest()
    assert shop.subscribed("email", "offers") is False
    assert ("email", ADA) in view(shop).suppressed


def test_a_yes_that_is_newer_than_their_no_stands_and_takes_it_back(
    lists: Lists, shop: Shop, twin: Twin
) -> None:
    shop.identify("ada", email=ADA)
    put(twin, "unsubscribes", ADA)
    a_pass(lists, shop)

    say(shop, ConsentState.SUBSCRIBED)
    a_pass(lists, shop)
    a_pass(lists, shop)

    assert theirs(twin, "unsubscribes") == []
    assert view(shop).by_address["email", ADA, EVERY_TOPIC] is ConsentState.SUBSCRIBED


def test_a_no_of_ours_reaches_their_list_once(lists: Lists, shop: Shop, twin: Twin) -> None:
    shop.identify("ada", email=ADA)
    say(shop, ConsentState.UNSUBSCRIBED)
    say(shop, ConsentState.UNSUBSCRIBED, topic="news")
    say(shop, ConsentState.UNSUBSCRIBED, topic="offers")  # has no group

    a_pass(lists, shop)
    twin.sendgrid.client.asm.suppressions._("global")._(ADA).delete()
    a_pass(lists, shop)

    assert theirs(twin, "group:1") == [ADA]
    assert (
        theirs(twin, "unsubscribes") == []
    )  # told once: what somebody takes off there by hand stays off there
    assert view(shop).by_address["email", ADA, EVERY_TOPIC] is ConsentState.UNSUBSCRIBED


def test_a_suppressed_address_reaches_their_list_unless_they_told_us(
    lists: Lists, shop: Shop, twin: Twin
) -> None:
    put(twin, "bounces", "known@sandbox.example")
    shop.identify("bob", email="known@sandbox.example")
    with shop.store.transaction() as tx:
        entry = SuppressionEntry(
            channel="email", address=ADA, reason="imported", at=shop.clock.now(), source="import"
        )
        tx.consents.append([], [entry])

    a_pass(lists, shop)

    assert theirs(twin, "unsubscribes") == [ADA]


def test_the_first_pass_brings_everything_page_by_page_and_a_killed_worker_costs_one(
    shop: Shop, twin: Twin
) -> None:
    put(twin, "bounces", *(f"p{n}@sandbox.example" for n in range(1203)))

    turns = 0
    while room(shop).turn():  # a new worker for every page
        turns += 1

    assert turns == 3 + 3 + 1 + 1  # three pages, three empty lists, a group, what to tell; then it rests
    assert state_of(shop.store, "sendgrid")[1] == {"bounced": 1203}


def test_two_workers_at_once_write_a_page_once(shop: Shop, twin: Twin) -> None:
    put(twin, "unsubscribes", *(f"p{n}@sandbox.example" for n in range(700)))
    one, other = room(shop), room(shop)
    provider = one._provider
    original = provider.page

    def overtaken(*args: Any) -> Any:
        page = original(*args)
        other.turn()
        return page

    provider.page = overtaken  # type: ignore[method-assign, assignment]  # the race, at its worst

    while one.turn():
        pass

    assert state_of(shop.store, "sendgrid")[1] == {"unsubscribed": 700}
    assert len(shop.store.look().consents.table.rows) == 700


def test_trouble_is_told_and_the_pass_goes_on_where_it_was(shop: Shop, twin: Twin) -> None:
    put(twin, "unsubscribes", ADA)
    lists = room(shop, sendgrid_api_key="SG.wrong")
    twin.configure(sendgrid_api_key="SG.test")

    assert lists.turn() is False

    assert state(shop).error == "401: the key may not do this; give it suppressions and unsubscribe groups"
    assert lists.turn() is False  # not before its time
    a_pass(room(shop), shop)
    assert state(shop).error is None
    assert state(shop).passed_at is not None


def test_a_group_that_is_not_there_is_told(shop: Shop, twin: Twin) -> None:
    (provider,) = build_lists(replace(SETTINGS, sendgrid_base_url=twin.url, **KEY))

    with pytest.raises(ListsAwayError, match="404: there is no such list or group"):
        provider.page("group:77", None, 0)


def test_whoever_was_erased_does_not_come_back_by_a_list(lists: Lists, shop: Shop, twin: Twin) -> None:
    shop.identify("ada", email=ADA)
    put(twin, "unsubscribes", ADA)
    a_pass(lists, shop)
    with shop.store.transaction() as tx:
        found = tx.people.find([Identifier("email", ADA)])
        tx.people.lock(set(found.values()))
        tx.people.erase(set(found.values()))

    a_pass(lists, shop)

    tables = shop.store.look()
    assert ADA not in str([*tables.listed.table.rows, *tables.subscriptions.table.rows])
    assert view(shop).by_address == {("email", ADA, EVERY_TOPIC): ConsentState.UNSUBSCRIBED}
