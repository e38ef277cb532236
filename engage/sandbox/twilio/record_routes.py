"""Routes of products that are kept as records: the credentials, the vendor's shape, and what is not understood."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engage.sandbox.errors import Reply, json_reply, twilio_error
from engage.sandbox.state import Sandbox
from engage.sandbox.twilio.records import Record, new_sid
from engage.sandbox.twilio.routes import respond
from engage.sandbox.twilio.shapes import completed, shown
from engage.sandbox.wire import Form, one

Action = Callable[[Request], Awaitable[Reply]]
Row = tuple[str, str, Action]
"""Method, path, and what is done."""


def texts(form: Form, *names: str) -> Record:
    """Return the given parameters under the vendor's snake-case names, absent ones as null."""
    return {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace(".", "_").lower(): one(form, name) or None
        for name in names
    }


class RecordRoutes:
    """What the routes of such a product share; `table` is theirs."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._kept = sandbox.records

    def table(self) -> list[Row]:
        raise NotImplementedError

    def routes(self) -> list[Route]:
        return [Route(path, self._guarded(action), methods=[method]) for method, path, action in self.table()]

    def _guarded(self, action: Action) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if not self._sandbox.admits_twilio(request.headers.get("authorization", ""), None):
                return respond(twilio_error(20003))
            try:
                return respond(await action(request))
            except (ValueError, RecursionError) as exc:
                return respond(twilio_error(20001, detail=str(exc)))

        return guarded

    def _new(self, kind: str, prefix: str, values: Record, status: int = 201) -> Reply:
        return json_reply(status, shown(kind, self._record(kind, prefix, values)))

    def _record(self, kind: str, prefix: str, values: Record) -> Record:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        record = {
            "sid": new_sid(prefix),
            "account_sid": self._sandbox.account_sid(),
            "date_created": now,
            "date_updated": now,
        } | values
        return self._kept.add(kind, completed(kind, record))

    def _found(self, kind: str, sid: str) -> Reply:
        record = self._kept.get(kind, sid)
        return json_reply(200, shown(kind, record)) if record else twilio_error(20404)
