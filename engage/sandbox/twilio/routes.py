"""Twilio's other routes: looking up, changing and deleting messages and calls, numbers, services, recordings."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engage.sandbox.errors import Reply, json_reply, twilio_error
from engage.sandbox.ledger import Entry
from engage.sandbox.now import rfc2822, unix_now
from engage.sandbox.state import Sandbox
from engage.sandbox.twilio import call_record, messages
from engage.sandbox.twilio.shapes import NUMBER, SERVICE
from engage.sandbox.wire import one, parse_form

ACCOUNT = "/2010-04-01/Accounts/{account}"
DEFAULT_PAGE, LARGEST_PAGE = 50, 1000

Handler = Callable[[Request], Awaitable[Response]]


def respond(reply: Reply) -> Response:
    """Return a finished answer as a Starlette response."""
    return Response(reply.body, reply.status, dict(reply.headers), reply.content_type if reply.body else None)


class TwilioRoutes:
    """All Twilio routes but the creating ones."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        return [
            Route(ACCOUNT + "/Messages.json", self._guarded(self._list_messages), methods=["GET"]),
            Route(
                ACCOUNT + "/Messages/{sid}.json",
                self._guarded(self._message),
                methods=["GET", "POST", "DELETE"],
            ),
            Route(ACCOUNT + "/Messages/{sid}/Feedback.json", self._guarded(self._feedback), methods=["POST"]),
            Route(ACCOUNT + "/Calls.json", self._guarded(self._list_calls), methods=["GET"]),
            Route(ACCOUNT + "/Calls/{sid}.json", self._guarded(self._call), methods=["GET", "POST"]),
            Route(ACCOUNT + "/Recordings/{name}", self._recording, methods=["GET"]),
            Route(ACCOUNT + "/IncomingPhoneNumbers.json", self._guarded(self._numbers), methods=["GET"]),
            Route(ACCOUNT + ".json", self._guarded(self._account), methods=["GET"]),
            Route("/v1/Services/{sid}", self._guarded(self._service), methods=["GET"]),
        ]

    def _guarded(self, handler: Callable[[Request], Awaitable[Reply]]) -> Handler:
        async def guarded(request: Request) -> Response:
            account = request.path_params.get("account")
            if not self._sandbox.admits_twilio(request.headers.get("authorization", ""), account):
                return respond(twilio_error(20003))
            try:
                return respond(await handler(request))
            except ValueError as exc:
                return respond(twilio_error(20001, detail=str(exc)))

        return guarded

    async def _list_messages(self, request: Request) -> Reply:
        query = request.query_params
        texts = [
            entry
            for entry in self._matching(query.get("To"), query.get("From"))
            if isinstance(entry, messages.TextMessage) and _sent_within(entry, request)
        ]
        return _page(request, "messages", [messages.resource(text) for text in reversed(texts)])

    def _matching(self, to: str | None, sender: str | None) -> list[Entry]:
        found = self._sandbox.ledger.find(to=_number(to))
        return [entry for entry in found if sender is None or entry.sender == _number(sender)]

    async def _message(self, request: Request) -> Reply:
        message = self._sandbox.ledger.get(request.path_params["sid"])
        if not isinstance(message, messages.TextMessage):
            return twilio_error(20404)
        if request.method == "DELETE":
            self._sandbox.ledger.remove(message)
            return Reply(204)
        if request.method == "POST":
            form = parse_form(await request.body())
            if one(form, "Status") == "canceled":
                refusal = self._sandbox.messages.cancel(message)
                if refusal is not None:
                    return refusal
            if "Body" in form:
                message.body = ""
        return json_reply(200, messages.resource(message))

    async def _feedback(self, request: Request) -> Reply:
        message = self._sandbox.ledger.get(request.path_params["sid"])
        if message is None:
            return twilio_error(20404)
        outcome = one(parse_form(await request.body()), "Outcome") or "confirmed"
        if outcome not in {"confirmed", "unconfirmed"}:
            return twilio_error(20001, detail="Outcome is confirmed or unconfirmed")
        now = rfc2822(unix_now())
        return json_reply(
            200,
            {
                "message_sid": message.id,
                "outcome": outcome,
                "account_sid": message.account_sid,
                "date_created": now,
                "date_updated": now,
                "uri": f"/2010-04-01/Accounts/{message.account_sid}/Messages/{message.id}/Feedback.json",
            },
        )

    async def _list_calls(self, request: Request) -> Reply:
        query = request.query_params
        found = [
            entry
            for entry in self._matching(query.get("To"), query.get("From"))
            if isinstance(entry, call_record.Call) and query.get("Status") in {None, entry.status}
        ]
        return _page(request, "calls", [call_record.resource(call) for call in reversed(found)])

    async def _call(self, request: Request) -> Reply:
        call = self._sandbox.ledger.get(request.path_params["sid"])
        if not isinstance(call, call_record.Call):
            return twilio_error(20404)
        if request.method == "POST":
            refusal = self._sandbox.calls.update(call, parse_form(await request.body()))
            if refusal is not None:
                return refusal
        return json_reply(200, call_record.resource(call))

    async def _recording(self, request: Request) -> Response:
        return Response(silence(1.0), media_type="audio/x-wav")

    async def _numbers(self, request: Request) -> Reply:
        account = request.path_params["account"]
        pools = self._sandbox.config.messaging_services.values()
        numbers = dict.fromkeys([*self._sandbox.pool_of(""), *(number for pool in pools for number in pool)])
        wanted = _number(request.query_params.get("PhoneNumber"))
        shown = [_number_resource(number, account) for number in numbers if wanted in {None, number}]
        return _page(request, "incoming_phone_numbers", shown)

    async def _account(self, request: Request) -> Reply:
        account = request.path_params["account"]
        return json_reply(
            200,
            {
                "sid": account,
                "friendly_name": "Sandbox",
                "status": "active",
                "type": "Full",
                "auth_token": "0" * 32,
                "date_created": "Thu, 01 Jan 2026 00:00:00 +0000",
                "date_updated": "Thu, 01 Jan 2026 00:00:00 +0000",
                "owner_account_sid": account,
                "subresource_uris": {},
                "uri": f"/2010-04-01/Accounts/{account}.json",
            },
        )

    async def _service(self, request: Request) -> Reply:
        sid, services = request.path_params["sid"], self._sandbox.config.messaging_services
        if not sid.startswith("MG") or (services and sid not in services):
            return twilio_error(20404)
        return json_reply(
            200,
            SERVICE
            | {
                "sid": sid,
                "account_sid": self._sandbox.account_sid(),
                "links": {},
                "friendly_name": "Sandbox service",
                "inbound_request_url": self._sandbox.config.inbound_sms_url or None,
                "status_callback": None,
                "sticky_sender": True,
                "smart_encoding": False,
                "validity_period": messages.LONGEST_VALIDITY_SECONDS,
                "url": f"https://messaging.twilio.com/v1/Services/{sid}",
            },
        )


