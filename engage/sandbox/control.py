"""The control routes under `/_sandbox/`: what was received, what goes wrong, what people answer, how fast time runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engage.sandbox.errors import Reply, json_reply
from engage.sandbox.inbound import InboundRequest
from engage.sandbox.ledger import iso
from engage.sandbox.state import Sandbox
from engage.sandbox.twilio.messages import TextMessage
from engage.sandbox.twilio.routes import respond

SECRETS = ("auth_token", "api_keys", "sendgrid_api_key", "signing_key")


class Suppressing(msgspec.Struct, forbid_unknown_fields=True):
    """An address that comes onto one of SendGrid's lists without a mail: `bounces`, `unsubscribes`, `group:1`, …"""

    list: str
    email: str


class Telling(msgspec.Struct, forbid_unknown_fields=True):
    """A text that is in this status from now on, and reported so: `id` is its SID."""

    id: str
    status: str
    code: int | None = None


class NoSuchTextError(ValueError):
    """No text that is still kept has this id."""


class ControlRoutes:
    """Reading the record and steering the twins; needs no credentials."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Callable[[Request], Awaitable[Reply]]]] = [
            ("GET", "/_sandbox/messages", self._messages),
            ("GET", "/_sandbox/stats", self._stats),
            ("GET", "/_sandbox/records", self._records),
            ("GET", "/_sandbox/faults", self._get_faults),
            ("GET", "/_sandbox/config", self._get_config),
            ("POST", "/_sandbox/reset", self._reset),
            ("POST", "/_sandbox/faults", self._faults),
            ("POST", "/_sandbox/inbound", self._inbound),
            ("POST", "/_sandbox/suppressions", self._suppress),
            ("POST", "/_sandbox/status", self._status),
            ("POST", "/_sandbox/clock", self._clock),
            ("POST", "/_sandbox/config", self._config),
        ]
        return [Route(path, _checked(action), methods=[method]) for method, path, action in table]

    async def _messages(self, request: Request) -> Reply:
        query = request.query_params
        to = query.get("to")
        if to is not None and to.startswith(" "):
            to = "+" + to.strip()  # a plus sign that nobody encoded
        found = list(self._sandbox.ledger.find(to=to, ref=query.get("ref"), channel=query.get("channel")))
        limit = query.get("limit")
        if limit is not None:
            found = found[-int(limit) :] if int(limit) else []
        shown = [entry.more() if query.get("more") else entry.view() for entry in found]
        return json_reply(200, {"messages": shown})

    async def _stats(self, request: Request) -> Reply:
        sandbox = self._sandbox
        ledger, courier = sandbox.ledger, sandbox.courier
        stats: dict[str, Any] = {
            "accepted": dict(ledger.accepted) | {"total": ledger.accepted.total()},
            "refused": dict(ledger.refused),
            "faulted": dict(ledger.faulted),
            "refs": len(ledger.refs),
            "duplicates": ledger.duplicates(),
            "callbacks": {
                "sent": courier.sent,
                "failed": courier.failed,
                "pending": courier.pending + sandbox.events.waiting,
                "retries": courier.retries,
            },
            "timers": sandbox.clock.waiting,
            "calls_in_progress": sandbox.calls.in_progress,
            "max_per_second": {
                sender: {"messages": pace.messages, "segments": pace.segments}
                for sender, pace in ledger.paces.items()
            },
        }
        wanted = request.query_params.get("starts")
        if wanted is not None:
            stats["starts"] = {to: [iso(at) for at in starts] for to, starts in ledger.starts.items()}
        return json_reply(200, stats)

    async def _records(self, request: Request) -> Reply:
        kind = request.query_params.get("kind")
        kinds = self._sandbox.records.kinds
        return json_reply(
            200, {"records": {name: list(kinds[name].values()) for name in kinds if kind in {None, name}}}
        )

    async def _reset(self, request: Request) -> Reply:
        self._sandbox.reset()
        return json_reply(200, {"ok": True})

    async def _get_faults(self, request: Request) -> Reply:
        return json_reply(200, {"faults": self._sandbox.faults.rules})

    async def _faults(self, request: Request) -> Reply:
        self._sandbox.faults.replace(msgspec.json.decode(await request.body() or b"[]"))
        return await self._get_faults(request)

    async def _inbound(self, request: Request) -> Reply:
        body = msgspec.json.decode(await request.body(), type=InboundRequest, strict=False)
        return json_reply(200, await self._sandbox.inbound.take(body))

    async def _suppress(self, request: Request) -> Reply:
        wanted = msgspec.json.decode(await request.body(), type=Suppressing)
        self._sandbox.suppressions.put(wanted.list, wanted.email)
        return json_reply(200, {"ok": True})

    async def _status(self, request: Request) -> Reply:
        wanted = msgspec.json.decode(await request.body(), type=Telling)
        message = self._sandbox.ledger.get(wanted.id)
        if isinstance(message, TextMessage):
            self._sandbox.messages.tell(message, wanted.status, wanted.code)
            return json_reply(200, {"id": message.id, "status": message.status})
        raise NoSuchTextError(f"no text has the id {wanted.id!r}")

    async def _clock(self, request: Request) -> Reply:
        changes = msgspec.json.decode(await request.body(), type=dict[str, Any])
        self._sandbox.reconfigure({"speed": changes.get("speed", self._sandbox.clock.speed)})
        return json_reply(200, {"speed": self._sandbox.clock.speed, "now": self._sandbox.clock.now()})

    async def _get_config(self, request: Request) -> Reply:
        shown = msgspec.to_builtins(self._sandbox.config)
        for name in SECRETS:
            shown[name] = bool(shown[name])
        shown["public_key"] = self._sandbox.signer.public_key
        return json_reply(200, shown)

    async def _config(self, request: Request) -> Reply:
        self._sandbox.reconfigure(msgspec.json.decode(await request.body(), type=dict[str, Any]))
        return await self._get_config(request)


def _checked(action: Callable[[Request], Awaitable[Reply]]) -> Callable[[Request], Awaitable[Response]]:
    async def checked(request: Request) -> Response:
        try:
            return respond(await action(request))
        except (ValueError, RecursionError) as exc:
            return respond(json_reply(400, {"code": "bad_request", "message": str(exc), "details": {}}))

    return checked
