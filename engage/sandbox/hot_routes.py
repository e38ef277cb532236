"""The three routes that carry the load (Messages, Calls, mail/send), below Starlette's routing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from engage.sandbox.errors import Reply, json_reply, sendgrid_error, twilio_error, twilio_refusal
from engage.sandbox.faults import AFTER, Fault, FaultRule, Struck
from engage.sandbox.ledger import Channel
from engage.sandbox.now import unix_now
from engage.sandbox.sendgrid.mail import TOO_LARGE, recipient_of
from engage.sandbox.twilio import call_record, messages
from engage.sandbox.wire import Form, answer, cut_short, drip, hang, header, one, parse_form, read_body, reset

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox

ACCOUNTS = "/2010-04-01/Accounts/"
FORM = "application/x-www-form-urlencoded"


class HotRoutes:
    """Answers the creating requests itself; `takes` says which those are."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def takes(self, scope: Scope) -> bool:
        """Return whether this request is one of ours."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return False
        path: str = scope["path"]
        if path == "/v3/mail/send":
            return True
        return path.startswith(ACCOUNTS) and path.endswith(("/Messages.json", "/Calls.json"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at = unix_now()
        body = await read_body(receive)
        path: str = scope["path"]
        if path == "/v3/mail/send":
            await self._mail(scope, receive, send, body, started_at)
            return
        account_sid = path[len(ACCOUNTS) :].partition("/")[0]
        if not self._sandbox.admits_twilio(header(scope, b"authorization"), account_sid):
            await answer(send, twilio_error(20003))
            return
        if body and not header(scope, b"content-type").startswith(FORM):
            await answer(send, twilio_error(20415))
            return
        form = parse_form(body)
        channel = _channel_of(form) if path.endswith("/Messages.json") else Channel.VOICE
        rule = self._sandbox.faults.for_request(Struck(channel, one(form, "To"), one(form, "From"), path))
        if rule is not None and await self._struck_before(rule, scope, receive, send):
            return
        reply = self._accept_twilio(channel, account_sid, form, started_at)
        await self._finish(reply, rule, scope, receive, send)

    def _accept_twilio(self, channel: Channel, account_sid: str, form: Form, started_at: float) -> Reply:
        if channel is Channel.VOICE:
            call = self._sandbox.calls.create(account_sid, form, started_at)
            return json_reply(201, call_record.resource(call)) if isinstance(call, call_record.Call) else call
        message = self._sandbox.messages.create(account_sid, form, started_at)
        return messages.created(message) if isinstance(message, messages.TextMessage) else message

    async def _mail(self, scope: Scope, receive: Receive, send: Send, body: bytes, started_at: float) -> None:
        sandbox = self._sandbox
        if not sandbox.admits_sendgrid(header(scope, b"authorization")):
            message = "The provided authorization grant is invalid, expired, or revoked"
            await answer(send, sendgrid_error(401, message))
            return
        if "json" not in header(scope, b"content-type"):
            await answer(send, sendgrid_error(415, "Content-Type should be application/json."))
            return
        mail = sandbox.mails.parse(body)
        if isinstance(mail, Reply):
            await answer(send, mail)
            return
        rule = sandbox.faults.for_request(
            Struck(Channel.EMAIL, recipient_of(mail), str(mail["from"]["email"]), scope["path"])
        )
        if rule is not None and await self._struck_before(rule, scope, receive, send):
            return
        reply = sandbox.mails.create(mail, started_at)
        await self._finish(reply, rule, scope, receive, send)

    async def _struck_before(self, rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> bool:
        """Do what a fault does before anything is accepted; return whether the request ended with it."""
        sandbox = self._sandbox
        sandbox.ledger.faulted[rule.fault.value] += 1
        is_mail = scope["path"] == "/v3/mail/send"
        match rule.fault:
            case Fault.TOO_MANY:
                if is_mail:
                    wait = 1.0 if rule.retry_after is None else rule.retry_after
                    limits = (
                        ("x-ratelimit-limit", "600"),
                        ("x-ratelimit-remaining", "0"),
                        ("x-ratelimit-reset", str(int(unix_now() + wait + 0.999))),
                    )
                    await answer(send, sendgrid_error(429, "too many requests", headers=limits))
                else:
                    await answer(send, twilio_error(20429, retry_after=rule.retry_after))
            case Fault.REFUSE if not is_mail:
                await answer(send, twilio_refusal(rule.code))
            case Fault.UNAVAILABLE_BEFORE:
                await answer(send, _unavailable(is_mail, rule))
            case Fault.HANG_BEFORE:
                await hang(scope, receive, sandbox.config.hang_seconds)
            case Fault.REDIRECT:
                await answer(send, Reply(301, headers=(("location", "https://elsewhere.example/"),)))
            case Fault.TOO_LARGE:
                await answer(send, TOO_LARGE)
            case _:
                return False
        return True

    async def _finish(
        self, reply: Reply, rule: FaultRule | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if rule is not None and rule.fault in AFTER and reply.status < 300:
            match rule.fault:
                case Fault.UNAVAILABLE_AFTER:
                    reply = _unavailable(scope["path"] == "/v3/mail/send", rule)
                case Fault.HTML_AFTER:
                    reply = Reply(200, b"<html><body>Welcome</body></html>", "text/html")
                case Fault.DRIP_AFTER:
                    await drip(send, reply, rule.seconds)
                    return
                case Fault.TRUNCATED_AFTER:
                    await cut_short(scope, receive, send, reply)
                    return
                case Fault.HANG_AFTER:
                    await hang(scope, receive, self._sandbox.config.hang_seconds)
                    return
                case Fault.SLOW:
                    await self._sandbox.clock.sleep(rule.seconds)
                case _:
                    await reset(scope, receive)
                    return
        await self._sandbox.pause_for_api()
        await answer(send, reply)


def _channel_of(form: Form) -> Channel:
    if one(form, "To").startswith("whatsapp:"):
        return Channel.WHATSAPP
    return Channel.MMS if any(form.get("MediaUrl", ())) else Channel.SMS


def _unavailable(is_mail: bool, rule: FaultRule) -> Reply:
    """Return a 5xx: JSON of the provider's own, or HTML of the gateway before it."""
    if rule.status in {502, 504}:
        return Reply(rule.status, b"<html><h1>Bad Gateway</h1></html>", "text/html")
    if is_mail:
        headers = () if rule.retry_after is None else (("retry-after", f"{rule.retry_after:g}"),)
        return sendgrid_error(rule.status, "service unavailable", headers=headers)
    return twilio_error(20500 if rule.status == 500 else 20503, retry_after=rule.retry_after)
