"""The Profile API: code written against Segment's reads on."""

from datetime import timedelta
from typing import Any

import pytest

from engage.api.auth import source_of
from engage.domain.fact import Identifier
from engage.domain.ids import LANES, ProfileId, uuid7
from engage.domain.profile.profile import Profile
from engage.domain.turn.changes import Changes, Origin
from engage.engine.digest.digest import Digest
from tests.api.test_reading import client as client  # the same Ada
from tests.api.world import NOW, SERVER, Client, World, basic, bearer

ADA = "/v1/spaces/any/collections/users/profiles/user_id:ada"


def get(client: Client, path: str, **params: Any) -> Any:
    """Return the JSON of an answer."""
    return client.get(f"{ADA}/{path}", params=params, headers=bearer()).json()


def test_traits_and_audiences_are_read_by_name(client: Client) -> None:
    everything = {"beta": True, "name": "Ada", "rich": False, "spent": 12.3}
    assert get(client, "traits")["traits"] == everything
    assert get(client, "traits", include="name,none")["traits"] == {"name": "Ada"}
    assert get(client, "traits", **{"class": "audience"})["traits"] == {"beta": True, "rich": False}
    assert get(client, "traits", **{"class": "computed_trait"})["traits"] == {}


def test_traits_come_in_pages(client: Client) -> None:
    first = get(client, "traits", limit=2)
    rest = get(client, "traits", limit=2, next=first["cursor"]["next"])

    assert list(first["traits"]) == ["beta", "name"]
    assert first["cursor"] == {"url": f"{ADA}/traits", "has_more": True, "next": "name", "limit": 2}
    assert list(rest["traits"]) == ["rich", "spent"]
    assert (rest["cursor"]["has_more"], rest["cursor"]["next"]) == (False, "")


def test_verbose_traits_say_when_they_were_written(client: Client) -> None:
    assert get(client, "traits", verbose="true")["traits"]["name"] == {
        "value": "Ada",
        "source_id": None,
        "updated_at": "2026-03-01T12:00:00Z",
    }


def test_a_verbose_audience_says_since_when(client: Client) -> None:
    found = get(client, "traits", verbose="true", **{"class": "audience"})["traits"]

    assert found["beta"]["updated_at"] == "2026-03-01T12:00:00Z"
    assert found["rich"] == {"value": False, "source_id": None, "updated_at": None}


def test_external_ids_name_the_person(client: Client) -> None:
    found = get(client, "external_ids")["data"]

    assert [(one["type"], one["id"], one["collection"], one["encoding"]) for one in found] == [
        ("email", "ada@b.c", "users", "none"),
        ("phone", "+15005550006", "users", "none"),
        ("user_id", "ada", "users", "none"),
    ]
    assert [one["type"] for one in get(client, "external_ids", include="email")["data"]] == ["email"]


def test_events_go_back_two_weeks_unless_asked_for_more(client: Client) -> None:
    assert len(get(client, "events", limit=200)["data"]) == 15
    assert len(get(client, "events", limit=200, start="2026-01-01T00:00:00Z")["data"]) == 30
    assert len(get(client, "events", limit=200, end="2026-02-28T00:00:00Z")["data"]) == 13


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_events_are_read_to_their_end_in_order(client: Client, sort: str) -> None:
    found: list[Any] = []
    cursor = {"next": None, "has_more": True}
    while cursor["has_more"]:
        page = get(client, "events", limit=4, sort=sort, include="Cart Updated", next=cursor["next"])
        found, cursor = found + page["data"], page["cursor"]
        assert "+" not in cursor["next"]  # it stands in a URL as it is

    assert [event["message_id"] for event in found] == [f"e{n}" for n in range(0, 15, 2)][
        :: -1 if sort == "asc" else 1
    ]
    assert {event["event"] for event in found} == {"Cart Updated"}
    assert found[0]["properties"] == {"total": 9.9}


def test_metadata_and_links_are_there(client: Client) -> None:
    assert get(client, "metadata")["metadata"]["created_at"] == "2026-03-01T12:00:00Z"
    assert get(client, "links")["data"] == []


