"""SendGrid's `mail/send`: one entry per recipient, and what becomes of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from engage.sandbox.errors import Reply, json_reply, sendgrid_error
from engage.sandbox.ledger import Channel, Entry
from engage.sandbox.now import unix_now
from engage.sandbox.sendgrid.mail_life import MailLives, addresses
from engage.sandbox.sendgrid.mail_rules import Json, mistakes

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox

_decode = msgspec.json.Decoder().decode
_UNTRACKED = re.compile(r"clicktracking\s*=\s*[\"']?off", re.IGNORECASE)

LARGEST_MAIL = 30_000_000
TOO_LARGE = Reply(413, b"<html><h1>413 Request Entity Too Large</h1></html>", "text/html")
"""What the provider's front end says: not its JSON."""
UNVERIFIED = sendgrid_error(
    403,
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. Visit "
    "https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity requirements",
    "from",
)
BYPASS = {
    "bypass_list_management": ("bounces", "spam_reports", "invalid_emails", "unsubscribes"),
    "bypass_spam_management": ("spam_reports",),
    "bypass_bounce_management": ("bounces",),
    "bypass_unsubscribe_management": ("unsubscribes",),
}


@dataclass(slots=True, kw_only=True, eq=False)
class Mail(Entry):
    """One mail to one recipient."""

    message_id: str
    headers: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    categories: list[str] = field(default_factory=list)
    group_id: int | None = None
    sender_name: str = ""
    reply_to: str | None = None
    send_at: int | None = None
    opens_tracked: bool = True
    clicks_tracked: bool = True
    bypass: frozenset[str] = frozenset()
    batch_id: str | None = None
    pool: str | None = None
    attachments: tuple[str, ...] = ()
    """Their names."""

    def more(self) -> dict[str, Any]:
        """Return what the mailbox cannot show, too."""
        return self.view() | {
            "headers": self.headers,
            "categories": self.categories,
            "attachments": self.attachments,
            "pool": self.pool,
            "unsubscribe_group": self.group_id,
            "tracking": {"opens": self.opens_tracked, "clicks": self.clicks_tracked},
        }

    @property
    def link(self) -> str | None:
        """The first link that click tracking would rewrite."""
        for url, rest in addresses(self.html or "", "a"):
            if not _UNTRACKED.search(rest):
                return url
        return None


class Mails:
    """Accepts mails; their lives are played by `MailLives`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._lives = MailLives(sandbox)
        self.batches: dict[str, str] = {}
        """Batch id to `pause` or `cancel`."""

    def react(self, mail: Mail, action: str) -> None:
        """Let the reader do something now (`REACTIONS`)."""
        self._lives.react(mail, action)

    def parse(self, body: bytes) -> Json | Reply:
        """Return the decoded and valid mail/send body, or the refusal."""
        if len(body) > LARGEST_MAIL:
            return TOO_LARGE
        try:
            mail = _decode(body)
        except (ValueError, RecursionError):
            return sendgrid_error(400, "Bad Request")
        errors = mistakes(mail, unix_now())
        if not errors and mail.get("batch_id") and mail["batch_id"] not in self.batches:
            errors = [{"message": "The batch id is not valid.", "field": "batch_id", "help": None}]
        if errors:
            self._sandbox.ledger.refused["400"] += 1
            return json_reply(400, {"errors": errors})
        if not self._is_verified(mail):
            self._sandbox.ledger.refused["403"] += 1
            return UNVERIFIED
        valid: Json = mail
        return valid

    def _is_verified(self, mail: Json) -> bool:
        allowed = {name.lower() for name in self._sandbox.config.verified_senders}
        senders = [mail["from"], *(one["from"] for one in mail["personalizations"] if one.get("from"))]
        emails = [str(one["email"]).strip().lower() for one in senders]
        return not allowed or all(email in allowed or email.rpartition("@")[2] in allowed for email in emails)

    def create(self, mail: Json, started_at: float) -> Reply:
        """Accept a parsed mail and start the life of every recipient's copy."""
        settings = mail.get("mail_settings") or {}
        if (settings.get("sandbox_mode") or {}).get("enable"):
            return Reply(200)
        message_id = new_message_id()
        for number, (copy, is_first) in enumerate(_copies(mail, message_id, started_at)):
            if number:
                copy.id = f"{message_id}.{number}"
            self._sandbox.ledger.add(copy, counts_ref=is_first)
            wait = max((copy.send_at or 0) - started_at, 0.0)
            self._sandbox.clock.later(wait, self._start, copy)
        return Reply(202, headers=(("x-message-id", message_id),))

    def _start(self, copy: Mail) -> None:
        state = self.batches.get(copy.batch_id) if copy.batch_id else None
        if state == "cancel":
            copy.status = "canceled"
        elif state == "pause":
            self._sandbox.clock.later(60.0, self._start, copy)
        else:
            self._lives.start(copy)


