"""The reading routes: what is stored comes back in the shapes of the contract, a page at a time, to whoever may read."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engage.domain.consent.consent import ConsentEntry, ConsentState
from engage.domain.decision import Decided, Decision
from engage.domain.delivery.delivery import Channel, Delivery, Mark
from engage.domain.fact import Identifier
from engage.domain.ids import DeliveryId, EventId, ProfileId, RunId, uuid7
from engage.domain.journey.run import Run
from engage.domain.profile.profile import Event, Profile
from engage.domain.profile.trait_times import TraitTimes
from engage.domain.turn.changes import Changes, MembershipChange, ReceiptRow
from engage.ports.jobs import Job
from engage.storage.memory.store import MemoryStore
from tests.api.world import NOW, Client, World, basic, bearer, calling

ADA = ProfileId(uuid7(NOW, "ada"))
RUN = RunId(uuid7(NOW, "run"))
SENT = DeliveryId(uuid7(NOW, "sent"))


def known(world: World) -> World:
    """Let the world know Ada, who is half way through a journey."""
    ada = Profile(
        id=ADA,
        bucket_key="ada",
        created_at=NOW,
        lane=3,
        traits={"name": "Ada", "spent": Decimal("12.30")},
        trait_times={"name": TraitTimes(NOW, NOW)},
    )
    sent = Delivery(
        id=SENT,
        profile=ADA,
        lane=3,
        channel=Channel.SMS,
        topic="orders",
        template="hello",
        run=RUN,
        journey="by-event",
        version=1,
        step="hi",
        asked_at=NOW,
        due_at=None,
        accepted_at=NOW + timedelta(seconds=1),
    )
    sent.add(Mark.ACCEPTED, Mark.DELIVERED)
    skipped = [delivery(number, reason="not_opted_in") for number in range(5)]
    run = Run(
        id=RUN,
        profile=ADA,
        journey="by-event",
        version=1,
        entered_at=NOW,
        since=NOW,
        step="0",
        visits={"hi": 1},
    )
    receipt = ReceiptRow(
        delivery=SENT, profile=ADA, receipt_id="r1", mark=Mark.DELIVERED, at=NOW, provider="acme"
    )
    decision = Decision(
        profile=ADA, at=NOW, kind=Decided.ENTRY, outcome="entered", journey="by-event", run=RUN
    )
    consents = [
        consent("sms", "promotions", ConsentState.SUBSCRIBED, address="+15005550006"),
        consent("email", "newsletter", ConsentState.SUBSCRIBED, profile=ADA),
        consent("email", "newsletter", ConsentState.UNSUBSCRIBED, address="ada@b.c"),
    ]
    with world.store.transaction() as tx:
        tx.write(
            Changes(
                profiles={ADA: ada},
                identifiers=[
                    (Identifier("user_id", "ada"), ADA),
                    (Identifier("email", "ada@b.c"), ADA),
                    (Identifier("phone", "+15005550006"), ADA),
                ],
                events=[event(number) for number in range(30)],
                memberships=[MembershipChange(profile=ADA, audience="beta", member=True, at=NOW)],
                runs={RUN: run},
                deliveries={each.id: each for each in (sent, *skipped)},
                receipts=[receipt],
                decisions=[decision],
                consents=consents,
            )
        )
    return world


def delivery(number: int, **fields: Any) -> Delivery:
    """Return a delivery that was not sent."""
    made = Delivery(
        id=DeliveryId(uuid7(NOW, "skipped", str(number))),
        profile=ADA,
        lane=3,
        channel=Channel.SMS,
        topic="promotions",
        asked_at=NOW - timedelta(hours=number + 1),
        due_at=None,
        **fields,
    )
    made.add(Mark.SKIPPED)
    return made


def consent(channel: str, topic: str, state: ConsentState, **whose: Any) -> ConsentEntry:
    """Return a line of the ledger."""
    return ConsentEntry(channel=channel, topic=topic, state=state, at=NOW, source="checkout", **whose)


def event(number: int) -> Event:
    """Return an event, one a day into the past."""
    return Event(
        id=EventId(f"e{number}"),
        profile=ADA,
        name="Order Completed" if number % 2 else "Cart Updated",
        type="track",
        timestamp=NOW - timedelta(days=number),
        received_at=NOW,
        arrival=number,
        properties={"total": Decimal("9.90")},
    )


@pytest.fixture
def client(world: World) -> Any:
    with calling(known(world)) as client:
        yield client


class TestProfile:
    def test_a_person_is_shown_with_everything_about_them(self, client: Client) -> None:
        page = client.get("/v1/profiles/user_id:ada", headers=bearer()).json()

        assert page["id"] == ADA
        assert page["traits"] == {"name": "Ada", "spent": 12.3}
        assert page["ids"] == {
            "items": ["user_id:ada", "email:ada@b.c", "phone:+15005550006"],
            "next": None,
        }
        assert page["audiences"] == {"items": ["beta"], "next": None}
        assert {"run": RUN, "journey": "by-event", "version": 1, "key": None, "step": "0"}.items() <= page[
            "runs"
        ]["items"][0].items()
        assert page["deliveries"]["items"][0]["delivery_id"] == SENT
        assert page["decisions"]["items"][0]["outcome"] == "entered"
        assert len(page["consents"]["items"]) == 3

    @pytest.mark.parametrize(("name", "all_of_them"), [("deliveries", 6), ("events", 30)])
    def test_a_cursor_stands_in_a_url_as_it_is(self, client: Client, name: str, all_of_them: int) -> None:
        path = f"/v1/profiles/user_id:ada?list={name}&limit=5"
        page = client.get(path, headers=bearer()).json()
        seen = page["items"]
        while page["next"] is not None:
            page = client.get(f"{path}&after={page['next']}", headers=bearer()).json()
            seen += page["items"]

        assert len(seen) == all_of_them

    @pytest.mark.parametrize("name", ["email:ADA@b.c", "phone:+1 500 555 0006", f"id:{ADA}"])
    def test_every_name_of_a_person_leads_to_them(self, client: Client, name: str) -> None:
        assert client.get(f"/v1/profiles/{name}", headers=bearer()).json()["id"] == ADA

    def test_a_list_is_read_to_its_end_in_pages(self, client: Client) -> None:
        page = client.get("/v1/profiles/user_id:ada?limit=4", headers=bearer()).json()
        found, after = page["deliveries"]["items"], page["deliveries"]["next"]
        while after is not None:
            more = client.get(
                "/v1/profiles/user_id:ada",
                params={"list": "deliveries", "after": after, "limit": 4},
                headers=bearer(),
            ).json()
            assert more["deliveries"]["items"] == more["items"]
            found += more["items"]
            after = more["deliveries"]["next"]

        assert len({item["delivery_id"] for item in found}) == len(found) == 6

    @pytest.mark.parametrize(
        "query",
        ["list=secrets", "list=runs&after=nonsense", "after=x", "limit=0", "list=runs&limit=1000"],
    )
    def test_a_question_that_makes_no_sense_is_refused(self, client: Client, query: str) -> None:
        answer = client.get(f"/v1/profiles/user_id:ada?{query}", headers=bearer())

        assert answer.status_code == 400
        assert set(answer.json()) == {"code", "message", "details"}

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            ("user_id:nobody", 404),
            (f"id:{RUN}", 404),
            ("id:x", 404),
            ("shoe_size:44", 400),
            ("user_id:", 400),
        ],
    )
    def test_nobody_is_not_found(self, client: Client, name: str, status: int) -> None:
        assert client.get(f"/v1/profiles/{name}", headers=bearer()).status_code == status

    def test_who_may_not_read_reads_nothing(self, client: Client) -> None:
        assert client.get("/v1/profiles/user_id:ada").status_code == 401
        assert client.get("/v1/deliveries/x", headers=bearer("reader")).status_code == 403
        assert client.get("/v1/profiles/user_id:ada", headers=bearer("reader")).status_code == 200


class TestSubscriptions:
    def test_a_no_outweighs_a_yes(self, client: Client) -> None:
        answer = client.post(
            "/v1/subscriptions/query", json={"profile": "user_id:ada"}, headers=bearer()
        ).json()

        assert [(one["channel"], one["topic"], one["state"]) for one in answer["subscriptions"]] == [
            ("email", "newsletter", "unsubscribed"),
            ("sms", "promotions", "subscribed"),
        ]
        assert set(answer["subscriptions"][0]) == {"profile", "channel", "topic", "state", "source", "at"}

    def test_an_address_has_a_ledger_before_anybody_has_the_address(
        self, world: World, client: Client
    ) -> None:
        with world.store.transaction() as tx:
            tx.write(
                Changes(consents=[consent("email", "orders", ConsentState.UNSUBSCRIBED, address="new@b.c")])
            )

        answer = client.post(
            "/v1/subscriptions/query", json={"profile": "email:New@b.c"}, headers=bearer()
        ).json()

        assert [one["state"] for one in answer["subscriptions"]] == ["unsubscribed"]

    def test_what_was_put_is_what_is_found(self, client: Client) -> None:
        wish = {"profile": "email:zoe@b.c", "channel": "email", "topic": "promotions", "source": "form"}
        for state in ("subscribed", "unsubscribed", "subscribed"):
            body = {"subscriptions": [{**wish, "state": state}]}
            assert client.put("/v1/subscriptions", json=body, headers=bearer()).status_code == 200

            found = client.post(
                "/v1/subscriptions/query", json={"profile": "email:zoe@b.c"}, headers=bearer()
            ).json()["subscriptions"]

            assert [(one["state"], one["source"]) for one in found] == [(state, "form")]

    def test_a_proof_is_kept_in_the_ledger(self, client: Client, world: World) -> None:
        wish = {"profile": "email:zoe@b.c", "channel": "email", "topic": "promotions", "state": "subscribed"}
        client.put(
            "/v1/subscriptions", json={"subscriptions": [{**wish, "proof": "form 7"}]}, headers=bearer()
        )

        assert isinstance(world.store, MemoryStore)
        assert any(b'"form 7"' in row.doc for row in world.store._tables.consents.rows.values())


class TestDeliveries:
    def test_a_delivery_is_shown_with_its_receipts(self, client: Client) -> None:
        found = client.get(f"/v1/deliveries/{SENT}", headers=bearer()).json()

        assert found["delivery_id"] == SENT
        assert (found["status"], found["reason"], found["code"]) == ("delivered", None, None)
        assert (found["channel"], found["topic"], found["template"]) == ("sms", "orders", "hello")
        assert (found["journey"], found["run"], found["step"]) == ("by-event", RUN, "hi")
        assert [receipt["status"] for receipt in found["receipts"]] == ["delivered"]

    @pytest.mark.parametrize("key", [RUN, "nonsense"])
    def test_there_may_be_no_such_delivery(self, client: Client, key: str) -> None:
        assert client.get(f"/v1/deliveries/{key}", headers=bearer()).status_code == 404


class TestAudiences:
    def test_an_audience_has_a_size_and_members(self, client: Client) -> None:
        audience = client.get("/v1/audiences/beta", headers=bearer()).json()
        members = client.get("/v1/audiences/beta/members", headers=bearer()).json()

        assert (audience["size"], audience["members"]) == (1, "manual")
        assert members == {"items": ["user_id:ada"], "next": None}
        assert client.get("/v1/audiences/rich/members", headers=bearer()).json()["items"] == []

    @pytest.mark.parametrize(
        ("data", "beta", "rich"),
        [
            ({"cause": "backfill", "rules": ["rich"], "everything": False}, True, False),
            ({"cause": "backfill", "rules": ["other"], "everything": False}, True, True),
            ({"cause": "backfill", "everything": True}, True, False),
            ({"cause": "archive", "journey": "by-api"}, True, True),
        ],
    )
    def test_an_audience_is_ready_once_everybody_was_judged(
        self, client: Client, world: World, data: dict[str, Any], beta: bool, rich: bool
    ) -> None:
        with world.store.transaction() as tx:
            tx.jobs.save(Job(name="backfill:1", kind="backfill", data=data, done=3, total=10))

        found = {
            name: client.get(f"/v1/audiences/{name}", headers=bearer()).json() for name in ("beta", "rich")
        }

        assert {name: page["ready"] for name, page in found.items()} == {"beta": beta, "rich": rich}
        assert found["rich"]["backfill"] == (None if rich else {"done": 3, "total": 10})

    @pytest.mark.parametrize("path", ["/v1/audiences/unheard-of", "/v1/audiences/unheard-of/members"])
    def test_an_audience_that_is_not_published_is_not_found(self, client: Client, path: str) -> None:
        assert client.get(path, headers=bearer()).status_code == 404

    def test_a_cursor_that_no_page_named_is_refused(self, client: Client) -> None:
        assert client.get("/v1/audiences/beta/members?after=x", headers=bearer()).status_code == 400


class TestJourneys:
    def test_a_journey_has_numbers(self, client: Client) -> None:
        found = client.get("/v1/journeys/by-event", headers=bearer()).json()

        assert found["versions"] == [{"version": 1, "live": True, "state": "active", "active": 1}]
        assert found["funnel"] == {
            "0": {"entered": 1, "waiting": 1, "left": 0},
            "hi": {"entered": 1, "waiting": 0, "left": 1},
        }
        assert found["runs"] == {"entered": 1, "active": 1, "ended": 0, "reasons": {}}
        assert found["goal"] == {"reached": 0}
        assert found["deliveries"] == {"sms": {"reasons": {}, "delivered": 1}}

    def test_a_journey_that_is_not_published_is_not_found(self, client: Client) -> None:
        assert client.get("/v1/journeys/unheard-of", headers=bearer()).status_code == 404


def test_segments_basic_authentication_works_for_tokens_too(client: Client) -> None:
    assert client.get("/v1/profiles/user_id:ada", headers=basic("reader")).status_code == 200


def test_postgresql_answers_alike(postgres_world: World) -> None:
    with calling(known(postgres_world)) as client:
        page = client.get("/v1/profiles/email:ada@b.c", headers=bearer()).json()
        journey = client.get("/v1/journeys/by-event", headers=bearer()).json()

        assert len(page["deliveries"]["items"]) == 6
        assert page["traits"]["spent"] == 12.3
        assert journey["runs"]["active"] == 1