def test_who_someone_is_says_since_when_and_by_which_message(world: World, client: Client) -> None:
    mail, bob = Identifier("email", "bob@b.c"), ProfileId(uuid7(NOW, "bob"))
    profile = Profile(id=bob, bucket_key="bob", created_at=NOW, lane=3)
    told = {mail: Origin(NOW - timedelta(days=3), "m1")}
    with world.store.transaction() as tx:
        tx.write(Changes(profiles={bob: profile}, identifiers=[(mail, bob)], origins=told))
    path = ADA.replace("user_id:ada", "email:bob@b.c")

    (found,) = client.get(f"{path}/external_ids", headers=bearer()).json()["data"]
    metadata = client.get(f"{path}/metadata", headers=bearer()).json()["metadata"]

    assert (found["created_at"], found["first_message_id"]) == ("2026-02-26T12:00:00Z", "m1")
    assert metadata["first_message_id"] == "m1"


def test_what_came_by_a_write_key_says_so(world: World, client: Client) -> None:
    client.post(
        "/v1/identify",
        json={"userId": "cyd", "messageId": "who-cyd-is", "traits": {"email": "cyd@b.c"}},
        headers=basic(SERVER),
    )
    client.post(
        "/v1/track", json={"userId": "cyd", "event": "Go", "messageId": "cyd-goes"}, headers=basic(SERVER)
    )
    digest = Digest(world.store, lambda _tx: world.catalog)
    while digest.turn(range(LANES), world.clock.now()).more:
        pass
    path, source = ADA.replace("user_id:ada", "user_id:cyd"), source_of(SERVER)

    def told(what: str) -> Any:
        return client.get(f"{path}/{what}", headers=bearer()).json()

    assert [one["source_id"] for one in told("external_ids")["data"]] == [source, source]
    by_event = {one["event"]: one["source_id"] for one in told("events")["data"]}
    assert by_event == {"Go": source, "Journey Entered": None}
    metadata = told("metadata")["metadata"]
    assert (metadata["first_source_id"], metadata["last_source_id"]) == (source, source)
    assert SERVER not in str([told("external_ids"), told("events"), metadata])


def test_the_last_message_is_the_last_that_came_and_none_of_ours(client: Client) -> None:
    assert get(client, "metadata")["metadata"]["last_message_id"] == "e29"


def test_the_older_name_of_the_paths_leads_here_too(client: Client) -> None:
    old = ADA.replace("/v1/spaces/", "/v1/namespaces/")

    assert client.get(f"{old}/traits", headers=bearer()).json()["traits"]["name"] == "Ada"
    assert client.get(f"{old}/traits").json()["error"]["code"] == "authentication_error"


@pytest.mark.parametrize("headers", [bearer(), {}], ids=["answer", "refusal"])
def test_every_answer_has_a_number_of_its_own(client: Client, headers: dict[str, str]) -> None:
    one, two = (client.get(f"{ADA}/traits", headers=headers).headers["request-id"] for _ in range(2))

    assert one != two


def test_an_error_has_both_shapes(client: Client) -> None:
    path = ADA.replace("user_id:ada", "user_id:nobody")

    answer = client.get(f"{path}/traits", headers=bearer())

    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_profile"
    assert answer.json()["error"]["code"] == "not_found"


def test_every_error_has_both_shapes(client: Client) -> None:
    nobody = ADA.replace("user_id:ada", "user_id:nobody")
    for path, headers, status, code in (
        (f"{ADA}/traits", {}, 401, "authentication_error"),
        (f"{ADA}/traits?limit=201", bearer(), 400, "invalid_request_error"),
        (f"{ADA}/traits?class=other", bearer(), 400, "invalid_request_error"),
        (f"{ADA}/events?start=yesterday", bearer(), 400, "invalid_request_error"),
        (f"{nobody}/events", bearer(), 404, "not_found"),
        (f"{ADA}/accounts", bearer(), 404, "not_found"),
    ):
        answer = client.get(path, headers=headers)

        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert set(answer.json()) == {"code", "message", "details", "error"}


@pytest.mark.parametrize("name", ["email:Ada@B.c", "phone:%2B15005550006", "user_id:ada"])
def test_anybody_is_found_by_every_name_of_theirs(client: Client, name: str) -> None:
    path = ADA.replace("user_id:ada", name)

    assert client.get(f"{path}/traits", headers=bearer()).json()["traits"]["name"] == "Ada"
