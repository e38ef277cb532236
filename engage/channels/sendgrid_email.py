"""Mail through SendGrid's v3 API: the way out. Its events come back through `sendgrid_events`."""

import base64
from email.utils import parseaddr
from typing import Any

import msgspec
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from engage.channels.connections import NotSentError, OutcomeUnknownError
from engage.channels.mail_sender import MailSender, mail_sender
from engage.channels.retry_after import retry_after
from engage.domain.delivery.delivery import FailReason
from engage.ports.channel import (
    Accepted,
    Answer,
    Busy,
    CannotSay,
    EmailContent,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    Taken,
    Unknown,
)

PROVIDER = "sendgrid"
MOST_CATEGORIES, LONGEST_CATEGORY = 10, 255
"""SendGrid's limits of `mail/send`."""
REF = "engage_ref"
LANE = "engage_lane"
"""Custom arguments: they come back flat in every event. Ids, never personal data."""


class _Error(msgspec.Struct):
    message: str | None = None
    field: str | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


_errors = msgspec.json.Decoder(_Errors)


class SendGridEmail:
    """Sends mail. One request a delivery; the SDK's client over kept connections.

    Args:
        sandbox_mode: SendGrid validates and sends nothing (its own sandbox mode, answers 200).
    """

    provider = PROVIDER

    def __init__(self, sdk: SendGridAPIClient, sender: str | None, *, sandbox_mode: bool = False) -> None:
        # The fluent path is walked once: each segment makes an object.
        self._mail = sdk.client.mail.send
        self._sender = sender
        self._sandbox_mode = sandbox_mode

    def send(self, outbound: Outbound) -> Answer:
        """Post one mail and say what became of it."""
        content = outbound.content
        if not isinstance(content, EmailContent):
            return Rejected(reason=FailReason.CONFIG, code="not_a_mail", detail="this channel sends mail")
        sender = mail_sender(outbound, content, self._sender)
        if not sender.address:
            return Rejected(reason=FailReason.CONFIG, code="no_sender", detail="no address to send from")
        try:
            response = self._mail.post(request_body=self._body(outbound, content, sender))
        except HTTPError as exc:
            return _answer_to_error(exc)
        except NotSentError as exc:
            return Busy(code="not_sent", detail=str(exc))
        except OutcomeUnknownError as exc:
            return Unknown(code="no_answer", detail=str(exc))
        if response.status_code != (200 if self._sandbox_mode else 202):
            return Unknown(code=str(response.status_code), detail="the answer is not SendGrid's 202")
        return Accepted(provider_id=response.headers.get("x-message-id") or outbound.delivery)

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """SendGrid can't list mail by our reference: its event stream settles it (providers, §5.2)."""
        return CannotSay()

    def _body(self, outbound: Outbound, content: EmailContent, sender: MailSender) -> dict[str, Any]:
        # text/plain must stand before text/html, and no part may be empty.
        parts = [("text/plain", content.text), ("text/html", content.html)]
        body: dict[str, Any] = {
            "personalizations": [
                {
                    "to": [{"email": outbound.to}],
                    "custom_args": {REF: outbound.delivery, LANE: str(outbound.lane)},
                }
            ],
            "from": _party(sender.name, sender.address),
            "subject": content.subject,
            "content": [{"type": kind, "value": value} for kind, value in parts if value],
        }
        if content.reply_to:
            body["reply_to"] = _party(*parseaddr(content.reply_to))
        if content.headers:
            body["headers"] = dict(content.headers)
        if content.categories:
            # Those that begin alike are one: SendGrid refuses a mail that names one twice.
            short = dict.fromkeys(name[:LONGEST_CATEGORY] for name in content.categories)
            body["categories"] = list(short)[:MOST_CATEGORIES]
        if content.pool:
            body["ip_pool_name"] = content.pool
        if content.unsubscribe_group is not None:
            body["asm"] = {"group_id": content.unsubscribe_group}
        if content.attachments:
            body["attachments"] = [
                {
                    "content": base64.b64encode(item.content).decode("ascii"),
                    "filename": item.name,
                    "type": item.type,
                    "disposition": "attachment",
                }
                for item in content.attachments
            ]
        tracking: dict[str, Any] = {}
        if content.opens is not None:
            tracking["open_tracking"] = {"enable": content.opens}
        if content.clicks is not None:
            tracking["click_tracking"] = {"enable": content.clicks, "enable_text": False}
        if tracking:
            body["tracking_settings"] = tracking
        if self._sandbox_mode:
            body["mail_settings"] = {"sandbox_mode": {"enable": True}}
        return body


def _party(name: str, address: str) -> dict[str, str]:
    return {"email": address, "name": name} if name else {"email": address}


def _answer_to_error(exc: HTTPError) -> Answer:
    """SendGrid's error table is its HTTP status; only a 400 says more. Its texts quote addresses and stay here."""
    status: int = exc.status_code
    code = str(status)
    if status == 429:
        return Busy(retry_after=retry_after(exc.headers), code=code, detail="too many requests; not taken")
    if status >= 500 or status in {408, 409}:
        return Unknown(code=code, detail="SendGrid failed while it had the request")
    if status in {400, 413, 415, 422}:
        if _recipient_is_wrong(exc.body):
            detail = "the recipient's address is not valid"
            return Rejected(reason=FailReason.INVALID_ADDRESS, code=code, suppress=True, detail=detail)
        return Rejected(reason=FailReason.CONTENT, code=code, detail="the mail was refused as it is")
    return Rejected(
        reason=FailReason.CONFIG, code=code, detail="the key, the sender or the URL is not set up for this"
    )


def _recipient_is_wrong(body: bytes) -> bool:
    """`personalizations.0.to.0.email` is the one field of a request that the recipient's address fills."""
    try:
        errors = _errors.decode(body).errors
    except (ValueError, RecursionError):
        return False  # 413 is HTML of the front end, and nobody promises that anything else is JSON.
    fields = [error.field or "" for error in errors]
    return bool(fields) and all(field.startswith("personalizations.0.to") for field in fields)
