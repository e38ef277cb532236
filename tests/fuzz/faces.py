"""Targets: whole requests to the API, the pages behind links and the console, and the cursors of all lists."""

import asyncio
import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from urllib.parse import quote

from engage.cli.serve import console_deps
from engage.console.app import mount_console
from engage.console.session import COOKIE, open_session
from engage.console.timeline import VIEWS, read_timeline
from engage.domain.links.token import Confirm, LinkToken, Opened, Preferences, TrackedLink, Viewed, make_token
from engage.domain.profile.sensitive import Sensitive
from engage.ports.reading import CursorError
from engage.storage.memory.reading import MemoryReading
from tests.access.test_authorisation import BODIES, CONSOLE, SCOPED, path_of
from tests.api.world import ADMIN, NOW, SECRETS, SERVER, World, basic, bearer
from tests.console.shop import ADA, NOON, NUDGE, Shop
from tests.fuzz.asking import Asked, ask
from tests.fuzz.target import Target, text_of

MAIL = "ada@shop.example"


class _Face:
    """The whole HTTP face with the console, over a shop with one customer; every request finds it as at the start."""

    def __init__(self) -> None:
        self._store = Shop().fill().store
        self._tables = deepcopy(self._store._tables)
        world = World(store=self._store, open_docs=True)
        mount_console(world.app, console_deps(world.deps, world.admit))
        self._app = world.app

    def read(self, data: bytes) -> None:
        """Put one request: it is answered, never by an accident, and nothing of it becomes a header of ours."""
        self._store._tables = deepcopy(self._tables)
        asked = Asked.of(data)
        answered = asyncio.run(ask(self._app, asked))
        assert 200 <= answered.status < 500, answered
        for name, value in answered.headers:
            assert not set(name + value) & set(b"\r\n"), (name, value)


_face = cache(_Face)


def _request(data: bytes) -> None:
    _face().read(data)


def _cursor(data: bytes) -> None:
    reading, text = MemoryReading(Shop().fill().store), text_of(data)
    one = (reading.runs, reading.deliveries, reading.decisions, reading.events)
    lists: list[Callable[[str | None], object]] = [
        *(partial(read, ADA, limit=1) for read in one),
        *(partial(read, limit=1) for read in (reading.recent_deliveries, reading.unknown_deliveries)),
        partial(reading.quarantine, limit=1),
        partial(reading.members, "vip", limit=1),
        *(partial(_timeline, reading, view) for view in VIEWS),
    ]
    for read in lists:
        try:
            found = read(text)
        except CursorError:
            continue
        following = getattr(found, "next")  # noqa: B009  # pages and timelines alike
        if following is not None:
            read(following)


def _timeline(reading: MemoryReading, view: str, after: str | None) -> object:
    return read_timeline(reading, ADA, view, after, Sensitive(()), ahead=1)


