"""What people send us: texts, mails and pressed keys, injected by the control route and signed like the provider's."""

from __future__ import annotations

import asyncio
import secrets
from mimetypes import guess_type
from typing import TYPE_CHECKING, Any

import msgspec

from engage.sandbox.http_client import Answer, ConnectError, ReadError
from engage.sandbox.ledger import iso
from engage.sandbox.now import unix_now
from engage.sandbox.sendgrid.events import SIGNATURE_HEADER, TIMESTAMP_HEADER
from engage.sandbox.twilio.hooks import overrides_of
from engage.sandbox.twilio.messages import TextMessage
from engage.sandbox.twilio.optout import REPLIES, Keyword, keyword_of
from engage.sandbox.twilio.segments import count_segments
from engage.sandbox.twilio.twiml import ScriptError, parse_twiml

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox


class InboundError(ValueError):
    """The injected message names an unknown channel or lacks what its channel needs."""


class InboundRequest(msgspec.Struct, kw_only=True):
    """The control route's body; without `to` the person answers whoever wrote or called last."""

    channel: str
    sender: str = msgspec.field(name="from")
    to: str = ""
    body: str = ""
    media: tuple[str, ...] = ()
    """Addresses of pictures that come along, of a text."""
    digits: str = ""
    subject: str = ""
    html: str = ""
    id: str = ""
    """Give the id of an earlier one to repeat it, as the provider does after a slow answer."""


class Heard(msgspec.Struct):
    """A text that a person sent, for the pages."""

    id: str
    sender: str
    to: str
    body: str
    at: str


Result = dict[str, Any]
KEPT = 1000


