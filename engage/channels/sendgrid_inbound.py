"""Mail that comes in through SendGrid's Inbound Parse, signed by an attached security policy."""

import codecs
import json
import re
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parseaddr
from hashlib import blake2b
from html import unescape

from engage.channels.sendgrid_events import SendGridWebhook
from engage.domain.delivery.delivery import Channel
from engage.domain.fact import Inbound
from engage.ports.channel import Heard, SignedRequest

_TAG = re.compile(r"<[^<>]*>")
# Python takes their parameters apart in the square of their length.
_ENDLESS = re.compile(rb"^content-[a-z-]+:(?:[^\n]|\n[ \t]){10000}", re.IGNORECASE | re.MULTILINE)
MAX_TEXT = 100_000
"""Characters of a mail we keep."""
MAX_PARTS = 2_000
"""Lines that may begin a part; a mail has a few."""
MAX_HEADER = 10_000
"""Characters of a header of theirs that is taken apart; what takes the square of a longer one's length is not tried."""
_NO_CHARSETS = frozenset({"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"})
"""Python's own, which no mail is written in; the first takes the square of a text's length."""


class MailWebhook(SendGridWebhook):
    """`sendgrid/inbound`: somebody wrote us a mail (Inbound Parse, in parsed or raw mode)."""

    path = "sendgrid/inbound"

    def read(self, request: SignedRequest) -> Heard:
        """Return the mail. Attachments are left out; parts we can't read are quarantined, never raised."""
        try:
            fields = {name: _storable(text) for name, text in _fields(request).items()}
            sender, to = _envelope(fields)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, MessageError):
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
    raw: dict[str, bytes] = {}
    for part in _parts(_read(head + request.body)):
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and part.get_filename() is None and isinstance(payload, bytes):
            raw[name] = payload
    charsets = json.loads(raw.get("charsets", b"{}"))
    whole_mail = raw.pop("email", None)
    fields = {name: _decoded(value, str(charsets.get(name, "utf-8"))) for name, value in raw.items()}
    return fields if whole_mail is None else {**fields, **_parsed(whole_mail)}


def _read(data: bytes) -> Message:
    """Return MIME with its headers as they were written: Python's reading of them takes the square of their length.

    Raises:
        ValueError: it has more parts, or longer descriptions of them, than any mail.
    """
    if data.count(b"\n--") > MAX_PARTS or _ENDLESS.search(data):
        raise ValueError("too many parts, or parameters")
    return BytesParser().parsebytes(data)


def _parts(whole: Message) -> list[Message]:
    parts = whole.get_payload() if whole.is_multipart() else []
    return [part for part in parts if isinstance(part, Message)] if isinstance(parts, list) else []


def _written(fields: dict[str, str]) -> str:
    """The text part; of a mail that has none, the words of its HTML."""
    text = fields.get("text", "")
    return text if text.strip() else unescape(_TAG.sub(" ", fields.get("html", "")))


def _parsed(mail: bytes) -> dict[str, str]:
    """Return the fields of parsed mode, of a mail that came whole (raw mode, field `email`)."""
    whole = _read(mail)
    body = next(_bodies(whole, "text/plain"), None) or next(_bodies(whole, "text/html"), None)
    payload = None if body is None else body.get_payload(decode=True)
    text = ""
    if body is not None and isinstance(payload, bytes):
        text = _decoded(payload, body.get_content_charset() or "utf-8")
        text = _TAG.sub(" ", text) if body.get_content_subtype() == "html" else text
    headers = "\n".join(f"{name}: {' '.join(str(value).split())}" for name, value in whole.items())
    return {"headers": headers, "text": text, "subject": _header(str(whole.get("subject", "")))}


def _bodies(whole: Message, kind: str) -> Iterator[Message]:
    """Yield the texts that somebody wrote in this mail, and in none that is attached to it."""
    if whole.get_content_disposition() == "attachment":
        return
    if whole.get_content_type() == kind:
        yield whole
    if whole.get_content_maintype() == "multipart":
        for part in _parts(whole):
            yield from _bodies(part, kind)


def _header(written: str) -> str:
    """Return a header with its encoded words read (RFC 2047)."""
    parts = decode_header(" ".join(written[:MAX_HEADER].split()))
    return "".join(part if isinstance(part, str) else _decoded(part, kind or "ascii") for part, kind in parts)


def _decoded(value: bytes, charset: str) -> str:
    try:
        known = codecs.lookup(charset).name not in _NO_CHARSETS
        return value.decode(charset if known else "utf-8", "replace")
    except LookupError:
        return value.decode("utf-8", "replace")


def _storable(text: str) -> str:
    """Take out what no database takes: U+0000, and halves of characters that some character sets let through."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _envelope(fields: dict[str, str]) -> tuple[str, str]:
    """The envelope says who it is from and for; the headers may say anything."""
    envelope = json.loads(fields.get("envelope", "{}"))
    to = envelope.get("to") or [parseaddr(fields.get("to", "")[:MAX_HEADER])[1]]
    sender = envelope.get("from") or parseaddr(fields.get("from", "")[:MAX_HEADER])[1]
    return _storable(str(sender)), _storable(str(to[0]))


def _message_id(fields: dict[str, str]) -> str:
    """Inbound Parse gives no id: the mail's own, else a hash of its headers."""
    for line in fields.get("headers", "").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "message-id" and value.strip():
            return value.strip()[:500]
    known = "\x1f".join(fields.get(name, "") for name in ("headers", "envelope", "subject", "text"))
    return blake2b(known.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