def _number(value: str | None) -> str | None:
    # A plus sign that nobody encoded arrives as a blank.
    return value if value is None or not value.startswith(" ") else "+" + value[1:]


def _sent_within(message: messages.TextMessage, request: Request) -> bool:
    query = request.query_params
    bounds = {name: query[name] for name in ("DateSent", "DateSent>", "DateSent<") if name in query}
    if not bounds:
        return True
    if message.sent_at is None:
        return False
    day = rfc2822(message.sent_at)
    sent = parsedate_to_datetime(day).strftime("%Y-%m-%d")
    return (
        bounds.get("DateSent", sent)[:10] == sent
        and bounds.get("DateSent>", sent)[:10] <= sent
        and bounds.get("DateSent<", sent)[:10] >= sent
    )


def _page(request: Request, name: str, items: list[dict[str, Any]]) -> Reply:
    """Return one page in the vendor's form; `next_page_uri` is null on the last."""
    query = request.query_params
    size = min(max(int(query.get("PageSize") or DEFAULT_PAGE), 1), LARGEST_PAGE)
    page = max(int(query.get("Page") or 0), 0)
    part = items[page * size : (page + 1) * size]
    has_more = len(items) > (page + 1) * size

    def uri(number: int) -> str:
        url = request.url.include_query_params(PageSize=size, Page=number)
        return f"{url.path}?{url.query}"

    return json_reply(
        200,
        {
            name: part,
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(len(part) - 1, 0),
            "uri": uri(page),
            "first_page_uri": uri(0),
            "previous_page_uri": uri(page - 1) if page else None,
            "next_page_uri": uri(page + 1) if has_more else None,
        },
    )


def _number_resource(number: str, account: str) -> dict[str, Any]:
    sid = "PN" + number.strip("+").rjust(32, "0")
    return NUMBER | {
        "sid": sid,
        "account_sid": account,
        "phone_number": number,
        "friendly_name": number,
        "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
        "sms_url": "",
        "sms_method": "POST",
        "voice_url": "",
        "status_callback": "",
        "uri": f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{sid}.json",
    }


def silence(seconds: float) -> bytes:
    """Return a WAV file of silence (8 kHz, 8 bit, mono)."""
    samples = int(8000 * seconds)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + samples, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", samples)  # fmt: skip
    return head + b"\x80" * samples
