"""Webhooks of providers: verified on the raw bytes, durable before the 2xx."""

import asyncio
from functools import partial
from urllib.parse import parse_qsl

from engage.api.answers import (
    Answer,
    ApiError,
    Endpoint,
    Receive,
    Scope,
    Send,
    error_answer,
    unavailable,
    wrong_method,
)
from engage.api.bodies import ClientGoneError, headers_of, read_raw
from engage.api.deps import ApiDeps
from engage.api.microbatch import OverloadedError
from engage.api.wire import overloaded
from engage.ports.channel import SignedRequest
from engage.ports.storage import StorageAwayError

MAX_BODY = 4 * 1024 * 1024
MAX_INBOUND = 32 * 1024 * 1024
"""Bytes of a message somebody sent us, with its attachments: mail providers stop at 30 MB."""
OFF_THE_LOOP = 256 * 1024
"""Bytes from which on a message is read in a thread, so that nobody else waits for it."""
_DONE = Answer(204, b"", ())
_XML = ((b"content-type", b"text/xml; charset=utf-8"),)


class Hooks:
    """The routes below `/webhooks/`."""

    def __init__(self, deps: ApiDeps) -> None:
        """Answer for every webhook the receiver knows."""
        self._deps = deps
        self._public_url = deps.public_url.rstrip("/")
        self._endpoints: dict[str, Endpoint] = {
            f"/webhooks/{path}": partial(self._post, path) for path in deps.receiver.paths
        }

    def find(self, path: str) -> Endpoint | None:
        """Return who answers under this path, None if it is no webhook of ours."""
        return self._endpoints.get(path) or self._endpoints.get(path.rstrip("/"))

    async def _post(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            answer = error_answer(wrong_method(("POST",)))
        else:
            try:
                answer = await self._answer(path, scope, receive)
            except ApiError as exc:
                answer = error_answer(exc)
            except OverloadedError as exc:
                answer = error_answer(overloaded(exc))
            except StorageAwayError:
                answer = error_answer(unavailable())
            except ClientGoneError:
                return
        await answer(scope, receive, send)

    async def _answer(self, path: str, scope: Scope, receive: Receive) -> Answer:
        limit = MAX_INBOUND if path.endswith("/inbound") else MAX_BODY
        signed = await self._signed(scope, receive, limit)
        if len(signed.body) > OFF_THE_LOOP:
            received = await asyncio.to_thread(self._deps.receiver.receive, path, signed)
        else:
            received = self._deps.receiver.receive(path, signed)
        if received is None:
            raise ApiError(403, "bad_signature", "The signature does not match; nothing was stored.")
        await self._deps.batcher.submit(received.taken, ahead=True)
        return _DONE if received.twiml is None else Answer(200, received.twiml.encode(), _XML)

    async def _signed(self, scope: Scope, receive: Receive, limit: int) -> SignedRequest:
        headers = headers_of(scope["headers"])
        query = scope["query_string"].decode("latin-1")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        return SignedRequest(
            method=scope["method"],
            url=f"{self._public_url}{path}{'?' if query else ''}{query}",
            query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()},
            body=await read_raw(receive, limit),
            received_at=self._deps.clock.now(),
        )
