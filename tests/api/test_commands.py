"""Our own API: what changes something."""

from typing import Any

import pytest

from engage.domain.consent.consent import ConsentState
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Forget, Identifier, Members, Send, Signal, Start
from engage.domain.ids import lane_of
from tests.api.world import ADMIN, BROWSER, NOW, SERVER, Client, World, basic, bearer

SEND = {"to": "Ada@shop.example", "channel": "email", "template": "hello", "topic": "orders"}
START = {"profile": "user_id:ada", "entry": {"x": 0.1}, "key": 7}
PATHS = [
    ("PUT", "/v1/subscriptions", {"subscriptions": []}),
    ("POST", "/v1/journeys/by-api/start", START),
    ("POST", "/v1/deliveries", SEND),
    ("PUT", "/v1/audiences/beta/members", {"add": []}),
    ("DELETE", "/v1/profiles/user_id:ada", None),
]


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
def test_every_command_needs_a_token_that_allows_it(
    client: Client, world: World, method: str, path: str, body: Any
) -> None:
    for headers, status, code in (
        ({}, 401, "unauthorized"),
        (basic(SERVER), 401, "unauthorized"),
        (bearer("reader"), 403, "forbidden"),
    ):
        answer = client.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert world.facts() == []
    assert client.request(method, path, json=body, headers=basic(ADMIN)).status_code in (200, 202)


@pytest.mark.parametrize(("method", "path", "body"), PATHS[:4])
def test_bodies_that_make_no_sense_are_400_and_say_where(
    client: Client, world: World, method: str, path: str, body: Any
) -> None:
    for wrong in (b"{", b"[]", b'{"unknown_field":1}', b'{"profile":"\\u0000"}', b""):
        answer = client.request(method, path, content=wrong, headers=bearer())
        assert answer.status_code == 400
        assert set(answer.json()) == {"code", "message", "details"}
    assert world.facts() == []


class TestSignals:
    def test_a_signal_is_a_fact_without_a_person(self, client: Client, world: World) -> None:
        body = {"event": "Product Restocked", "properties": {"sku": "s1", "price": 9.90}, "messageId": "m1"}

        for _ in range(2):
            assert client.post("/v1/signals", json=body, headers=basic(SERVER)).json() == {"success": True}

        (signal,) = world.facts()
        assert isinstance(signal, Signal)
        assert (signal.event, signal.message_id, signal.timestamp) == ("Product Restocked", "m1", NOW)
        assert str(signal.properties["price"]) == "9.9"

    def test_it_needs_a_server_key(self, client: Client, world: World) -> None:
        body = {"event": "E"}
        assert client.post("/v1/signals", json=body).status_code == 401
        assert client.post("/v1/signals", json=body, headers=bearer(ADMIN)).status_code == 401
        assert client.post("/v1/signals", json=body, headers=basic(BROWSER)).status_code == 403
        assert client.post("/v1/signals", json={**body, "writeKey": SERVER}).status_code == 200
        assert len(world.facts()) == 1


class TestStart:
    def test_a_start_is_accepted_with_the_id_its_run_gets(self, client: Client, world: World) -> None:
        answer = client.post("/v1/journeys/by-api/start", json=START, headers=bearer())

        (start,) = world.facts()
        assert isinstance(start, Start)
        assert (answer.status_code, answer.json()) == (202, {"run": start.run})
        assert (start.person, start.key, start.journey) == (Identifier("user_id", "ada"), "7", "by-api")
        assert str(start.entry["x"]) == "0.1"

    def test_journeys_that_cannot_be_started_say_so(self, client: Client, world: World) -> None:
        for journey, status, code in (("none", 404, "unknown_journey"), ("by-event", 409, "not_startable")):
            answer = client.post(f"/v1/journeys/{journey}/start", json=START, headers=bearer())
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert world.facts() == []

    @pytest.mark.parametrize("profile", ["ada", "shoe_size:44", "user_id:", "email:nobody", "phone:x", ":"])
    def test_a_profile_is_kind_and_value(self, client: Client, profile: str) -> None:
        answer = client.post("/v1/journeys/by-api/start", json={"profile": profile}, headers=bearer())

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_profile")

    def test_people_are_named_in_the_compared_form(self, client: Client, world: World) -> None:
        for profile in ("email:Ada@Shop.example", "phone:(415) 555-0101", "loyalty_id:L:1"):
            client.post("/v1/journeys/by-api/start", json={"profile": profile}, headers=bearer())

        assert [fact.person for fact in world.facts() if isinstance(fact, Start)] == [
            Identifier("email", "ada@shop.example"),
            Identifier("phone", "+14155550101"),
            Identifier("loyalty_id", "L:1"),
        ]


