"""SendGrid's webhooks: the event stream of mails, and mails that come in."""

import base64
import re
from binascii import Error as Base64Error
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sendgrid.helpers.eventwebhook import EventWebhook

from engage.channels.sendgrid_email import LANE, PROVIDER, REF
from engage.domain.delivery.delivery import Channel, FailReason, Mark
from engage.domain.fact import Receipt
from engage.domain.ids import LANES, DeliveryId
from engage.domain.json_text import mended
from engage.ports.channel import Adrift, Heard, SignedRequest

_REF = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_WORD = re.compile(r"\S+")
_SHA256 = ec.ECDSA(hashes.SHA256())
_REASON_LENGTH = 200
_LONGEST_ID = 500
_EPOCH_LIMIT = 253_402_300_799
"""Last second of the year 9999."""

MARKS = {
    "processed": Mark.ACCEPTED,
    "deferred": Mark.DEFERRED,
    "delivered": Mark.DELIVERED,
    "bounce": Mark.BOUNCED,
    "dropped": Mark.DROPPED,
    "open": Mark.OPENED,
    "click": Mark.CLICKED,
    "spamreport": Mark.COMPLAINED,
    "unsubscribe": Mark.UNSUBSCRIBED,
    "group_unsubscribe": Mark.UNSUBSCRIBED,
    "group_resubscribe": Mark.RESUBSCRIBED,
}
# `reason` of a dropped mail → why, and whether SendGrid refused because the person had said no to it.
_DROPS: tuple[tuple[str, FailReason, bool], ...] = (
    ("bounced address", FailReason.INVALID_ADDRESS, False),
    ("unsubscribed address", FailReason.BLOCKED, True),
    ("spam reporting address", FailReason.BLOCKED, True),
    ("invalid smtpapi header", FailReason.CONFIG, False),
    ("invalid", FailReason.INVALID_ADDRESS, False),
    ("spam content", FailReason.CONTENT, False),
    ("recipient list over package quota", FailReason.CONFIG, False),
)


class SendGridSignature:
    """Checks the ECDSA signature of SendGrid's webhooks over timestamp and raw bytes. Any of `public_keys` will do."""

    def __init__(self, public_keys: Sequence[str]) -> None:
        convert = EventWebhook().convert_public_key_to_ecdsa
        self._keys: list[ec.EllipticCurvePublicKey] = [
            convert(key.strip()) for key in public_keys if key.strip()
        ]

    def good(self, request: SignedRequest) -> bool:
        """Return whether SendGrid signed exactly these bytes. Never raises."""
        signature = request.headers.get("x-twilio-email-event-webhook-signature")
        timestamp = request.headers.get("x-twilio-email-event-webhook-timestamp")
        if not signature or not timestamp or not timestamp.isdecimal():
            # Nothing stands between the time and the body: else its first bytes could be moved into the time.
            return False
        try:
            raw = base64.b64decode(signature, validate=True)
            signed = timestamp.encode("ascii") + request.body
        except (Base64Error, ValueError):
            return False
        return any(_verifies(key, raw, signed) for key in self._keys)


def _verifies(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, _SHA256)
    except InvalidSignature:
        return False
    return True


_parts = msgspec.json.Decoder(list[msgspec.Raw])
_event = msgspec.json.Decoder(dict[str, Any])


class SendGridWebhook:
    """What both of SendGrid's webhooks share: the signature."""

    def __init__(self, signature: SendGridSignature) -> None:
        self._signature = signature

    def verify(self, request: SignedRequest) -> bool:
        """Return whether SendGrid signed exactly these bytes. Never raises."""
        return self._signature.good(request)


