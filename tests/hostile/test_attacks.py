"""Attacks, tried on the whole face: each ends as a refusal, soon and small, and changes nothing."""

import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute

from engage.api.answers import ApiError
from engage.api.app import create_app
from engage.api.bodies import unzipped
from engage.channels.webhook_calls import is_public
from engage.cli.serve import console_deps
from engage.console.app import mount_console
from engage.console.session import COOKIE, open_session
from engage.domain.access import Scope
from engage.domain.ids import DeliveryId
from engage.domain.links.token import Confirm, LinkToken, Opened, Preferences, TrackedLink, Viewed, make_token
from engage.engine.canonical.split import MAX_BODY
from tests.access.test_authorisation import BODIES, CONSOLE, SCOPED, path_of
from tests.api.world import ADMIN, NOW, SECRETS, SERVER, Client, World, basic, bearer, calling
from tests.channels.test_sendgrid_webhooks import REAL_BODY, REAL_TIMESTAMP, signed

MAIL = "ada@shop.example"
DELIVERY = DeliveryId("019ca945-0a00-71df-b438-2f9007a7c4a0")
ELSEWHERE = "evil.example"
TOKENS: dict[str, LinkToken] = {
    "/u/": Preferences(channel="email", address=MAIL, topic="promotions", delivery=DELIVERY),
    "/c/": Confirm(channel="email", address=MAIL, topic="newsletter", delivery=DELIVERY),
    "/l/": TrackedLink(url="https://shop.example/", delivery=DELIVERY, lane=1),
    "/o/": Opened(delivery=DELIVERY, lane=1),
    "/v/": Viewed(delivery=DELIVERY),
}
DEEP = 100_000
NUMBERS = ("1e999999999", "-1E-999999999", "1" * 200_000, "0." + "1" * 200_000)


@pytest.fixture
def world() -> World:
    found = World()
    mount_console(found.app, console_deps(found.deps, found.admit))
    return found


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    with calling(world) as client:
        yield client


def ending(route: str) -> str:
    return ".gif" if route == "/o/" else ""


@pytest.mark.parametrize("route", TOKENS)
@pytest.mark.parametrize("kind", TOKENS)
def test_a_link_of_one_purpose_is_worth_nothing_for_another(
    world: World, client: Client, route: str, kind: str
) -> None:
    token = make_token(TOKENS[kind], SECRETS)
    form = {"List-Unsubscribe": "One-Click", "leave": "all"}

    answers = [client.get(f"{route}{token}{ending(route)}"), client.post(f"{route}{token}", data=form)]

    if kind != route:
        # Whatever it is asked for, the counting picture is a picture.
        assert {answer.status_code for answer in answers} <= (
            {200, 404, 405} if route == "/o/" else {404, 405}
        )
        assert world.facts() == []
        assert world.consents("email", MAIL).by_address == {}


def test_an_origin_that_is_no_address_is_another_site(client: Client) -> None:
    for origin in ("http://[", "http://]", "null", "//", ""):
        answer = client.post("/console/login", data={"token": ADMIN}, headers={"origin": origin})

        assert answer.status_code == 403


def test_a_session_is_no_link_and_a_link_is_no_session_or_token(client: Client) -> None:
    session = open_session("user:a", NOW, SECRETS)

    for token in [make_token(token, SECRETS) for token in TOKENS.values()]:
        assert client.get("/console/", headers={"cookie": f"{COOKIE}={token}"}).status_code == 303
        assert client.get("/v1/status", headers=bearer(token)).status_code == 401
        assert client.post("/v1/track", json={}, headers=basic(token)).status_code == 401
    assert [
        client.get(f"{route}{session}{ending(route)}").status_code for route in ("/u/", "/c/", "/l/", "/v/")
    ] == [404] * 4