class TestDeliveries:
    def test_a_send_is_accepted_with_its_id(self, client: Client, world: World) -> None:
        body = {**SEND, "with": {"code": 1.50}, "expires": "2 hours"}

        answer = client.post("/v1/deliveries", json=body, headers=bearer())

        (send,) = world.facts()
        assert isinstance(send, Send)
        assert (answer.status_code, answer.json()) == (202, {"delivery_id": send.delivery})
        assert (send.to, send.channel, send.template, send.topic) == (
            "ada@shop.example",
            Channel.EMAIL,
            "hello",
            "orders",
        )
        assert send.expires_at is not None
        assert (send.expires_at - NOW).total_seconds() == 7_200

    def test_a_send_may_be_asked_about_at_once(self, client: Client) -> None:
        sent = client.post("/v1/deliveries", json=SEND, headers=bearer()).json()["delivery_id"]

        found = client.get(f"/v1/deliveries/{sent}", headers=bearer())

        assert found.status_code == 200
        assert {
            "delivery_id": sent,
            "channel": "email",
            "topic": "orders",
            "template": "hello",
            "status": "queued",
            "reason": None,
            "receipts": [],
        }.items() <= found.json().items()

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"to": None}, "`profile` or `to`"),
            ({"template": None}, "`template` or `text`"),
            ({"text": "hi"}, "`template` or `text`"),
            ({"topic": None}, "`topic`"),
            ({"topic": "gossip"}, "`topic`"),
            ({"channel": "pigeon"}, "channel"),
            ({"to": "nobody"}, "`to`"),
            ({"expires": "tomorrow"}, "`expires`"),
        ],
    )
    def test_what_is_wrong_is_said_of_a_send(
        self, client: Client, world: World, change: dict[str, Any], said: str
    ) -> None:
        answer = client.post("/v1/deliveries", json={**SEND, **change}, headers=bearer())

        assert answer.status_code == 400
        assert said in answer.json()["message"]
        assert world.facts() == []