def recipient_of(mail: Json) -> str:
    """Return the first recipient of a valid mail, by whom faults are matched."""
    return str(mail["personalizations"][0]["to"][0]["email"])


def new_message_id() -> str:
    """Return an `X-Message-Id` of one of the two shapes seen; one of them holds dots."""
    if secrets.randbits(1):
        return f"{secrets.token_hex(6)}.{secrets.token_hex(2)}.{secrets.token_hex(3)}"
    return secrets.token_urlsafe(16)


def _copies(mail: Json, message_id: str, started_at: float) -> Iterator[tuple[Mail, bool]]:
    """Yield each recipient's copy, and whether it is the first of its personalization."""
    parts = {part["type"]: part["value"] for part in mail.get("content") or ()}
    tracking = mail.get("tracking_settings") or {}
    settings = mail.get("mail_settings") or {}
    bypassed = [lists for name, lists in BYPASS.items() if (settings.get(name) or {}).get("enable")]
    plain, html = parts.get("text/plain", ""), parts.get("text/html")
    shared: dict[str, Any] = {
        "channel": Channel.EMAIL,
        "status": "accepted",
        "accepted_at": started_at,
        "updated_at": started_at,
        "message_id": message_id,
        "categories": list(mail.get("categories") or ()),
        "group_id": (mail.get("asm") or {}).get("group_id"),
        "opens_tracked": (tracking.get("open_tracking") or {}).get("enable") is not False,
        "clicks_tracked": (tracking.get("click_tracking") or {}).get("enable") is not False,
        "bypass": frozenset(name for lists in bypassed for name in lists),
        "batch_id": mail.get("batch_id"),
        "reply_to": (mail.get("reply_to") or {}).get("email"),
        "pool": mail.get("ip_pool_name"),
        "attachments": tuple(item["filename"] for item in mail.get("attachments") or ()),
    }
    for person in mail["personalizations"]:
        arguments = {**(mail.get("custom_args") or {}), **(person.get("custom_args") or {})}
        substitutions = person.get("substitutions") or {}
        data = person.get("dynamic_template_data")
        sender = person.get("from") or mail["from"]
        recipients = [a["email"] for kind in ("to", "cc", "bcc") for a in person.get(kind) or ()]
        for number, email in enumerate(recipients):
            copy = Mail(
                id=message_id,
                ref=arguments.get("engage_ref") or arguments.get("ref"),
                to=email,
                sender=sender["email"],
                sender_name=sender.get("name") or "",
                subject=_substituted(person.get("subject") or mail.get("subject") or "", substitutions),
                body=_substituted(plain, substitutions)
                or (msgspec.json.encode(data).decode() if data else ""),
                html=_substituted(html, substitutions) if html is not None else None,
                headers={**(mail.get("headers") or {}), **(person.get("headers") or {})},
                arguments=arguments,
                send_at=person.get("send_at") or mail.get("send_at"),
                **shared,
            )
            yield copy, number == 0


def _substituted(text: str, substitutions: Json) -> str:
    for name, value in substitutions.items():
        text = text.replace(name, str(value))
    return text