@pytest.mark.parametrize(
    "header", ["host", "x-forwarded-host", "forwarded", "x-original-url", "x-forwarded-for"]
)
def test_no_answer_believes_a_header_about_who_we_are(client: Client, header: str) -> None:
    value = f"host={ELSEWHERE}" if header == "forwarded" else ELSEWHERE
    paths = [path_of(route) for method, route in SCOPED if method == "GET"]
    paths += [f"/console{path_of(route)}" for method, route in CONSOLE if method == "GET"]
    paths += [f"/u/{make_token(TOKENS['/u/'], SECRETS)}", "/v1/projects/server-key/settings"]

    for path in [*paths, *(f"{path.rstrip('/')}/" for path in paths)]:
        answer = client.get(path, headers={**bearer(ADMIN), header: value})
        assert ELSEWHERE not in answer.text, path
        assert ELSEWHERE not in str(answer.headers), path


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\n//evil.example",
        "javascript:alert(1)",
        "%2f%2fevil.example",
        "/ //evil.example",
    ],
)
def test_the_login_leads_nowhere_but_into_the_console(client: Client, back: str) -> None:
    entered = client.post("/console/login", data={"token": ADMIN, "next": back})

    assert entered.status_code == 303
    assert entered.headers["location"].startswith("/console/")
    assert ELSEWHERE not in client.get("/console/login", params={"next": back}).text.replace(
        "/ //evil.example", ""
    )


def test_a_session_is_for_the_server_alone_and_not_for_other_sites(client: Client) -> None:
    cookie = client.post("/console/login", data={"token": ADMIN}).headers["set-cookie"].lower()

    assert {"httponly", "secure", "samesite=lax", "path=/console"} <= {
        part.strip() for part in cookie.split(";")
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": ""},
    ],
)
def test_another_site_cannot_send_a_form_of_the_console(client: Client, headers: dict[str, str]) -> None:
    posts = [route for method, route in CONSOLE if method == "POST"]

    answers = {
        route: client.post(f"/console{route}", data={"token": ADMIN}, headers=headers) for route in posts
    }

    assert posts
    assert {route: answer.status_code for route, answer in answers.items()} == dict.fromkeys(posts, 403)


def test_every_page_says_what_it_may_load_and_who_may_frame_it(world: World, client: Client) -> None:
    entered = {
        "cookie": client.post("/console/login", data={"token": ADMIN}).headers["set-cookie"].partition(";")[0]
    }
    pages = [f"/console{path_of(route)}" for method, route in CONSOLE if method == "GET"]
    pages += [
        f"{route}{make_token(token, SECRETS)}" for route, token in TOKENS.items() if route in ("/u/", "/c/")
    ]
    pages += ["/u/x", "/v/x", "/c/x"]

    for page in pages:
        headers = client.get(page, headers={**entered, "accept": "text/html"}).headers
        policy = headers.get("content-security-policy", "")
        assert "default-src 'none'" in policy, page
        assert "frame-ancestors 'none'" in policy, page
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0], page
        assert headers["x-content-type-options"] == "nosniff", page
        assert headers["referrer-policy"] in ("no-referrer", "same-origin"), page


def test_a_message_is_shown_as_a_document_that_runs_nothing_and_that_nobody_frames(world: World) -> None:
    page = "<p>Hello</p><script>alert(1)</script>"
    world.app = create_app(replace(world.deps, view=lambda _delivery: page))

    with calling(world) as client:
        answer = client.get(f"/v/{make_token(TOKENS['/v/'], SECRETS)}")

    said = [part.split() for part in answer.headers["content-security-policy"].split(";")]
    policy = {name: set(words) for name, *words in said}
    assert answer.text == page
    assert {"allow-scripts", "allow-same-origin", "allow-forms"}.isdisjoint(policy["sandbox"])
    assert (policy["default-src"], policy["frame-ancestors"]) == ({"'none'"}, {"'none'"})
    assert "script-src" not in policy


