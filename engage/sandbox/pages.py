"""The pages: phones as conversations, mailboxes with rendered mail, calls as transcripts; plain HTML, no script."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engage.sandbox import desk
from engage.sandbox.inbound import Heard, InboundRequest
from engage.sandbox.ledger import Channel, Entry, iso
from engage.sandbox.sendgrid.mail import Mail
from engage.sandbox.sendgrid.mail_life import REACTIONS
from engage.sandbox.state import Sandbox
from engage.sandbox.twilio.call_record import Call
from engage.sandbox.wire import one, parse_form

SHOWN = 40
KEYS = "123456789*0#"
# A mail may bring any markup: it gets no script, no forms, no origin; images and styles as a mail program allows them.
MAIL_POLICY = (
    "sandbox allow-popups; default-src 'none'; img-src * data:; style-src 'unsafe-inline' *; font-src *"
)
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'"
TONES = {
    "delivered": "good", "sent": "good", "completed": "good", "open": "good", "click": "good", "processed": "good", "read": "good",
    "failed": "bad", "undelivered": "bad", "bounce": "bad", "blocked": "bad", "dropped": "bad", "busy": "bad",
    "no-answer": "bad", "spamreport": "bad", "canceled": "bad", "unsubscribe": "bad",
}  # fmt: skip


class PageRoutes:
    """Serves the pages from the record."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages_html"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.filters["clock"] = _clock
        self._templates.filters["counted"] = _counted
        self._templates.filters["path"] = lambda text: quote(text, safe="")
        self._templates.globals["tone"] = lambda status: TONES.get(status, "calm")

    def routes(self) -> list[Route]:
        return [
            Route("/", self._overview, methods=["GET"]),
            Route("/phones/{number:path}", self._phone, methods=["GET"]),
            Route("/phones/{number:path}", self._answer, methods=["POST"]),
            Route("/mailboxes/{address}", self._mailbox, methods=["GET"]),
            Route("/mails/{id}", self._mail, methods=["GET"]),
            Route("/mails/{id}", self._react, methods=["POST"]),
            Route("/mails/{id}/html", self._mail_html, methods=["GET"]),
            Route("/calls/{id}", self._call, methods=["GET"]),
            Route("/calls/{id}", self._press, methods=["POST"]),
            Route("/desk", self._desk, methods=["GET"]),
            Route("/desk", self._at_the_desk, methods=["POST"]),
        ]

    def _page(self, name: str, **values: Any) -> Response:
        html = self._templates.get_template(name).render(speed=self._sandbox.clock.speed, **values)
        return Response(html, media_type="text/html", headers={"content-security-policy": PAGE_POLICY})

    def _missing(self, what: str) -> Response:
        response = self._page("missing.html", what=what)
        response.status_code = 404
        return response

    async def _overview(self, request: Request) -> Response:
        ledger = self._sandbox.ledger
        phones: dict[str, Entry] = {}
        boxes: dict[str, Entry] = {}
        calls: list[Call] = []
        for entry in ledger.newest():
            if isinstance(entry, Call):
                if len(calls) < SHOWN:
                    calls.append(entry)
            elif entry.channel is Channel.EMAIL:
                if len(boxes) < SHOWN:
                    boxes.setdefault(entry.to, entry)
            elif len(phones) < SHOWN:
                phones.setdefault(entry.to, entry)
            if len(phones) >= SHOWN and len(boxes) >= SHOWN and len(calls) >= SHOWN:
                break
        return self._page(
            "overview.html",
            phones=phones,
            boxes=boxes,
            calls=calls,
            accepted=ledger.accepted,
            courier=self._sandbox.courier,
            duplicates=len(ledger.duplicates()),
            faults=self._sandbox.faults.rules,
            has_desk=not desk.is_empty(self._sandbox),
        )

    async def _phone(self, request: Request) -> Response:
        number = request.path_params["number"]
        texts: list[tuple[str, Entry | Heard]] = [
            (iso(entry.accepted_at), entry)
            for entry in self._sandbox.ledger.find(to=number)
            if entry.channel is not Channel.EMAIL
        ]
        texts += [(heard.at, heard) for heard in self._sandbox.inbound.heard if heard.sender == number]
        if not texts:
            return self._missing(number)
        texts.sort(key=lambda pair: pair[0])
        return self._page("phone.html", number=number, texts=[text for _, text in texts][-200:])

    async def _answer(self, request: Request) -> Response:
        number = request.path_params["number"]
        body = one(parse_form(await request.body()), "body")
        channel = "whatsapp" if number.startswith("whatsapp:") else "sms"
        if body:
            await self._sandbox.inbound.take(InboundRequest(channel=channel, sender=number, body=body))
        return RedirectResponse(f"/phones/{quote(number, safe='')}", status_code=303)

    async def _mailbox(self, request: Request) -> Response:
        address = request.path_params["address"]
        mails = [mail for mail in self._sandbox.ledger.find(to=address) if isinstance(mail, Mail)]
        if not mails:
            return self._missing(address)
        return self._page("mailbox.html", address=address, mails=list(islice(reversed(mails), 200)))

    def _found(self, request: Request) -> Mail | None:
        entry = self._sandbox.ledger.get(request.path_params["id"])
        return entry if isinstance(entry, Mail) else None

    async def _mail(self, request: Request) -> Response:
        mail = self._found(request)
        return self._page("mail.html", mail=mail, reactions=REACTIONS) if mail else self._missing("This mail")

    async def _react(self, request: Request) -> Response:
        mail = self._found(request)
        action = one(parse_form(await request.body()), "action")
        if mail is None or action not in REACTIONS:
            return self._missing("This mail")
        self._sandbox.mails.react(mail, action)
        return RedirectResponse(f"/mails/{quote(mail.id, safe='')}", status_code=303)

    async def _mail_html(self, request: Request) -> Response:
        mail = self._found(request)
        if mail is None:
            return self._missing("This mail")
        headers = {"content-security-policy": MAIL_POLICY, "referrer-policy": "no-referrer"}
        return Response(mail.html or "", media_type="text/html", headers=headers)

    async def _call(self, request: Request) -> Response:
        call = self._sandbox.ledger.get(request.path_params["id"])
        if not isinstance(call, Call):
            return self._missing("This call")
        return self._page("call.html", call=call, keys=KEYS)

    async def _press(self, request: Request) -> Response:
        """Press a key, or say something, as the one who is called: in this call, else in the next to this number."""
        call = self._sandbox.ledger.get(request.path_params["id"])
        if not isinstance(call, Call):
            return self._missing("This call")
        form = parse_form(await request.body())
        self._sandbox.calls.press(call.to, one(form, "digits"), one(form, "speech"))
        return RedirectResponse(f"/calls/{quote(call.id, safe='')}", status_code=303)

    async def _desk(self, request: Request) -> Response:
        return self._page("desk.html", **desk.view(self._sandbox))

    async def _at_the_desk(self, request: Request) -> Response:
        """Do what an agent does, or somebody in a conversation or a room; what is over by now stays so."""
        with suppress(ValueError):
            await desk.act(self._sandbox, parse_form(await request.body()))
        return RedirectResponse("/desk", status_code=303)


def _clock(at: float | str) -> str:
    """Return the time of day of a Unix time or ISO text, in UTC."""
    return (iso(at) if isinstance(at, float) else at)[11:19]


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
