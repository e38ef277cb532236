"""Segment's wire: the hot routes, straight on ASGI. 200 means durable; what must not be retried is a 4xx, all else 429 or 503."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog

from engage.api.answers import (
    JSON_TYPE,
    Answer,
    ApiError,
    Endpoint,
    Header,
    Receive,
    Scope,
    Send,
    not_found,
    to_json,
    unavailable,
    wrong_method,
)
from engage.api.auth import WriteKey, credential
from engage.api.bodies import ClientGoneError, headers_of, read_raw, unzipped
from engage.api.deps import ApiDeps
from engage.api.microbatch import OverloadedError
from engage.api.pixel import GIF, pixel_body
from engage.api.turnstile import Turnstile
from engage.domain.fact import Kind
from engage.domain.json_text import mended
from engage.engine.accept.intake import Taken
from engage.engine.canonical.call import Origin, Refused, Unfit, read_item
from engage.engine.canonical.split import (
    MAX_BODY,
    MAX_EVENTS,
    MalformedBodyError,
    TooManyEventsError,
    open_batch,
    write_key_of,
)
from engage.ports.storage import StorageAwayError

log = structlog.get_logger(__name__)

_CORS: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"retry-after"),
)
_ANY_HEADERS = b"authorization, content-type, content-encoding, x-retry-count"
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9\-_, ]{1,500}")
_SUCCESS = Answer(200, b'{"success":true}', (JSON_TYPE, *_CORS))
_PIXEL = Answer(200, GIF, ((b"content-type", b"image/gif"), (b"cache-control", b"no-store"), *_CORS))
_KINDS = frozenset(kind.value for kind in Kind)
_Take = Callable[[bytes, str | None], Awaitable[Taken]]
"""Says what a body brings, given the credential of its header; or raises an `ApiError`."""
OFF_THE_LOOP = 200
"""Items of a batch from which on it is read in a thread, so that nobody else waits for it."""


class Wire:
    """All routes of the first row of the HTTP table (interfaces.md)."""

    def __init__(self, deps: ApiDeps) -> None:
        """Answer with what `deps` hold."""
        self._deps = deps
        self._turnstile = Turnstile()
        self._posts: dict[str, Endpoint] = {}
        for kind in Kind:
            take = partial(self._post, partial(self._single, kind))
            self._posts[f"/v1/{kind}"] = self._posts[f"/v1/{kind.value[0]}"] = take
        batch = partial(self._post, partial(self._batch, imported=False))
        self._posts["/v1/batch"] = self._posts["/v1/b"] = batch
        self._posts["/v1/import"] = partial(self._post, partial(self._batch, imported=True))
        self._posts["/v1/m"] = partial(self._post, self._drop)

    def find(self, path: str) -> Endpoint | None:
        """Return who answers under this path, None if it is not of this wire."""
        endpoint = self._posts.get(path)
        if endpoint is not None:
            return endpoint
        parts = [part for part in path.split("/") if part]
        if parts[:1] != ["v1"]:
            return None
        match parts[1:]:
            case [name]:
                return self._posts.get(f"/v1/{name}")
            case ["pixel", call]:
                return partial(self._pixel, call)
            case ["projects", key, "settings"]:
                return partial(self._settings, key)
            case _:
                return None

    async def _post(self, take: _Take, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "POST":
            try:
                answer = await self._answer(take, scope, receive)
            except ClientGoneError:
                return
        elif method == "OPTIONS":
            answer = _preflight(scope, ("POST",))
        else:
            answer = _refusal(wrong_method(("POST", "OPTIONS")))
        await answer(scope, receive, send)

    async def _answer(self, take: _Take, scope: Scope, receive: Receive) -> Answer:
        try:
            headers = headers_of(scope["headers"])
            raw = await read_raw(receive, MAX_BODY)
            self._deps.batcher.see_room()
            entered = await self._turnstile.enter(len(raw))
            try:
                self._deps.batcher.see_room()
                body = unzipped(raw, headers.get(b"content-encoding", b""), MAX_BODY)
                taken = await take(body, credential(headers.get(b"authorization")))
            finally:
                self._turnstile.leave(entered)
            await self._deps.batcher.submit(taken)
        except ApiError as exc:
            return _refusal(exc)
        except OverloadedError as exc:
            return _refusal(overloaded(exc))
        except StorageAwayError:
            return _refusal(unavailable())
        return _SUCCESS

    async def _single(self, kind: Kind, body: bytes, candidate: str | None) -> Taken:
        raw = mended(body)
        item = read_item(raw)
        if isinstance(item, Refused):
            if item.reason is Unfit.MALFORMED:
                raise malformed(item.detail)
            named = write_key_of(raw)
        else:
            named = _named_key(item)
        key = self._key(candidate, named)
        acceptor = self._deps.acceptor
        origin = Origin(
            source=key.source,
            received_at=self._deps.clock.now(),
            kind=kind,
            browser=key.browser,
            rules=acceptor.rules(),
        )
        return acceptor.call(raw, item, origin)

    async def _batch(self, body: bytes, candidate: str | None, *, imported: bool) -> Taken:
        try:
            envelope = open_batch(body)
        except TooManyEventsError as exc:
            raise ApiError(413, "too_many_events", str(exc), {"limit": MAX_EVENTS}) from exc
        except MalformedBodyError as exc:
            raise malformed(str(exc)) from exc
        key = self._key(candidate, envelope.write_key)
        acceptor = self._deps.acceptor
        origin = Origin(
            source=key.source,
            received_at=self._deps.clock.now(),
            browser=key.browser,
            imported=imported,
            rules=acceptor.rules(),
        )
        if len(envelope.items) > OFF_THE_LOOP:
            return await asyncio.to_thread(acceptor.batch, envelope, origin)
        return acceptor.batch(envelope, origin)

    async def _drop(self, _body: bytes, _candidate: str | None) -> Taken:
        """The browser library's metrics about itself: nobody reads them."""
        return Taken()

    def _key(self, *candidates: str | None) -> WriteKey:
        key = self._deps.keys.find(*candidates)
        if key is None:
            raise ApiError(401, "unknown_write_key", "This write key is not one of ours, or is missing.")
        return key

    async def _pixel(self, call: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a call that is an image's address. The answer is the picture whatever happens: a page waits for it."""
        if scope["method"] not in ("GET", "HEAD"):
            await _refusal(wrong_method(("GET",)))(scope, receive, send)
            return
        body = pixel_body(scope["query_string"])
        if call in _KINDS and body is not None and scope["method"] == "GET":
            try:
                taken = await self._single(Kind(call), body, None)
                await self._deps.batcher.submit(taken)
            except (ApiError, OverloadedError, StorageAwayError):
                pass
            except Exception:
                log.exception("api.accident", method="GET")
        await _PIXEL(scope, receive, send)

    async def _settings(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell analytics.js where to send; it asks before anything else."""
        method = scope["method"]
        if method == "OPTIONS":
            answer = _preflight(scope, ("GET",))
        elif method not in ("GET", "HEAD"):
            answer = _refusal(wrong_method(("GET", "OPTIONS")))
        elif self._deps.keys.find(key) is None:
            answer = _refusal(not_found())
        else:
            answer = Answer(200, to_json(settings_document(key, self._deps.public_url)), (JSON_TYPE, *_CORS))
        await answer(scope, receive, send)


def settings_document(key: str, public_url: str) -> dict[str, Any]:
    """Return what analytics.js must know: without it, it sends nothing. Just this was seen to do, with its 1.84.3."""
    url = urlsplit(public_url)
    host = f"{url.netloc}{url.path.rstrip('/')}/v1"
    return {"integrations": {"Segment.io": {"apiKey": key, "apiHost": host, "protocol": url.scheme}}}


def malformed(detail: str) -> ApiError:
    """The body cannot be read at all."""
    return ApiError(400, "malformed_json", "The body is not JSON as this path takes it.", {"problem": detail})


def overloaded(exc: OverloadedError) -> ApiError:
    """More comes in than can be stored; the clients wait as long as we say."""
    seconds = str(exc.retry_after)
    return ApiError(
        429,
        "overloaded",
        f"Too much at once; send this again in {seconds} s.",
        headers={"retry-after": seconds},
    )


def _named_key(item: object) -> str | None:
    key = item.get("writeKey") if isinstance(item, dict) else None
    return key if isinstance(key, str) else None


def _refusal(error: ApiError) -> Answer:
    own = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return Answer(error.status, error.body(), (JSON_TYPE, *_CORS, *own))


def _preflight(scope: Scope, methods: Sequence[str]) -> Answer:
    asked = headers_of(scope["headers"]).get(b"access-control-request-headers", b"")
    allowed = asked if _HEADER_NAMES.fullmatch(asked) else _ANY_HEADERS
    return Answer(
        204,
        b"",
        (
            *_CORS,
            (b"access-control-allow-methods", ", ".join((*methods, "OPTIONS")).encode()),
            (b"access-control-allow-headers", allowed),
            (b"access-control-max-age", b"86400"),
            (b"allow", ", ".join((*methods, "OPTIONS")).encode()),
        ),
    )
