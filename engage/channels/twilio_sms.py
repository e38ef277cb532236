"""SMS, MMS and WhatsApp texts through Twilio's Messages API, both directions."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from twilio.base.exceptions import (
    TwilioException,
    TwilioRestException,
    TwilioServiceException,
)
from twilio.base.values import unset
from twilio.rest import Client

from engage.channels.connections import NotSentError, OutcomeUnknownError
from engage.channels.twilio_callbacks import TwilioWebhook, callback_url, reference
from engage.channels.twilio_errors import answer_to_error
from engage.channels.twilio_receipts import PROVIDER as PROVIDER
from engage.channels.twilio_receipts import message_receipts
from engage.channels.twilio_transport import KeptHttpClient
from engage.domain.delivery.delivery import Channel, FailReason, Mark
from engage.domain.fact import Inbound, Receipt
from engage.domain.ids import DeliveryId
from engage.ports.channel import (
    Accepted,
    Answer,
    Busy,
    CannotSay,
    Heard,
    NotTaken,
    Outbound,
    Question,
    Rejected,
    Sent,
    SignedRequest,
    SmsContent,
    Taken,
    Unknown,
    WhatsappContent,
)

MAX_VALIDITY = timedelta(seconds=36_000)
"""Twilio's limit and default of `ValidityPeriod`: 10 hours."""
CLOCK_SKEW = timedelta(seconds=30)
"""How far Twilio's clock and ours may be apart, its whole seconds included."""
LATEST_CREATION = timedelta(minutes=2)
"""A request is over, one way or the other, within the time-outs: nothing younger can be its fruit."""

FAILURES = (
    *(TwilioException, NotSentError, OutcomeUnknownError),
    *(ValueError, TypeError, AttributeError, LookupError, RecursionError),
)
"""What looking something up at Twilio may end in."""
GONE = object()
_COUNT = re.compile(r"[1-9][0-9]{0,2}")
"""Of segments: the longest text has a few dozen."""
_NOT_FOUND = 404
_PREFIXES = {Channel.WHATSAPP: "whatsapp:", Channel.CHAT: "messenger:"}
_WITHOUT_TEXTS = frozenset({"landline", "pager", "premium", "sharedCost", "tollFree", "uan", "voicemail"})
"""Lookup's line types that take no texts."""
STATUSES = {
    "scheduled": Mark.ACCEPTED,
    "accepted": Mark.ACCEPTED,
    "queued": Mark.ACCEPTED,
    "sending": Mark.ACCEPTED,
    "sent": Mark.SENT,
    "delivered": Mark.DELIVERED,
    "partially_delivered": Mark.SENT,
    "read": Mark.OPENED,
    "undelivered": Mark.UNDELIVERED,
    "failed": Mark.FAILED,
    "canceled": Mark.CANCELED,
}
_KEYWORDS = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"), "stop"),
    **dict.fromkeys(("START", "UNSTOP"), "start"),
    **dict.fromkeys(("HELP", "INFO"), "help"),
}
_SILENCE = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