def _written(first: str, body: str = "", **headers: str) -> bytes:
    lines = [first, *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\n".join(lines) + "\n\n" + body).encode()


_OURS, _KEY = bearer(ADMIN), basic(SERVER)
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = '--x\r\nContent-Disposition: form-data; name="leave"\r\n\r\nall\r\n--x--\r\n'
_AGAIN = f"{NOON.isoformat()}~{NUDGE}"
_LINKS: list[tuple[str, LinkToken]] = [
    ("/u/", Preferences(channel="email", address=MAIL, topic="promotions", delivery=NUDGE)),
    ("/c/", Confirm(channel="email", address=MAIL, topic="newsletter", delivery=NUDGE)),
    ("/l/", TrackedLink(url="https://shop.example/", delivery=NUDGE, lane=1)),
    ("/o/", Opened(delivery=NUDGE, lane=1)),
    ("/v/", Viewed(delivery=NUDGE)),
]
_API = [
    *(
        _written(f"{method} {path_of(route)}", json.dumps(BODIES.get(route, {})), **_OURS)
        for method, route in SCOPED
        if not route.startswith(("/u/", "/c/", "/l/", "/o/", "/v/"))
    ),
    *(
        _written(f"GET /v1/profiles/user_id:ada?list={name}&limit=1&after={quote(_AGAIN)}", **_OURS)
        for name in ("runs", "deliveries", "decisions", "events")
    ),
    _written("GET /v1/why/email:ada@shop.example?journey=abandoned-cart&at=2026-07-01&message=x", **_OURS),
    _written(
        "POST /v1/deliveries",
        '{"profile": "user_id:ada", "channel": "sms", "text": "Hi", "topic": "orders", "with": {"a": 1},'
        ' "expires": "1 hour", "sender": "x"}',
        idempotency_key="once",
        **_OURS,
    ),
    _written(
        "PUT /v1/subscriptions",
        '{"subscriptions": [{"profile": "email:a@b.example", "channel": "email", "topic": "promotions",'
        ' "state": "unsubscribed", "source": "form", "proof": "x"}]}',
        **_OURS,
    ),
    _written("PUT /v1/audiences/beta/members", '{"replace": ["user_id:ada", "phone:+14155550100"]}', **_OURS),
    _written("PUT /v1/journeys/by-api/state", '{"action": "pause"}', **_OURS),
    _written("PUT /v1/sending", '{"stopped": true, "channel": "sms"}', **_OURS),
    _written("POST /v1/quarantine/replay", '{"after": "2", "ids": [1], "reason": "malformed"}', **_OURS),
    _written(
        "POST /v1/signals",
        '{"event": "Cart", "properties": {"a": 1.5}, "timestamp": "2026-03-01T12:00:00Z", "messageId": "m"}',
        **_KEY,
    ),
    _written("POST /v1/track", '{"userId": "ada", "event": "Cart", "properties": {"total": 1e3}}', **_KEY),
    _written("POST /webhooks/acme/status?ref=1&lane=2", "a=1", x_signature="good", content_type=_FORM),
    _written(
        "GET /v1/spaces/s/collections/users/profiles/user_id:ada/events?limit=1&next=x&sort=asc", **_OURS
    ),
    _written("GET /v1/spaces/s/collections/users/profiles/user_id:ada/traits?class=x&include=a,b", **_OURS),
]
_PAGES = [
    *(
        _written(f"GET {path}{make_token(token, SECRETS)}", accept_language="de;q=0.5, fr")
        for path, token in _LINKS
    ),
    *(
        _written(f"POST {path}{make_token(token, SECRETS)}", body, content_type=_FORM)
        for path, token in _LINKS[:2]
        for body in (
            "List-Unsubscribe=One-Click",
            "email.promotions=on&sms.promotions=on&locale=de",
            "leave=all",
        )
    ),
    _written(
        f"POST /u/{make_token(_LINKS[0][1], SECRETS)}",
        _MULTIPART,
        content_type="multipart/form-data; boundary=x",
    ),
]
_CONSOLE = [
    *(_written(f"{method} /console{path_of(route)}") for method, route in CONSOLE),
    *(_written(f"GET /console/people/{ADA}?show={view}&after=WyJhIixmYWxzZSxudWxsXQ") for view in VIEWS),
    _written("GET /console/people?q=email:ada@shop.example"),
    _written("GET /console/people?q=%2B1+(415)+555-0100"),
    _written(f"GET /console/deliveries?channel=email&status=clicked&journey=x&after={NUDGE}"),
    _written(f"GET /console/audiences/beta?after={ADA}"),
    _written("GET /console/quarantine?after=1"),
    _written(
        "POST /console/login",
        "email=a@b.example&password=x&next=/people",
        content_type=_FORM,
        origin="https://x",
    ),
    _written("POST /console/login", f"token={ADMIN}&next=//evil.example", content_type=_FORM),
    _written("POST /console/logout", cookie=f"{COOKIE}={open_session('user:a', NOW, SECRETS)}"),
]
TARGETS = [
    Target("api", _request, _API),
    Target("links", _request, _PAGES),
    Target("console", _request, _CONSOLE),
    Target(
        "cursor",
        _cursor,
        [b"1", ADA.encode(), _AGAIN.encode(), f"{NOON.isoformat()}~1~x".encode(), b"WyJhIixmYWxzZSxudWxsXQ"],
    ),
]
