"""Mail that comes in through SendGrid's Inbound Parse, signed by an attached security policy."""

import json
import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr
from hashlib import blake2b
from html import unescape

from engage.channels.sendgrid_events import SendGridSignature
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Inbound
from engage.ports.channel import Heard, SignedRequest

_TAG = re.compile(r"<[^>]*>")
MAX_TEXT = 100_000
"""Characters of a mail we keep."""


class MailWebhook:
    """`sendgrid/inbound`: somebody wrote us a mail (Inbound Parse, in parsed or raw mode)."""

    path = "sendgrid/inbound"

    def __init__(self, signature: SendGridSignature) -> None:
        self._signature = signature

    def verify(self, request: SignedRequest) -> bool:
        """Return whether SendGrid signed exactly these bytes. Never raises."""
        return self._signature.good(request)

    def read(self, request: SignedRequest) -> Heard:
        """Return the mail. Attachments are left out; parts we can't read are quarantined, never raised."""
        try:
            fields = {name: _storable(text) for name, text in _fields(request).items()}
            sender, to = _envelope(fields)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return Heard(quarantined=(("unreadable", request.body),))
        if not sender:
            return Heard(quarantined=(("no_sender", request.body),))
        mail = Inbound(
            message_id=_message_id(fields),
            channel=Channel.EMAIL,
            sender=sender.lower(),
            to=to.lower(),
            subject=fields.get("subject") or None,
            body=_written(fields)[:MAX_TEXT],
            at=request.received_at,
        )
        return Heard(inbound=(mail,))


def _fields(request: SignedRequest) -> dict[str, str]:
    """Return the text fields of the form; each comes in its own character set (field `charsets`)."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode("latin-1")
    whole = BytesParser(policy=policy.HTTP).parsebytes(head + request.body)
    raw: dict[str, bytes] = {}
    for part in whole.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and part.get_filename() is None and isinstance(payload, bytes):
            raw[name] = payload
    charsets = json.loads(raw.get("charsets", b"{}"))
    whole_mail = raw.pop("email", None)
    fields = {name: _decoded(value, str(charsets.get(name, "utf-8"))) for name, value in raw.items()}
    return fields if whole_mail is None else {**fields, **_parsed(whole_mail)}


def _written(fields: dict[str, str]) -> str:
    """The text part; of a mail that has none, the words of its HTML."""
    text = fields.get("text", "")
    return text if text.strip() else unescape(_TAG.sub(" ", fields.get("html", "")))


def _parsed(mail: bytes) -> dict[str, str]:
    """Return the fields of parsed mode, of a mail that came whole (raw mode, field `email`)."""
    whole = BytesParser(policy=policy.default).parsebytes(mail)
    assert isinstance(whole, EmailMessage)
    body = whole.get_body(("plain", "html"))
    text = "" if body is None else str(body.get_content())
    if body is not None and body.get_content_subtype() == "html":
        text = _TAG.sub(" ", text)
    headers = "\n".join(f"{name}: {value}" for name, value in whole.items())
    return {"headers": headers, "text": text, "subject": str(whole["subject"] or "")}


def _decoded(value: bytes, charset: str) -> str:
    try:
        return value.decode(charset, "replace")
    except LookupError:
        return value.decode("utf-8", "replace")


def _storable(text: str) -> str:
    """Take out what no database takes: U+0000, and halves of characters that some character sets let through."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _envelope(fields: dict[str, str]) -> tuple[str, str]:
    """The envelope says who it is from and for; the headers may say anything."""
    envelope = json.loads(fields.get("envelope", "{}"))
    to = envelope.get("to") or [parseaddr(fields.get("to", ""))[1]]
    sender = envelope.get("from") or parseaddr(fields.get("from", ""))[1]
    return _storable(str(sender)), _storable(str(to[0]))


def _message_id(fields: dict[str, str]) -> str:
    """Inbound Parse gives no id: the mail's own, else a hash of its headers."""
    for line in fields.get("headers", "").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "message-id" and value.strip():
            return value.strip()[:500]
    known = "\x1f".join(fields.get(name, "") for name in ("headers", "envelope", "subject", "text"))
    return blake2b(known.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