class TwilioSms:
    """Sends texts. One call a delivery; the SDK's client over kept connections."""

    provider = PROVIDER

    def __init__(self, client: Client, http: KeptHttpClient, public_url: str, sender: str | None) -> None:
        # Loaded now: the SDK imports its parts when they are first asked for, which would make the first call late.
        self._messages = client.messages
        self._numbers = client.lookups.v2.phone_numbers
        self._http = http
        self._public_url = public_url
        self._sender = sender

    def send(self, outbound: Outbound) -> Answer:
        """Create one message and say what became of it."""
        content = outbound.content
        sender = outbound.sender or self._sender
        if not isinstance(content, SmsContent | WhatsappContent) or sender is None:
            return Rejected(reason=FailReason.CONFIG, code="no_sender", detail="no sender for this channel")
        prefix = _PREFIXES.get(outbound.channel, "")
        is_service = is_messaging_service(sender)

        def create() -> Any:
            return self._messages.create(
                to=prefixed(prefix, outbound.to),
                **_what(content),
                from_=unset if is_service else prefixed(prefix, sender),
                messaging_service_sid=sender if is_service else unset,
                validity_period=unset if outbound.validity is None else _seconds(outbound.validity),
                status_callback=callback_url(
                    self._public_url, "twilio/status", outbound.delivery, outbound.lane
                ),
            )

        takes = self._takes_texts(outbound.to) if outbound.look_up else None
        if takes is not None:
            return Rejected(
                reason=FailReason.INVALID_ADDRESS, code=takes, suppress=True, detail="takes no texts"
            )
        return attempt(create, self._http)

    def _takes_texts(self, number: str) -> str | None:
        """Return why a number can get no text, as Lookup says; None if it can, or if nobody can say."""
        try:
            found = self._numbers(number).fetch(fields="line_type_intelligence")
        except FAILURES:
            return None  # a look-up that fails holds up no message
        if found.valid is False:
            return "invalid_number"
        line = (found.line_type_intelligence or {}).get("type")
        return str(line) if line in _WITHOUT_TEXTS else None

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """Look through the messages to this address since the call."""
        to = prefixed(_PREFIXES.get(question.channel, ""), question.to)
        return find(lambda: self._messages.list(to=to, limit=200), question)

    def fate(self, sent: Sent) -> Sequence[Receipt] | None:
        """Look at the message itself."""
        message = look(lambda: self._messages(sent.provider_id).fetch())
        if message is None or message is GONE:
            return None if message is None else ()
        mark = STATUSES.get(str(message.status))
        if mark is None or mark is Mark.ACCEPTED:
            return ()
        code = "" if message.error_code is None else str(message.error_code)
        fields = {
            "MessageSid": sent.provider_id,
            "MessageStatus": str(message.status),
            "ErrorCode": code,
            "To": str(message.to),
        }
        at = not_later(message.date_updated, sent.asked_at)
        return tuple(_receipts(mark, sent.delivery, at, fields))


def _what(content: SmsContent | WhatsappContent) -> dict[str, Any]:
    """The parameters that say what is sent; an approved template goes without a body."""
    if isinstance(content, SmsContent):
        return {
            "body": content.body,
            "media_url": list(content.media) or unset,
            "smart_encoded": True if content.smart_encoding else unset,
        }
    variables = msgspec.json.encode(dict(content.variables)).decode() if content.variables else unset
    return {"content_sid": content.content_sid, "content_variables": variables}


class StatusWebhook(TwilioWebhook):
    """`twilio/status`: how a message fares. Twilio gives no event time: `at` is when we got it."""

    path = "twilio/status"

    def _read(self, request: SignedRequest, fields: dict[str, str]) -> Heard:
        ours = reference(request)
        if ours is None:
            return self._odd("no_reference", request)
        mark = STATUSES.get(fields.get("MessageStatus", ""))
        if mark is None:
            return self._odd("unknown_status", request)
        told = _receipts(mark, ours.delivery, request.received_at, fields)
        return Heard(receipts=[(ours.lane, receipt) for receipt in told])


def _receipts(mark: Mark, delivery: DeliveryId, at: datetime, fields: dict[str, str]) -> Iterable[Receipt]:
    sid, code = fields.get("MessageSid", ""), fields.get("ErrorCode") or None
    return message_receipts(
        mark,
        delivery,
        at,
        sid=sid,
        # A repeat has another idempotency token but the same meaning: what was said is the identity.
        identity=f"{sid}:{fields.get('MessageStatus')}:{code or ''}",
        code=code,
        address=fields.get("To", "").rpartition(":")[2] or None,
    )


