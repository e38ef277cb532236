"""Segment's wire as its clients speak it: ingest.md, sentence by sentence."""

import base64
import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

from engage.api.auth import source_of
from engage.domain.fact import Identifier, Kind
from engage.ports.storage import StorageAwayError
from engage.storage.memory.store import MemoryStore
from tests.api.world import BROWSER, NOW, SERVER, Client, World, basic, calling

TRACK = {"userId": "ada", "event": "Go"}
KINDS = [kind.value for kind in Kind]
BODY = {"userId": "ada", "event": "E", "groupId": "g", "previousId": "p", "traits": {}}


def is_error(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether an answer is this error in the one shape of all errors."""
    body = answer.json()
    return (
        answer.status_code == status
        and body["code"] == code
        and isinstance(body["message"], str)
        and isinstance(body["details"], dict)
        and answer.headers["content-type"] == "application/json"
    )


def test_success_is_exactly_200_and_success_true_after_the_event_is_stored(
    client: Client, world: World
) -> None:
    answer = client.post("/v1/track", json=TRACK, headers=basic(SERVER))

    assert (answer.status_code, answer.json()) == (200, {"success": True})
    (call,) = world.calls()
    assert (call.event, call.source, call.timestamp) == ("Go", source_of(SERVER), NOW)
    assert len(world.hints.lanes) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_has_its_path_and_its_short_form(client: Client, world: World, kind: str) -> None:
    for path in (f"/v1/{kind}", f"/v1/{kind[0]}", f"/v1/{kind}/", f"https://shop.example//v1/{kind}"):
        assert client.post(path, json=BODY, headers=basic(SERVER)).status_code == 200

    assert [call.kind for call in world.calls()] == [kind] * 4


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/batch/"])
def test_a_batch_is_taken(client: Client, world: World, path: str) -> None:
    batch = [{"type": kind, **BODY} for kind in KINDS]

    assert client.post(path, json={"batch": batch, "writeKey": SERVER}).status_code == 200
    assert [call.kind for call in world.calls()] == KINDS


def test_import_takes_history(client: Client, world: World) -> None:
    client.post("/v1/import", json={"batch": [{"type": "track", **TRACK}], "writeKey": SERVER})

    (call,) = world.calls()
    assert call.imported


def test_metrics_of_the_browser_library_are_answered_and_dropped(client: Client, world: World) -> None:
    assert client.post("/v1/m", content=b'{"series":[]}').status_code == 200
    assert world.facts() == []


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        (basic(SERVER), None),
        ({"authorization": "Basic " + base64.b64encode(SERVER.encode()).decode()}, None),
        ({"authorization": f"Bearer {SERVER}"}, None),
        ({}, SERVER),
        ({"authorization": "Bearer oauth-token"}, SERVER),
        (basic("unknown"), SERVER),
    ],
)
def test_the_write_key_may_come_in_any_documented_way(
    client: Client, world: World, headers: dict[str, str], key: str | None
) -> None:
    answer = client.post("/v1/track", json={**TRACK, "writeKey": key}, headers=headers)

    assert answer.status_code == 200
    assert len(world.calls()) == 1


@pytest.mark.parametrize(
    "headers", [{}, basic("unknown"), {"authorization": "Basic %%%"}, {"authorization": "Digest x"}]
)
def test_an_unknown_write_key_is_401_and_nothing_is_stored(
    client: Client, world: World, headers: dict[str, str]
) -> None:
    for path, body in (("/v1/track", TRACK), ("/v1/batch", {"batch": [{"type": "track", **TRACK}]})):
        assert is_error(client.post(path, json=body, headers=headers), 401, "unknown_write_key")
    assert (world.facts(), world.quarantined()) == ([], [])


def test_a_browser_key_is_marked_so(client: Client, world: World) -> None:
    client.post("/v1/track", json=TRACK, headers=basic(BROWSER))

    (call,) = world.calls()
    assert call.browser


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
@pytest.mark.parametrize("body", [b"", b"{", b"{'a':1}", b'{"a":NaN}', b"\x1f\x8bbroken", b'{"a":1}}'])
def test_malformed_json_is_400(client: Client, world: World, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers=basic(SERVER))

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message", "details"}
    assert (world.facts(), world.quarantined()) == ([], [])


def test_a_body_without_a_list_of_items_is_no_batch(client: Client) -> None:
    bodies: list[Any] = [{}, {"batch": {}}, [], {"batch": None}]
    for body in bodies:
        assert is_error(client.post("/v1/batch", json=body, headers=basic(SERVER)), 400, "malformed_json")


def test_an_empty_batch_is_fine(client: Client) -> None:
    assert client.post("/v1/batch", json={"batch": []}, headers=basic(SERVER)).status_code == 200


def test_a_body_over_500_kb_is_413_zipped_or_not(client: Client, world: World) -> None:
    large = json.dumps({**TRACK, "properties": {"x": "y" * 512_000}}).encode()
    bomb = gzip.compress(large)

    for body, more in ((large, {}), (bomb, {"content-encoding": "gzip"}), (bomb, {})):
        answer = client.post("/v1/track", content=body, headers={**basic(SERVER), **more})
        assert is_error(answer, 413, "too_large")
    assert (world.facts(), world.quarantined()) == ([], [])


def test_a_body_of_500_kb_is_taken(client: Client, world: World) -> None:
    item = {"type": "track", **TRACK, "properties": {"x": "y" * 31_000}}
    body = json.dumps({"batch": [item] * 16}).encode()
    assert 490_000 < len(body) <= 512_000

    assert client.post("/v1/batch", content=body, headers=basic(SERVER)).status_code == 200
    assert len(world.calls()) == 16


def test_a_batch_of_2500_is_taken_and_one_more_is_413(client: Client, world: World) -> None:
    item = {"type": "track", "userId": "u", "event": "E"}
    assert client.post("/v1/batch", json={"batch": [item] * 2_500}, headers=basic(SERVER)).status_code == 200
    assert len(world.calls()) == 2_500

    answer = client.post("/v1/batch", json={"batch": [item] * 2_501}, headers=basic(SERVER))

    assert is_error(answer, 413, "too_many_events")
    assert len(world.calls()) == 2_500


@pytest.mark.parametrize("headers", [basic(SERVER), {}])
def test_a_single_call_over_32_kb_is_200_and_quarantined(
    client: Client, world: World, headers: dict[str, str]
) -> None:
    large = {**TRACK, "properties": {"x": "y" * 33_000}, "writeKey": SERVER}

    assert client.post("/v1/track", json=large, headers=headers).status_code == 200
    assert (world.facts(), world.reasons()) == ([], ["too_large"])


def test_an_invalid_single_call_is_200_and_quarantined(client: Client, world: World) -> None:
    for body in (b'{"event":"E"}', b'{"userId":"u"}', b"[1]", b'"text"', b"5", b"null"):
        assert client.post("/v1/track", content=body, headers=basic(SERVER)).status_code == 200

    assert world.reasons() == ["no_identifier", "no_event", *["not_an_object"] * 4]


def test_a_call_that_is_no_text_is_quarantined(client: Client, world: World) -> None:
    body = b'{"userId":"u","event":"\xff","writeKey":"server-key"}'

    assert client.post("/v1/track", content=body).status_code == 200
    assert world.reasons() == ["invalid_text"]


def test_one_bad_item_never_fails_a_batch(client: Client, world: World) -> None:
    good = {"type": "track", **TRACK}
    batch = [
        good,
        {"type": "x"},
        None,
        {**good, "properties": {"x": "y" * 33_000}},
        {**good, "userId": "\x00"},
        good,
    ]

    assert client.post("/v1/batch", json={"batch": batch}, headers=basic(SERVER)).status_code == 200
    assert len(world.calls()) == 2
    assert world.reasons() == ["unknown_type", "not_an_object", "too_large", "invalid_text"]


def test_the_same_message_id_is_taken_once_per_write_key(client: Client, world: World) -> None:
    body = {**TRACK, "messageId": "m1"}
    for key in (SERVER, SERVER, BROWSER):
        assert client.post("/v1/track", json=body, headers=basic(key)).status_code == 200

    assert [call.source for call in world.calls()] == [source_of(SERVER), source_of(BROWSER)]


def test_calls_without_a_message_id_are_all_taken(client: Client, world: World) -> None:
    for _ in range(2):
        client.post("/v1/track", json=TRACK, headers=basic(SERVER))

    assert len({call.message_id for call in world.calls()}) == 2


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "nonsense"])
def test_any_content_type_is_read_as_json(client: Client, world: World, kind: str) -> None:
    headers = {**basic(SERVER), "content-type": kind}

    assert client.post("/v1/t", content=json.dumps(TRACK).encode(), headers=headers).status_code == 200
    assert len(world.calls()) == 1


def test_zipped_bodies_are_unzipped_with_and_without_the_header(client: Client, world: World) -> None:
    raw = json.dumps(TRACK).encode()
    for body, headers in (
        (gzip.compress(raw), {"content-encoding": "gzip"}),
        (gzip.compress(raw), {}),
        (zlib.compress(raw), {"content-encoding": "deflate"}),
        (raw, {"content-encoding": "gzip"}),
    ):
        assert client.post("/v1/track", content=body, headers={**basic(SERVER), **headers}).status_code == 200
    assert len(world.calls()) == 4

    cut = gzip.compress(raw)[:-9]
    assert client.post("/v1/track", content=cut, headers=basic(SERVER)).status_code == 400


def test_null_ids_are_absent(client: Client, world: World) -> None:
    client.post("/v1/track", json={**TRACK, "anonymousId": None}, headers=basic(SERVER))

    assert world.calls()[0].identifiers == (Identifier("user_id", "ada"),)


def test_a_browser_may_ask_first_and_read_the_answer(client: Client) -> None:
    asked = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-new",
    }
    for path in ("/v1/t", "/v1/batch", "/v1/m", "/v1/projects/x/settings"):
        answer = client.request("OPTIONS", path, headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "authorization" in answer.headers["access-control-allow-headers"]
    for answer in (
        client.post("/v1/t", json=TRACK, headers=basic(BROWSER)),
        client.post("/v1/t", json=TRACK),
        client.post("/v1/t", content=b"{"),
        client.get("/v1/t"),
    ):
        assert answer.headers["access-control-allow-origin"] == "*"


def test_other_methods_are_405_and_other_paths_404(client: Client) -> None:
    for path in ("/v1/track", "/v1/batch", "/v1/m"):
        answer = client.get(path)
        assert is_error(answer, 405, "method_not_allowed")
        assert "POST" in answer.headers["allow"]
    for path in ("/v1/nothing", "/v1", "/", "/v2/track", "/v1/track/more"):
        assert is_error(client.post(path, json=TRACK, headers=basic(SERVER)), 404, "not_found")


def test_the_settings_document_says_where_to_send(client: Client) -> None:
    answer = client.get(f"/v1/projects/{BROWSER}/settings")

    assert answer.json() == {
        "integrations": {"Segment.io": {"apiKey": BROWSER, "apiHost": "shop.example/v1", "protocol": "https"}}
    }
    assert answer.headers["access-control-allow-origin"] == "*"
    assert is_error(client.get("/v1/projects/unknown/settings"), 404, "not_found")


class TestPixel:
    """`GET /v1/pixel/<call>`: always the picture, whatever comes."""

    @pytest.mark.parametrize("encode", [base64.urlsafe_b64encode, base64.b64encode])
    def test_a_call_comes_as_base64(self, client: Client, world: World, encode: Any) -> None:
        data = encode(json.dumps({**TRACK, "writeKey": SERVER, "properties": {"s": "??>>"}}).encode())

        answer = client.get("/v1/pixel/track", params={"data": data.decode().rstrip("=")})

        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        assert world.calls()[0].event == "Go"

    def test_a_call_comes_as_dotted_fields(self, client: Client, world: World) -> None:
        fields = {"writeKey": SERVER, "userId": "ada", "event": "Go", "properties.subject": "Hi & <you>"}

        client.get("/v1/pixel/track", params=fields)

        assert world.calls()[0].properties == {"subject": "Hi & <you>"}

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/pixel/track",
            "/v1/pixel/track?data=%%%",
            "/v1/pixel/track?data=e30",
            "/v1/pixel/unknown?writeKey=server-key&userId=u",
            "/v1/pixel/track?userId=u&event=E",
            "/v1/pixel/track?a=1&a.b=2&writeKey=server-key",
        ],
    )
    def test_the_picture_comes_whatever_happens(self, client: Client, world: World, path: str) -> None:
        answer = client.get(path)

        assert (answer.status_code, answer.content[:6]) == (200, b"GIF89a")
        assert world.facts() == []


class GoneStore(MemoryStore):
    """A database that is away."""

    def transaction(self) -> Any:
        raise StorageAwayError("gone")


def test_503_while_the_database_is_away() -> None:
    world = World(store=GoneStore())
    with calling(world) as client:
        for path, body in (("/v1/track", TRACK), ("/v1/batch", {"batch": [{"type": "track", **TRACK}]})):
            answer = client.post(path, json=body, headers=basic(SERVER))
            assert is_error(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        assert is_error(client.get("/readyz"), 503, "unavailable")
        assert client.get("/healthz").status_code == 200