class Inbound:
    """Delivers inbound messages and waits for the receiver's answer."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.heard: list[Heard] = []

    async def take(self, request: InboundRequest) -> Result:
        """Deliver what a person sent; return its `sid`, the receiver's HTTP `status`, `answered_at`, and `replies`.

        Raises:
            InboundError: the request cannot be delivered on its channel.
        """
        match request.channel:
            case "sms" | "mms" | "whatsapp":
                return await self._text(request)
            case "voice":
                return {"status": self._sandbox.calls.press(request.sender, request.digits, request.body)}
            case "email":
                return await self._mail(request)
            case "chat":
                return await self._chat(request)
            case "agent":
                task = self._sandbox.agents.act(request.sender, request.body)
                return {"sid": task["sid"], "status": task["assignment_status"]}
            case "video":
                done = self._sandbox.rooms.act(request.sender, request.body.strip())
                return {"sid": done["sid"], "status": done["status"]}
            case _:
                raise InboundError(
                    f"channel must be sms, whatsapp, voice, email, chat, agent or video, not {request.channel!r}"
                )

    async def _text(self, request: InboundRequest) -> Result:
        sandbox = self._sandbox
        person = request.sender
        if request.channel == "whatsapp" and not person.startswith("whatsapp:"):
            person = f"whatsapp:{person}"
        to = request.to or self._last_sender(person)
        sid = request.id or ("SM" + secrets.token_hex(16))
        self.heard.append(Heard(sid, person, to, request.body, iso(unix_now())))
        del self.heard[:-KEPT]
        sandbox.messages.heard_from(person, to)
        keyword = keyword_of(request.body) if not person.startswith("whatsapp:") else None
        scope = sandbox.scope_of(to)
        if keyword is Keyword.STOP:
            sandbox.blocks.block(scope, person)
        elif keyword is Keyword.START:
            sandbox.blocks.unblock(scope, person)
        answer = await self._post(
            sandbox.config.inbound_sms_url, self._fields(request, sid, person, to, keyword)
        )
        replies = []
        if keyword is not None and sandbox.config.auto_reply:
            replies.append(REPLIES[keyword])
        if answer is not None and answer.status < 300:
            replies += _replies(answer)
        for text in replies:
            sandbox.messages.reply(sandbox.account_sid(), person, to, text)
        return {
            "sid": sid,
            "to": to,
            "status": answer.status if answer else None,
            "answered_at": iso(unix_now()) if answer else None,
            "replies": replies,
        }

    def _last_sender(self, person: str) -> str:
        last = self._sandbox.ledger.last_to(person)
        if last is not None:
            return last.sender
        return self._sandbox.pool_of("")[0]

    def _service_of(self, person: str, to: str) -> str | None:
        scope = self._sandbox.scope_of(to)
        if scope != to:
            return scope
        last = self._sandbox.ledger.last_to(person)
        return last.service_sid if isinstance(last, TextMessage) and last.sender == to else None

    def _fields(
        self, request: InboundRequest, sid: str, person: str, to: str, keyword: Keyword | None
    ) -> list[tuple[str, str]]:
        sandbox = self._sandbox
        fields = [
            ("ToCountry", "US"),
            ("ToState", ""),
            ("SmsMessageSid", sid),
            ("NumMedia", str(len(request.media))),
            ("ToCity", ""),
            ("FromZip", ""),
            ("SmsSid", sid),
            ("FromState", ""),
            ("SmsStatus", "received"),
            ("FromCity", ""),
            ("Body", request.body),
            ("FromCountry", "US"),
            ("To", to),
            ("ToZip", ""),
            ("NumSegments", str(count_segments(request.body))),
            ("MessageSid", sid),
            ("AccountSid", sandbox.account_sid()),
            ("From", person),
            ("ApiVersion", "2010-04-01"),
        ]
        for number, url in enumerate(request.media):
            kind = guess_type(url)[0] or "application/octet-stream"
            fields += [(f"MediaContentType{number}", kind), (f"MediaUrl{number}", url)]
        service = self._service_of(person, to)
        if service:
            fields.append(("MessagingServiceSid", service))
        if keyword is not None and sandbox.config.opt_out_type:
            fields.append(("OptOutType", keyword.value))
        if person.startswith("whatsapp:"):
            fields += [("ProfileName", "Sandbox"), ("WaId", person.removeprefix("whatsapp:+"))]
        return fields

    async def _post(self, url: str, fields: list[tuple[str, str]]) -> Answer | None:
        """Post a signed inbound webhook, retried as the URL's fragment asks; None if nothing answered."""
        if not url:
            return None
        sandbox = self._sandbox
        target, _, fragment = url.partition("#")
        overrides = overrides_of(fragment)
        headers, body, target = sandbox.hooks.request_of(sandbox.account_sid(), target, fields, "POST")
        for tries in range(1, overrides.retries + 2):
            try:
                answer = await sandbox.client.request(
                    "POST",
                    target,
                    headers=headers,
                    body=body,
                    connect_seconds=overrides.connect_seconds,
                    read_seconds=overrides.read_seconds,
                )
                kind = f"{answer.status // 100}xx"
            except (ConnectError, ReadError) as exc:
                answer, kind = None, "ct" if isinstance(exc, ConnectError) else "rt"
            if kind in {"2xx", "3xx"} or not ({"all", kind} & overrides.on) or tries > overrides.retries:
                return answer
            await asyncio.sleep(0.5 * tries / max(sandbox.clock.speed, 1.0))
        return None

    async def _chat(self, request: InboundRequest) -> Result:
        """Let a person write into their newest conversation."""
        sandbox = self._sandbox
        for joined in reversed(sandbox.records.all("participants")):
            if request.sender in (joined["identity"], joined["messaging_binding"]["address"]):
                break
        else:
            raise InboundError(f"{request.sender!r} is in no conversation")
        sid = request.id or ("IM" + secrets.token_hex(16))
        said = {
            "conversation_sid": joined["conversation_sid"],
            "author": request.sender,
            "body": request.body,
        }
        sandbox.records.add("conversation_messages", {"sid": sid, "attributes": "{}", **said})
        fields = [
            ("AccountSid", sandbox.account_sid()),
            ("Author", request.sender),
            ("Body", request.body),
            ("ConversationSid", str(joined["conversation_sid"])),
            ("EventType", "onMessageAdded"),
            ("MessageSid", sid),
            ("ParticipantSid", str(joined["sid"])),
            ("Source", "SMS" if request.sender.startswith("+") else "SDK"),
        ]
        answer = await self._post(sandbox.config.conversations_url, fields)
        return {"sid": sid, "status": answer.status if answer else None}

    async def _mail(self, request: InboundRequest) -> Result:
        """Post an Inbound Parse form, signed as with a security policy."""
        sandbox = self._sandbox
        url = sandbox.config.inbound_email_url
        message_id = request.id or f"<{secrets.token_hex(12)}@sandbox.example>"
        if not url:
            return {"sid": message_id, "status": None, "answered_at": None, "replies": []}
        boundary = f"xYzZY{secrets.token_hex(8)}"
        parts = {
            "headers": f"Message-ID: {message_id}\nSubject: {request.subject}\nFrom: {request.sender}\nTo: {request.to}\n",
            "from": request.sender,
            "to": request.to,
            "subject": request.subject,
            "text": request.body,
            "html": request.html,
            "envelope": msgspec.json.encode({"to": [request.to], "from": request.sender}).decode(),
            "charsets": '{"to":"UTF-8","from":"UTF-8","subject":"UTF-8","text":"UTF-8","html":"UTF-8"}',
            "attachments": "0",
            "sender_ip": "192.0.2.7",
            "SPF": "pass",
            "dkim": "{@sandbox.example : pass}",
        }
        body = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in parts.items()
        )
        data = f"{body}--{boundary}--\r\n".encode()
        timestamp = str(int(unix_now()))
        headers = (
            f"Content-Type: multipart/form-data; boundary={boundary}\r\n"
            f"{SIGNATURE_HEADER}: {sandbox.signer.sign(timestamp, data)}\r\n{TIMESTAMP_HEADER}: {timestamp}\r\n"
        )
        try:
            answer = await sandbox.client.request("POST", url, headers=headers, body=data)
        except (ConnectError, ReadError):
            return {"sid": message_id, "status": None, "answered_at": None, "replies": []}
        return {
            "sid": message_id,
            "status": answer.status,
            "answered_at": iso(unix_now()),
            "replies": [],
        }


def _replies(answer: Answer) -> list[str]:
    """Return the texts of the `<Message>` verbs of an answer."""
    if "xml" not in answer.content_type or not answer.body:
        return []
    try:
        root = parse_twiml(answer.body)
    except ScriptError:
        return []
    texts = []
    for message in root.iter("Message"):
        body = message.find("Body")
        texts.append(("".join((body if body is not None else message).itertext())).strip())
    return [text for text in texts if text]