def takes_json(world: World) -> list[tuple[str, str, dict[str, str]]]:
    found = [
        (method, path_of(route.path), bearer(ADMIN))
        for route in world.app.routes
        if isinstance(route, APIRoute)
        for method in (route.methods or set()) & {"POST", "PUT"}
    ]
    found += [
        (method, path_of(route), bearer(ADMIN))
        for method, route in SCOPED
        if method == "PUT" or route in BODIES
    ]
    return [
        *found,
        ("POST", "/v1/track", basic(SERVER)),
        ("POST", "/v1/batch", basic(SERVER)),
        ("POST", "/v1/signals", basic(SERVER)),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "[" * DEEP,
        '{"a":' * DEEP + "1" + "}" * DEEP,
        '{"batch":[' + "[" * DEEP + "]" * DEEP + "]}",
        *(
            f'{{"userId":"a","event":"E","profile":"user_id:a","properties":{{"n":{n}}},"entry":{{"n":{n}}},"with":{{"n":{n}}}}}'
            for n in NUMBERS
        ),
        "{" + ",".join(f'"k{n}":1' for n in range(40_000)) + "}",
        '{"userId":"a","event":"' + "e" * 400_000 + '"}',
        "\ufeff" * 1000,
        '"\\ud800"',
    ],
    ids=lambda body: body[:12],
)
def test_a_bomb_in_json_is_answered_soon_and_is_no_accident(world: World, client: Client, body: str) -> None:
    for method, path, key in takes_json(world):
        started = time.process_time()
        answer = client.request(
            method, path, content=body.encode(), headers={**key, "content-type": "application/json"}
        )
        assert answer.status_code < 500, path
        assert time.process_time() - started < 2, path


def test_nothing_is_read_of_who_holds_no_token(client: Client) -> None:
    routes = [
        route for route, scope in SCOPED.items() if isinstance(scope, Scope) and route[0] in ("POST", "PUT")
    ]
    read = list[str]()

    async def body(path: str) -> AsyncIterator[bytes]:
        read.append(path)
        yield b"{}"

    assert len(routes) > 8
    for method, path in routes:
        for key in ({}, bearer("et_wrong"), basic(SERVER)):
            answer = client.request(method, path_of(path), content=body(path), headers=key)
            assert (answer.status_code, path) == (401, path)
    assert read == []


def test_a_zip_bomb_is_refused_before_it_unfolds() -> None:
    bomb = gzip.compress(bytes(200_000_000))
    nested = gzip.compress(bomb)
    tracemalloc.start()

    for body in (bomb, nested, bomb[:1000] * 100):
        with suppress(ApiError):
            assert len(unzipped(body, b"gzip", MAX_BODY)) <= MAX_BODY

    assert tracemalloc.get_traced_memory()[1] < 8 * MAX_BODY
    tracemalloc.stop()


@pytest.mark.parametrize("moved", [1, 2, 20])
def test_the_beginning_of_a_webhooks_body_is_no_part_of_its_time(moved: int) -> None:
    """Nothing stands between the two in what SendGrid signs."""
    time = REAL_TIMESTAMP + REAL_BODY[:moved].decode()

    assert signed(REAL_BODY)
    assert not signed(REAL_BODY[moved:], timestamp=time)


@pytest.mark.parametrize(
    "address",
    [
        "::127.0.0.1",
        "64:ff9b:1::7f00:1",
        "64:ff9b::7f00:1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "fec0::1",
        "fe80::1%eth0",
        "100.64.0.1",
        "192.0.0.1",
        "198.18.0.1",
        "255.255.255.255",
        "fd00:ec2::254",
        "224.0.0.1",
        "ff02::1",
    ],
)
def test_no_spelling_of_a_private_address_is_public(address: str) -> None:
    assert not is_public(address)


def test_errors_quote_nothing_that_runs(client: Client) -> None:
    script = "<script>alert(1)</script>"

    for path in (
        f"/u/{script}",
        f"/console/people/{script}",
        f"/console/journeys/{script}",
        f"/console/people?q={script}",
        f"/v1/profiles/{script}",
    ):
        answer = client.get(path, headers={**bearer(ADMIN), "accept": "text/html"})
        assert script not in answer.text or json.loads(answer.text), path
        assert "text/html" not in answer.headers.get("content-type", "") or script not in answer.text, path
