"""Who may do what: every route against every kind of key, every scope and every role. A route without a row fails."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from engage.cli.serve import console_deps
from engage.console.app import create_console
from engage.domain.access import SCOPES_OF, Role, Scope
from engage.engine.operate import Operator
from tests.api.world import ADMIN, BROWSER, NOW, SERVER, Client, World, basic, bearer, calling

PASSWORD = "correct horse battery"
BY = Operator("test", NOW)
ID = "019ca945-0a00-71df-b438-2f9007a7c4a0"

OPEN = "open"
"""Needs nothing, or a link that we signed."""
SCOPED: dict[tuple[str, str], Scope | str] = {
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): Scope.ADMIN,
    ("GET", "/openapi.json"): Scope.ADMIN,
    ("GET", "/docs"): Scope.ADMIN,
    ("PUT", "/v1/subscriptions"): Scope.CONSENT_WRITE,
    ("POST", "/v1/subscriptions/query"): Scope.PROFILES_READ,
    ("POST", "/v1/journeys/{journey}/start"): Scope.JOURNEYS_START,
    ("GET", "/v1/journeys/{journey}"): Scope.JOURNEYS_READ,
    ("POST", "/v1/deliveries"): Scope.DELIVERIES_WRITE,
    ("GET", "/v1/deliveries/{delivery}"): Scope.DELIVERIES_READ,
    ("POST", "/v1/deliveries/{delivery}/check"): Scope.DELIVERIES_WRITE,
    ("PUT", "/v1/audiences/{audience}/members"): Scope.AUDIENCES_WRITE,
    ("GET", "/v1/audiences/{audience}/members"): Scope.AUDIENCES_READ,
    ("GET", "/v1/audiences/{audience}"): Scope.AUDIENCES_READ,
    ("DELETE", "/v1/profiles/{person:path}"): Scope.PROFILES_WRITE,
    ("GET", "/v1/profiles/{person:path}"): Scope.PROFILES_READ,
    **{
        (
            "GET",
            f"/v1/spaces/{{space}}/collections/users/profiles/{{person:path}}/{part}",
        ): Scope.PROFILES_READ
        for part in ("traits", "external_ids", "events", "metadata", "links")
    },
    ("GET", "/v1/status"): Scope.ADMIN,
    ("GET", "/v1/why/{person:path}"): Scope.PROFILES_READ,
    ("PUT", "/v1/journeys/{journey}/state"): Scope.ADMIN,
    ("PUT", "/v1/sending"): Scope.ADMIN,
    ("GET", "/v1/quarantine"): Scope.ADMIN,
    ("POST", "/v1/quarantine/replay"): Scope.ADMIN,
    ("GET", "/v1/unknown"): Scope.ADMIN,
    ("PUT", "/v1/unknown/{delivery}"): Scope.ADMIN,
    ("GET", "/v1/erasures/{request}"): Scope.PROFILES_WRITE,
    ("GET", "/u/{token}"): OPEN,
    ("POST", "/u/{token}"): OPEN,
    ("GET", "/c/{token}"): OPEN,
    ("POST", "/c/{token}"): OPEN,
    ("GET", "/l/{token}"): OPEN,
    ("HEAD", "/l/{token}"): OPEN,
    ("GET", "/o/{token}.gif"): OPEN,
    ("GET", "/v/{token}"): OPEN,
    ("POST", "/v1/signals"): "server key",
}
WIRE = {
    *(f"/v1/{name}" for name in ("identify", "track", "page", "screen", "group", "alias", "import", "batch")),
    *(f"/v1/{letter}" for letter in "itpsgabm"),
}
"""A write key, server or browser."""
HOOKS = {"/webhooks/acme/status", "/webhooks/acme/inbound"}
"""A provider's signature."""
CONSOLE: dict[tuple[str, str], Role | str] = {
    **{
        ("GET", path): Role.VIEWER
        for path in (
            "/",
            "/journeys",
            "/journeys/{journey}.svg",
            "/journeys/{journey}",
            "/people",
            "/people/{profile}",
            "/audiences",
            "/audiences/{audience}",
            "/deliveries",
            "/deliveries/{delivery}",
            "/queues",
            "/quarantine",
            "/audiences",
            "/audiences/{audience}",
        )
    },
    ("GET", "/login"): OPEN,
    ("POST", "/login"): OPEN,
    ("POST", "/logout"): OPEN,
    ("GET", "/style.css"): OPEN,
    ("GET", "/live.js"): OPEN,
}
BODIES: dict[str, Any] = {
    "/v1/subscriptions": {"subscriptions": []},
    "/v1/subscriptions/query": {"profile": "user_id:ada"},
    "/v1/journeys/{journey}/start": {"profile": "user_id:ada"},
    "/v1/deliveries": {"to": "ada@shop.example", "channel": "email", "template": "t", "topic": "orders"},
    "/v1/deliveries/{delivery}/check": {"code": "123456"},
    "/v1/audiences/{audience}/members": {"add": []},
    "/v1/quarantine/replay": {},
    "/v1/unknown/{delivery}": {"as": "taken"},
}
REFUSED = (401, 403)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[Client]:
    with calling(world) as client:
        yield client


