"""The face over the real database: what is answered with 200 is there, once, and what the database hates is set apart."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from engage.domain.consent.consent import ConsentState
from engage.domain.fact import Call, decode
from engage.storage.postgres import PostgresStore
from tests.api.world import SERVER, Client, World, basic, bearer, calling

pytestmark = pytest.mark.live


@pytest.fixture
def client(postgres_world: World) -> Iterator[Client]:
    with calling(postgres_world) as client:
        yield client


@pytest.fixture
def rows(api_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(api_database, autocommit=True) as connection:
        yield connection


def stored(rows: psycopg.Connection, *ids: str) -> list[Call]:
    """The calls in the inbox among these ids, in order of arrival."""
    found = [decode(bytes(payload)) for (payload,) in rows.execute("SELECT payload FROM inbox ORDER BY seq")]
    return [fact for fact in found if isinstance(fact, Call) and fact.message_id in ids]


def quarantined(rows: psycopg.Connection) -> int:
    found = rows.execute("SELECT count(*) FROM quarantine").fetchone()
    assert found is not None
    return int(found[0])


def send(client: Client, *items: Any) -> None:
    body = json.dumps({"batch": items}).encode()
    answer = client.post("/v1/batch", content=body, headers=basic(SERVER))
    assert (answer.status_code, answer.json()) == (200, {"success": True})


def test_what_was_answered_is_stored_once(client: Client, rows: psycopg.Connection) -> None:
    first, second = str(uuid4()), str(uuid4())
    items = [
        {"type": "track", "userId": "ada", "event": "E", "messageId": name, "properties": {"n": 0.1}}
        for name in (first, second, first)
    ]

    for _ in range(2):
        send(client, *items)

    assert [call.message_id for call in stored(rows, first, second)] == [first, second]


def test_one_bad_item_never_fails_a_batch(client: Client, rows: psycopg.Connection) -> None:
    good = {"type": "track", "userId": "ada", "event": "E", "messageId": str(uuid4())}
    bad = [
        {**good, "messageId": "m" * 200},
        {**good, "properties": {"a": "\x00"}},
        {"type": "x"},
        None,
        "\ud800",
    ]
    before = quarantined(rows)

    send(client, *bad, good, *bad)

    assert len(stored(rows, good["messageId"])) == 1
    assert quarantined(rows) == before + 10


def test_what_looks_dangerous_to_a_database_and_is_fine_is_taken(
    client: Client, rows: psycopg.Connection
) -> None:
    name = "'; DROP TABLE inbox; --\U0001f600\x01\x7f\ufffe" + str(uuid4())
    wide = {"type": "track", "userId": "ü" * 500, "event": "\U0001f600" * 500, "messageId": name}
    numbers = json.loads("[1e308, -1e-308, 123456789012345678901234567890, 0.1, -0.0]")

    send(
        client, {**wide, "properties": {"": numbers, "\x1f": None}, "context": {"traits": {"email": "a@b.c"}}}
    )

    assert len(stored(rows, name)) == 1


def test_an_unsubscribe_is_in_the_ledger_when_it_is_answered(client: Client, postgres_world: World) -> None:
    mail = f"{uuid4()}@shop.example"
    line = {"profile": f"email:{mail}", "channel": "email", "topic": "promotions", "state": "unsubscribed"}

    answer = client.put("/v1/subscriptions", json={"subscriptions": [line]}, headers=bearer())

    assert answer.status_code == 200
    assert postgres_world.consents("email", mail).by_address == {
        ("email", mail, "promotions"): ConsentState.UNSUBSCRIBED
    }


def test_503_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engage.storage.postgres.store.CONNECT_SECONDS", 0.2)
    store = PostgresStore("postgresql://nobody@127.0.0.1:1/none")
    try:
        with calling(World(store=store)) as client:
            answer = client.post("/v1/track", json={"userId": "u", "event": "E"}, headers=basic(SERVER))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    finally:
        store.close()