@pytest.mark.parametrize(("topic", "overtakes"), [("codes", True), ("orders", False)])
def test_a_send_of_an_urgent_topic_is_digested_by_those_who_do_nothing_else(
    client: Client, world: World, topic: str, overtakes: bool
) -> None:
    client.post("/v1/deliveries", json={**SEND, "topic": topic}, headers=bearer())

    assert (len(world.hints.urgent), len(world.hints.lanes)) == ((1, 0) if overtakes else (0, 1))


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("/v1/deliveries", SEND, {**SEND, "template": "bye"}),
        ("/v1/journeys/by-api/start", START, {**START, "key": "8"}),
    ],
)
class TestIdempotency:
    def test_the_same_request_gets_the_same_answer_and_happens_once(
        self, client: Client, world: World, path: str, body: dict[str, Any], other: dict[str, Any]
    ) -> None:
        headers = {**bearer(), "idempotency-key": "k1"}

        first, second = (client.post(path, json=body, headers=headers) for _ in range(2))

        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json() == second.json()
        assert len(world.facts()) == 1

    def test_another_body_under_the_key_is_409(
        self, client: Client, world: World, path: str, body: dict[str, Any], other: dict[str, Any]
    ) -> None:
        headers = {**bearer(), "idempotency-key": "k1"}
        client.post(path, json=body, headers=headers)

        answer = client.post(path, json=other, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
        assert len(world.facts()) == 1

    def test_after_24_hours_the_key_is_free_again(
        self, client: Client, world: World, path: str, body: dict[str, Any], other: dict[str, Any]
    ) -> None:
        headers = {**bearer(), "idempotency-key": "k1"}
        client.post(path, json=body, headers=headers)
        world.clock.pass_by(hours=24, seconds=1)

        assert client.post(path, json=other, headers=headers).status_code == 202
        assert len(world.facts()) == 2

    def test_without_a_key_every_request_counts(
        self, client: Client, world: World, path: str, body: dict[str, Any], other: dict[str, Any]
    ) -> None:
        first, second = (client.post(path, json=body, headers=bearer()) for _ in range(2))

        assert first.json() != second.json()
        assert len(world.facts()) == 2


class TestSubscriptions:
    def test_a_change_is_in_the_ledger_when_it_is_answered(self, client: Client, world: World) -> None:
        line = {"profile": "email:a@b.c", "channel": "email", "topic": "promotions", "state": "unsubscribed"}

        answer = client.put("/v1/subscriptions", json={"subscriptions": [line]}, headers=bearer())

        assert answer.status_code == 200
        (done,) = answer.json()["subscriptions"]
        assert {key: done[key] for key in line} == line
        assert world.consents("email", "a@b.c").by_address == {
            ("email", "a@b.c", "promotions"): ConsentState.UNSUBSCRIBED
        }

    def test_what_a_query_tells_is_taken_back_as_it_is(self, client: Client, world: World) -> None:
        whole = {"profile": "email:a@b.c", "channel": "email", "topic": "*", "state": "unsubscribed"}

        answer = client.put("/v1/subscriptions", json={"subscriptions": [whole]}, headers=bearer())

        assert answer.status_code == 200
        assert answer.json()["subscriptions"][0]["topic"] == "*"
        assert world.consents("email", "a@b.c").by_address == {
            ("email", "a@b.c", "*"): ConsentState.UNSUBSCRIBED
        }
        told = client.post("/v1/subscriptions/query", json={"profile": "email:a@b.c"}, headers=bearer())
        assert told.json()["subscriptions"][0]["topic"] == "*"

    def test_a_double_opt_in_is_answered_as_pending(self, client: Client) -> None:
        line = {"profile": "email:a@b.c", "channel": "email", "topic": "newsletter", "state": "subscribed"}

        answer = client.put("/v1/subscriptions", json={"subscriptions": [line]}, headers=bearer())

        assert answer.json()["subscriptions"][0]["state"] == "pending"

    @pytest.mark.parametrize(
        "change",
        [
            {"topic": None},
            {"topic": "*"},
            {"topic": "gossip"},
            {"state": "maybe"},
            {"channel": "pigeon"},
            {"profile": "a@b.c"},
        ],
    )
    def test_one_wrong_line_changes_nothing(
        self, client: Client, world: World, change: dict[str, Any]
    ) -> None:
        line = {"profile": "email:a@b.c", "channel": "email", "topic": "promotions", "state": "subscribed"}

        answer = client.put(
            "/v1/subscriptions", json={"subscriptions": [line, {**line, **change}]}, headers=bearer()
        )

        assert answer.status_code == 400
        assert not world.consents("email", "a@b.c").by_address


class TestMembers:
    def test_people_enter_and_leave_by_facts(self, client: Client, world: World) -> None:
        body = {"add": ["user_id:a", "user_id:b"], "remove": ["user_id:c"]}

        answer = client.put("/v1/audiences/beta/members", json=body, headers=bearer())

        assert answer.status_code == 202
        found = {f.person.value: f.member for f in world.facts() if isinstance(f, Members)}
        assert found == {"a": True, "b": True, "c": False}

    def test_replacing_with_nobody_clears_the_audience(self, client: Client, world: World) -> None:
        world.members = [[Identifier("user_id", "a")], [Identifier("email", "b@c.d")]]

        answer = client.put("/v1/audiences/beta/members", json={"replace": []}, headers=bearer())

        assert answer.json() == {"added": 0, "removed": 2}
        assert [fact.member for fact in world.facts() if isinstance(fact, Members)] == [False, False]

    def test_replace_takes_out_who_is_not_named_by_any_identifier(self, client: Client, world: World) -> None:
        world.members = [
            [Identifier("user_id", "a"), Identifier("email", "a@b.c")],
            [Identifier("user_id", "gone"), Identifier("email", "gone@b.c")],
        ]

        client.put("/v1/audiences/beta/members", json={"replace": ["email:a@b.c"]}, headers=bearer())

        found = {f.person.value: f.member for f in world.facts() if isinstance(f, Members)}
        assert found == {"gone": False, "a@b.c": True}

    @pytest.mark.parametrize(
        ("audience", "body", "status"),
        [
            ("none", {"add": []}, 404),
            ("rich", {"add": []}, 409),
            ("beta", {}, 400),
            ("beta", {"add": ["user_id:a"], "replace": []}, 400),
        ],
    )
    def test_what_cannot_be_done_is_said(self, client: Client, audience: str, body: Any, status: int) -> None:
        answer = client.put(f"/v1/audiences/{audience}/members", json=body, headers=bearer())

        assert answer.status_code == status


def test_an_erasure_is_accepted_and_lies_in_the_persons_lane(client: Client, world: World) -> None:
    answer = client.request("DELETE", "/v1/profiles/user_id:a/b", headers=bearer())

    assert answer.status_code == 202
    (fact,) = world.facts()
    assert isinstance(fact, Forget)
    assert fact.person == Identifier("user_id", "a/b")
    with world.store.transaction() as tx:
        assert set(tx.inbox.lanes()) == {lane_of("a/b")}


def test_docs_and_numbers_need_an_admin_outside_the_demo(client: Client) -> None:
    for path in ("/docs", "/openapi.json", "/metrics"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=bearer("reader")).status_code == 403
        assert client.get(path, headers=bearer()).status_code == 200