def path_of(route: str) -> str:
    names = {"journey": "by-api", "audience": "beta", "space": "any", "person:path": "user_id:ada"}
    for name, value in {**names, "delivery": ID, "profile": ID, "token": "x"}.items():
        route = route.replace(f"{{{name}}}", value)
    return route


def ask(client: Client, method: str, route: str, headers: dict[str, str]) -> int:
    body = BODIES.get(route) if method in ("PUT", "POST") else None
    return client.request(method, path_of(route), json=body, headers=headers).status_code


def api_routes(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Yield every (method, path), of routers that were included too."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in route.methods or ())
        else:
            yield from api_routes(route.original_router.routes)


def test_every_route_of_the_api_has_a_row(world: World) -> None:
    assert set(api_routes(world.app.routes)) == set(SCOPED)
    assert set(world.app._wire._posts) == WIRE
    assert set(world.app._hooks._endpoints) == HOOKS


def test_every_page_of_the_console_has_a_row(world: World) -> None:
    console = create_console(console_deps(world.deps, world.admit))
    routes = {
        (method, route.path)
        for route in console.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }

    assert routes == set(CONSOLE)


@pytest.mark.parametrize(("method", "route"), sorted(key for key, needs in SCOPED.items() if needs == OPEN))
def test_open_routes_ask_for_nothing(client: Client, method: str, route: str) -> None:
    assert ask(client, method, route, {}) not in REFUSED


@pytest.mark.parametrize(
    ("method", "route"), sorted(key for key, needs in SCOPED.items() if isinstance(needs, Scope))
)
def test_a_scoped_route_opens_to_its_scope_and_to_admins_alone(
    world: World, client: Client, method: str, route: str
) -> None:
    needed = SCOPED[method, route]
    nobodys: tuple[dict[str, str], ...] = (
        {},
        basic(SERVER),
        basic(BROWSER),
        bearer("et_nobody"),
        bearer(""),
        {"authorization": "Bearer"},
    )
    assert {ask(client, method, route, headers) for headers in nobodys} == {401}

    for scope in Scope:
        made = world.admit.create_token(str(scope), [scope], BY)
        allowed = scope in (needed, Scope.ADMIN)
        for headers in (bearer(made.text), basic(made.text)):
            status = ask(client, method, route, headers)
            assert (status not in REFUSED) is allowed, (scope, status)
            assert allowed or status == 403
        world.admit.revoke(made.text, BY)
        assert ask(client, method, route, bearer(made.text)) == 401
    assert ask(client, method, route, bearer(ADMIN)) not in REFUSED


@pytest.mark.parametrize("role", Role)
def test_a_token_of_a_role_opens_what_the_role_may(world: World, client: Client, role: Role) -> None:
    made = world.admit.create_token(str(role), SCOPES_OF[role], BY)

    for (method, route), needed in SCOPED.items():
        if isinstance(needed, Scope):
            allowed = needed in SCOPES_OF[role] or role is Role.ADMIN
            assert (ask(client, method, route, bearer(made.text)) not in REFUSED) is allowed, (route, role)


def test_signals_take_server_keys_alone(world: World, client: Client) -> None:
    def send(headers: dict[str, str]) -> int:
        return client.post("/v1/signals", json={"event": "E"}, headers=headers).status_code

    made = world.admit.create_token("all", list(Scope), BY)
    assert [send(h) for h in ({}, bearer(ADMIN), bearer(made.text), basic("no"))] == [401] * 4
    assert (send(basic(BROWSER)), send(basic(SERVER))) == (403, 200)


@pytest.mark.parametrize("path", sorted(WIRE - {"/v1/m"}))
def test_the_wire_takes_write_keys_alone(world: World, client: Client, path: str) -> None:
    body: dict[str, Any] = {"userId": "u", "previousId": "p", "groupId": "g", "event": "E", "name": "N"}
    if path in ("/v1/batch", "/v1/b", "/v1/import"):
        body = {"batch": []}

    def send(headers: dict[str, str]) -> int:
        return client.post(path, json=body, headers=headers).status_code

    made = world.admit.create_token("all", list(Scope), BY)
    assert {send(h) for h in ({}, bearer(ADMIN), bearer(made.text), basic("no"))} == {401}
    assert {send(basic(SERVER)), send(basic(BROWSER))} == {200}


@pytest.mark.parametrize("path", sorted(HOOKS))
def test_a_webhook_takes_signatures_alone(world: World, client: Client, path: str) -> None:
    made = world.admit.create_token("all", list(Scope), BY)

    answers = [client.post(path, headers=h) for h in ({}, bearer(ADMIN), bearer(made.text), basic(SERVER))]

    assert {answer.status_code for answer in answers} == {403}


@pytest.fixture(scope="module")
def console() -> Iterator[Client]:
    """A console behind its login, with a user of each role."""
    world = World()
    world.app.mount("/console", create_console(console_deps(world.deps, world.admit)))
    for role in Role:
        world.admit.add_user(f"{role}@shop.example", role, PASSWORD, BY)
    with calling(world) as client:
        yield client


def carrying(console: Client, **form: str) -> dict[str, str]:
    """Return the header with which a browser comes back after the login."""
    entered = console.post("/console/login", data=form)
    console.http.cookies.clear()
    return {"cookie": entered.headers["set-cookie"].partition(";")[0]} if entered.status_code == 303 else {}


@pytest.mark.parametrize("role", Role)
def test_a_role_opens_its_pages_and_no_others(console: Client, role: Role) -> None:
    carried = carrying(console, email=f"{role}@shop.example", password=PASSWORD)
    assert carried

    for (method, path), needed in CONSOLE.items():
        answer = console.request(method, f"/console{path_of(path)}", headers=carried)
        if isinstance(needed, Role):
            assert (answer.status_code != 403) is role.includes(needed), (path, role)
            assert answer.status_code != 303, (path, role)


@pytest.mark.parametrize(
    "keys", [{}, basic(SERVER), basic(BROWSER), bearer(ADMIN), {"cookie": "engage_console=x.y"}]
)
def test_no_key_but_a_session_opens_the_console(console: Client, keys: dict[str, str]) -> None:
    for (method, path), needed in CONSOLE.items():
        if isinstance(needed, Role):
            answer = console.request(method, f"/console{path_of(path)}", headers=keys)
            assert (answer.status_code, answer.headers["location"][:14]) == (303, "/console/login")


def test_the_demo_needs_no_token_for_numbers_and_docs() -> None:
    world = World(open_docs=True)
    with calling(world) as client:
        assert {client.get(p).status_code for p in ("/metrics", "/openapi.json", "/docs")} == {200}
        assert client.get("/v1/profiles/user_id:ada").status_code == 401