class InboundWebhook(TwilioWebhook):
    """`twilio/inbound`: somebody wrote to us. Answered with silence; what we reply is a delivery of its own."""

    path = "twilio/inbound"
    twiml = _SILENCE

    def _read(self, request: SignedRequest, fields: dict[str, str]) -> Heard:
        sid = fields.get("MessageSid") or fields.get("SmsSid")
        prefix, _, sender = fields.get("From", "").rpartition(":")
        if not sid or not sender:
            return self._odd("no_sender", request)
        channel = {"whatsapp": Channel.WHATSAPP, "messenger": Channel.CHAT}.get(prefix, Channel.SMS)
        count = fields.get("NumMedia", "0")
        media = (
            fields.get(f"MediaUrl{n}", "") for n in range(min(int(count), 10) if count.isdecimal() else 0)
        )
        body = fields.get("Body", "")
        opt_out = fields.get("OptOutType", "").strip().lower()
        heard = Inbound(
            message_id=sid,
            channel=channel,
            sender=sender,
            to=fields.get("To", "").rpartition(":")[2],
            body=body,
            at=request.received_at,
            media=tuple(url for url in media if url),
            keyword=opt_out if opt_out in {"stop", "start", "help"} else keyword(channel, body),
            provider_replied=bool(opt_out),
        )
        return Heard(inbound=(heard,), twiml=self.twiml)


def keyword(channel: Channel, body: str) -> str | None:
    """Return `stop`, `start` or `help` if an SMS is, as a whole, such a word. (`YES` depends on an earlier STOP.)"""
    return _KEYWORDS.get(body.strip().upper()) if channel is Channel.SMS else None


def attempt(create: Callable[[], Any], http: KeptHttpClient) -> Answer:
    """Make one create call through the SDK and say what became of it. Never raises for what Twilio can do."""
    try:
        made = create()
    except (TwilioRestException, TwilioServiceException) as exc:
        return answer_to_error(exc.status, exc.code, http.last_retry_after())
    except NotSentError as exc:
        return Busy(code="not_sent", detail=str(exc))
    except OutcomeUnknownError as exc:
        return Unknown(code="no_answer", detail=str(exc))
    except (TwilioException, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        # A success that is not Twilio's JSON: something in between answered, and we cannot know what it did before.
        return Unknown(code="odd_answer", detail="the answer is not Twilio's")
    if not isinstance(made.sid, str) or not made.sid:
        return Unknown(code="odd_answer", detail="the answer has no id")
    segments = getattr(made, "num_segments", None)
    is_count = isinstance(segments, str) and _COUNT.fullmatch(segments)
    return Accepted(provider_id=made.sid, segments=int(segments) if is_count and segments else None)


def find(listed: Callable[[], list[Any]], question: Question) -> Taken | NotTaken | CannotSay:
    """Return which of the things Twilio lists for the recipient is the fruit of the call in question.

    Not ours already, created between the call and the end of its time-outs. Two candidates prove nothing.
    """
    try:
        items = listed()
    except FAILURES:
        return CannotSay()
    first, last = question.called_at - CLOCK_SKEW, question.called_at + LATEST_CREATION
    found = [
        item.sid
        for item in items
        if isinstance(item.sid, str)
        and item.sid not in question.known_ids
        and not str(item.direction).startswith("inbound")
        and isinstance(item.date_created, datetime)
        and first <= _aware(item.date_created) <= last
    ]
    if len(found) > 1:
        return CannotSay()
    return Taken(provider_id=found[0]) if found else NotTaken()


def look(fetch: Callable[[], Any]) -> Any:
    """Return something as Twilio shows it; `GONE` if it has it no more, None if it does not say."""
    try:
        return fetch()
    except TwilioRestException as exc:
        return GONE if exc.status == _NOT_FOUND else None
    except FAILURES:
        return None


def not_later(at: object, now: datetime) -> datetime:
    """Return the provider's own time of something, where it says one, and never a later one than ours."""
    return min(_aware(at), now) if isinstance(at, datetime) else now


def is_messaging_service(sender: str) -> bool:
    """Return whether it is the id of a service; an alphanumeric sender has at most 11 characters."""
    return sender.startswith("MG") and len(sender) > 11


def prefixed(prefix: str, address: str) -> str:
    """Return a channel address (`whatsapp:+…`); one that has its prefix stays."""
    return address if not prefix or address.startswith(prefix) else prefix + address


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _seconds(validity: timedelta) -> int:
    return int(min(max(validity, timedelta(seconds=1)), MAX_VALIDITY).total_seconds())
