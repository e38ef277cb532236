"""U+0000, half characters and endless numbers, wherever a stranger's text goes: an answer below 500, over PostgreSQL."""

from collections.abc import Iterator

import pytest

from engage.cli.serve import console_deps
from engage.console.app import mount_console
from engage.storage.postgres import PostgresStore
from tests.access.test_authorisation import CONSOLE, SCOPED
from tests.api.world import ADMIN, SERVER, Client, World, basic, bearer, calling

pytestmark = pytest.mark.live
ODD = [
    "%00",
    "a%00b",
    "%ED%A0%80",
    "%FF",
    "%F4%90%80%80",
    "1e999999999",
    "-0",
    "9" * 400,
    "%0D%0AX-A:%20b",
    "..%2f..%2fetc",
    "%E2%80%AE",
]


@pytest.fixture(scope="module")
def client(attacked: PostgresStore) -> Iterator[Client]:
    world = World(store=attacked)
    mount_console(world.app, console_deps(world.deps, world.admit))
    with calling(world) as client:
        yield client


@pytest.mark.parametrize("text", ODD)
def test_no_text_in_the_console_is_an_accident(client: Client, text: str) -> None:
    entered = client.post("/console/login", data={"token": ADMIN}).headers["set-cookie"].partition(";")[0]
    for field in ("email", "password", "token", "next"):
        form = f"{field}={text}&email=ada%40shop.example&password=a"
        answer = client.post("/console/login", content=form.encode())
        assert answer.status_code < 500, field
        assert "x-a" not in answer.headers
    for method, route in CONSOLE:
        begin, _, rest = route.partition("{")
        path = f"/console{begin}{text}{rest.partition('}')[2]}" if rest else f"/console{route}"
        for name in ("q", "after", "journey", "channel", "status", "show", "next"):
            answer = client.request(method, f"{path}?{name}={text}", headers={"cookie": entered})
            assert answer.status_code < 500, (path, name)
            assert "x-a" not in answer.headers


@pytest.mark.parametrize("text", ODD)
def test_no_text_in_a_path_or_a_question_is_an_accident(client: Client, text: str) -> None:
    named = {
        f"{kind}:{text}" for kind in ("user_id", "anonymous_id", "email", "phone", "loyalty_id", "id", "x")
    } | {text}
    for method, route in SCOPED:
        if method != "GET" or "{" not in route:
            continue
        for name in named:
            begin, _, rest = route.partition("{")
            path = (
                begin
                + name
                + rest.partition("}")[2].replace("{journey}", "by-api").replace("{person:path}", name)
            )
            answer = client.get(path, params={"limit": "1"}, headers=bearer(ADMIN))
            assert answer.status_code < 500, (path, answer.text)
            assert "x-a" not in answer.headers
    for path in ("/v1/deliveries", "/v1/audiences/beta/members", "/v1/profiles/user_id:ada"):
        for name in ("cursor", "limit", "include", "topic", "channel"):
            assert client.get(f"{path}?{name}={text}", headers=bearer(ADMIN)).status_code < 500


@pytest.mark.parametrize("text", [r"\u0000", r"a\u0000b", r"\ud800", r"\udfff\ud800", r"\u202e", r"\r\nX: y"])
def test_no_text_in_a_body_is_an_accident_or_holds_up_its_lane(client: Client, text: str) -> None:
    bodies = {
        (
            "PUT",
            "/v1/subscriptions",
        ): f'{{"subscriptions": [{{"profile": "user_id:{text}", "channel": "email", "address": "{text}@b.example", "topic": "{text}", "state": "subscribed"}}]}}',
        ("POST", "/v1/subscriptions/query"): f'{{"profile": "anonymous_id:{text}"}}',
        (
            "POST",
            "/v1/journeys/by-api/start",
        ): f'{{"profile": "user_id:{text}", "entry": {{"{text}": "{text}"}}}}',
        (
            "POST",
            "/v1/deliveries",
        ): f'{{"to": "{text}", "profile": "user_id:{text}", "channel": "email", "template": "{text}", "topic": "orders", "with": {{"{text}": "{text}"}}}}',
        ("PUT", "/v1/audiences/beta/members"): f'{{"add": ["user_id:{text}", "anonymous_id:{text}"]}}',
    }
    for (method, path), body in bodies.items():
        answer = client.request(
            method, path, content=body.encode(), headers={**bearer(ADMIN), "idempotency-key": "a"}
        )
        assert answer.status_code < 500, (path, answer.text)
    item = f'{{"userId": "{text}", "anonymousId": "{text}", "event": "{text}", "messageId": "{text}", "properties": {{"{text}": "{text}"}}, "context": {{"traits": {{"{text}": "{text}"}}}}}}'
    for path in ("/v1/track", "/v1/identify", "/v1/page", "/v1/group", "/v1/alias", "/v1/signals"):
        answer = client.request("POST", path, content=item.encode(), headers=basic(SERVER))
        assert answer.status_code < 500, (path, answer.text)