class EventsWebhook(SendGridWebhook):
    """`sendgrid/events`: batches of what happened to mails, in any order and often repeated."""

    path = "sendgrid/events"

    def read(self, request: SignedRequest) -> Heard:
        """Return what a verified batch says. One bad event never loses its neighbours."""
        try:
            parts = _parts.decode(mended(request.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Heard(quarantined=(("unreadable", request.body),))
        receipts: list[tuple[int, Receipt]] = []
        adrift: list[Adrift] = []
        odd: list[tuple[str, bytes]] = []
        for part in parts:
            read = _read(part, request.received_at)
            if isinstance(read, str):
                odd.append((read, bytes(part)))
            elif isinstance(read, Adrift):
                adrift.append(read)
            else:
                receipts.extend(read)
        return Heard(receipts=receipts, adrift=adrift, quarantined=odd)


def _read(part: msgspec.Raw, received_at: datetime) -> Sequence[tuple[int, Receipt]] | Adrift | str:
    """Return the receipts of one event, or why it goes to quarantine."""
    try:
        event = _event.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "unreadable"
    if _text(event, "event").startswith("account"):
        return "account_event"  # about the account, not about a mail: somebody must look at it
    mark = MARKS.get(_text(event, "event"))
    if mark is None:
        return "unknown_event" if REF in event else "no_reference"
    ref, lane = event.get(REF), event.get(LANE)
    if REF not in event and LANE not in event:
        return _adrift(event, mark, part, received_at) or "no_reference"
    if not isinstance(ref, str) or not _REF.match(ref):
        return "no_reference"
    if not isinstance(lane, str | int) or not str(lane).isdecimal() or int(str(lane)[:4]) >= LANES:
        return "no_reference"
    return [(int(lane), receipt) for receipt in _receipts(event, mark, DeliveryId(ref), received_at)]


def _adrift(event: dict[str, Any], mark: Mark, part: msgspec.Raw, received_at: datetime) -> Adrift | None:
    """Return an event without our custom arguments, to be found by its id: what we got when we sent, a dot, and routing.

    The id itself may hold dots, so that every beginning of it up to one may be the one we know.
    """
    message_id, address = _text(event, "sg_message_id"), _text(event, "email")
    if not message_id or not address or len(message_id) > _LONGEST_ID:
        return None
    dots = [at for at, letter in enumerate(message_id) if letter == "."]
    return Adrift(
        channel=Channel.EMAIL,
        address=address,
        provider_ids=frozenset({message_id, *(message_id[:dot] for dot in dots)}),
        receipts=tuple(_receipts(event, mark, DeliveryId(""), received_at)),
        raw=bytes(part),
    )


def _receipts(event: dict[str, Any], mark: Mark, ref: DeliveryId, received_at: datetime) -> Iterable[Receipt]:
    at = _instant(event.get("timestamp"), received_at)
    identity = _identity(event)
    message_id = _text(event, "sg_message_id") or None
    machine = event.get("sg_machine_open") is True
    reason, said_no, hard = _why(event, mark)
    yield Receipt(
        delivery=ref,
        mark=Mark.OPENED_ANY if mark is Mark.OPENED and machine else mark,
        at=at,
        receipt_id=identity,
        provider=PROVIDER,
        provider_id=message_id,
        code=_code(event, mark),
        reason=reason,
        url=_text(event, "url") or None if mark is Mark.CLICKED else None,
        machine=machine,
        hard=hard,
        suppress=hard and mark in {Mark.BOUNCED, Mark.DROPPED},
        address=_text(event, "email") or None,
        whole_channel=mark is Mark.UNSUBSCRIBED and _text(event, "event") == "unsubscribe",
    )
    if said_no:
        yield Receipt(
            delivery=ref,
            mark=Mark.UNSUBSCRIBED,
            at=at,
            receipt_id=f"{identity}:opt-out",
            provider=PROVIDER,
            provider_id=message_id,
            address=_text(event, "email") or None,
            whole_channel="asm_group_id" not in event,
        )


def _identity(event: dict[str, Any]) -> str:
    """What makes the event itself: its retries agree in these, while `sg_event_id` may differ between them."""
    parts = [str(event.get(name, "")) for name in _COMPOSITE]
    if REF not in event:
        parts.append(_text(event, "sg_message_id"))
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


_COMPOSITE = (REF, "event", "type", "timestamp", "email", "url", "attempt", "status", "sg_machine_open")


def _why(event: dict[str, Any], mark: Mark) -> tuple[str | None, bool, bool]:
    """Return (reason, whether the person had said no at SendGrid, whether the address is at fault for good)."""
    text = _text(event, "reason") or _text(event, "response")
    if mark is Mark.BOUNCED:
        hard = _text(event, "type") != "blocked"
        return _scrubbed(_text(event, "bounce_classification") or text), False, hard
    if mark is Mark.DROPPED:
        for start, why, said_no in _DROPS:
            if text.lower().startswith(start):
                return why, said_no, why is FailReason.INVALID_ADDRESS
        return FailReason.PROVIDER_ERROR, False, False
    if mark is Mark.DEFERRED:
        return _scrubbed(text), False, False
    return None, False, True


def _code(event: dict[str, Any], mark: Mark) -> str | None:
    if mark in {Mark.BOUNCED, Mark.DEFERRED}:
        return _text(event, "status")[:20] or None
    return "dropped" if mark is Mark.DROPPED else None


def _scrubbed(text: str) -> str | None:
    """A mail server's answer without the addresses it quotes."""
    return (
        _WORD.sub(lambda word: "[address]" if "@" in word[0][1:-1] else word[0], text)[:_REASON_LENGTH]
        or None
    )


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


def _instant(value: object, received_at: datetime) -> datetime:
    """SendGrid's Unix second, never later than when we got it."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 13:
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < _EPOCH_LIMIT:
        return received_at
    return min(datetime.fromtimestamp(value, UTC), received_at)
