"""Twilio's Messages resource: creating, the life of a message and its status callbacks."""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from engage.sandbox.errors import Reply, json_reply, twilio_error
from engage.sandbox.fates import (
    DELIVERED,
    MESSAGE_FROM,
    MESSAGE_TO,
    QUEUED,
    READ,
    SENDING,
    SENT,
    Stage,
    is_number,
    is_sender,
    message_fate,
)
from engage.sandbox.ledger import Channel, Entry
from engage.sandbox.now import rfc2822, unix_now
from engage.sandbox.twilio.segments import count_segments, smart_encoded
from engage.sandbox.wire import Form, is_count, one

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox

LONGEST_BODY = 1600
MOST_MEDIA = 10
LONGEST_VALIDITY_SECONDS = 36000
# A sender's queue holds what it can send in ten hours.
QUEUE_SECONDS = 36000
SCHEDULE_SECONDS = (15 * 60, 35 * 86400)
WHATSAPP_WINDOW_SECONDS = 86400
FINAL = frozenset({"delivered", "undelivered", "failed", "canceled", "read"})


@dataclass(slots=True, kw_only=True, eq=False)
class TextMessage(Entry):
    """An SMS, MMS or WhatsApp message."""

    service_sid: str | None = None
    status_callback: str = ""
    direction: str = "outbound-api"
    media: list[str] = field(default_factory=list)
    error_code: int | None = None
    sent_at: float | None = None
    validity_seconds: int = LONGEST_VALIDITY_SECONDS
    stages: tuple[Stage, ...] = ()
    stage: int = 0


def ref_of(url: str) -> str | None:
    """Return the `ref` of a callback URL's query."""
    if "ref=" not in url:
        return None
    values = parse_qs(urlsplit(url).query).get("ref")
    return values[0] if values else None


def is_callback_url(url: str) -> bool:
    """Return whether the provider would take this as a callback: http(s), a host name, no underscore in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(host) and "_" not in (host or "")


def segments_per_second(sender: str) -> int:
    """Return the carriers' rate of a sender: short code 100, WhatsApp 80, alphanumeric 10, toll-free 3, long code 1."""
    if sender.startswith("whatsapp:"):
        return 80
    if not sender.startswith("+"):
        return 100 if sender.isdigit() else 10
    return 3 if sender[:5] in {"+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888"} else 1


class Messages:
    """Accepts messages and plays their lives on the sandbox clock."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._free_at: defaultdict[str, float] = defaultdict(float)
        self._heard_at: dict[tuple[str, str], float] = {}

    def reset(self) -> None:
        self._free_at.clear()
        self._heard_at.clear()

    def heard_from(self, person: str, sender: str) -> None:
        """Note that a person wrote to a WhatsApp sender, which opens the 24-hour window."""
        self._heard_at[person, sender] = self._sandbox.clock.now()

    def create(self, account_sid: str, form: Form, started_at: float) -> TextMessage | Reply:
        """Accept the message of this form and start its life, or return the refusal."""
        refusal = self._refusal(form)
        if refusal is not None:
            self._sandbox.ledger.refused[str(refusal)] += 1
            return twilio_error(refusal)
        service = one(form, "MessagingServiceSid") or None
        to, sender = one(form, "To"), one(form, "From")
        if not sender and service:
            pool = self._sandbox.pool_of(service)
            sender = pool[int(self._sandbox.chance.share("pool", to) * len(pool))]
        media = [url for url in form.get("MediaUrl", []) if url]
        body = one(form, "Body")
        if one(form, "SmartEncoded").lower() == "true":
            body = smart_encoded(body)
        if one(form, "ContentSid"):
            body = f"{one(form, 'ContentSid')} {one(form, 'ContentVariables')}".strip()
        callback = one(form, "StatusCallback")
        channel = Channel.SMS
        if to.startswith("whatsapp:"):
            channel = Channel.WHATSAPP
        elif media or one(form, "SendAsMms").lower() == "true":
            channel = Channel.MMS
        message = TextMessage(
            id=("MM" if channel is Channel.MMS else "SM") + secrets.token_hex(16),
            channel=channel,
            ref=ref_of(callback),
            to=to,
            sender=sender,
            body=body,
            status="accepted" if service else "queued",
            accepted_at=started_at,
            updated_at=started_at,
            account_sid=account_sid,
            segments=count_segments(body),
            service_sid=service,
            status_callback=callback,
            media=media,
            validity_seconds=int(one(form, "ValidityPeriod") or LONGEST_VALIDITY_SECONDS),
        )
        self._sandbox.ledger.add(message)
        message.stages = self._stages(message, has_template=bool(one(form, "ContentSid")))
        send_at = one(form, "SendAt")
        if send_at:
            message.status = "scheduled"
            wait = datetime.fromisoformat(send_at).timestamp() - unix_now()
            self._sandbox.clock.later(wait, self._start, message)
        else:
            self._start(message)
        return message

    def reply(self, account_sid: str, to: str, sender: str, body: str) -> TextMessage:
        """Accept what a webhook's TwiML, or the twin itself, answers to an inbound message."""
        message = TextMessage(
            id="SM" + secrets.token_hex(16),
            channel=Channel.WHATSAPP if to.startswith("whatsapp:") else Channel.SMS,
            ref=None,
            to=to,
            sender=sender,
            body=body,
            status="queued",
            accepted_at=unix_now(),
            updated_at=unix_now(),
            account_sid=account_sid,
            segments=count_segments(body),
            direction="outbound-reply",
            stages=_with_sending(message_fate(to)),
        )
        self._sandbox.ledger.add(message)
        self._start(message)
        return message

    def cancel(self, message: TextMessage) -> Reply | None:
        """Cancel a scheduled message; return the refusal if it is no longer waiting."""
        if message.status != "scheduled":
            return twilio_error(30409)
        self._to(message, "canceled", None, is_told=True)
        return None

    def tell(self, message: TextMessage, status: str, code: int | None) -> None:
        """Put a message into a status and report that, whatever its life was to be; nothing more happens to it by itself."""
        message.stages = ()
        self._to(message, status, code, is_told=True)

    def _refusal(self, form: Form) -> int | None:  # a table of rules, one a line
        to, sender, service = one(form, "To"), one(form, "From"), one(form, "MessagingServiceSid")
        number = to.rpartition(":")[2]
        if not to:
            return 21604
        if not sender and not service:
            return 21603
        if not (one(form, "Body") or one(form, "ContentSid") or any(form.get("MediaUrl", ()))):
            return 21602
        if sender in MESSAGE_FROM:
            return MESSAGE_FROM[sender]
        if sender and not is_sender(sender.rpartition(":")[2]):
            return 21212
        if sender and not self._sandbox.owns(sender):
            return 21606
        if service and self._sandbox.config.messaging_services and not self._knows(service):
            return 21701
        if number in MESSAGE_TO:
            return MESSAGE_TO[number]
        if not is_number(number):
            return 21211
        if to == sender:
            return 21266
        if len(one(form, "Body")) > LONGEST_BODY:
            return 21617
        if len(form.get("MediaUrl", ())) > MOST_MEDIA:
            return 21623
        callback = one(form, "StatusCallback")
        if callback and not is_callback_url(callback):
            return 21609
        return self._timing_refusal(form) or self._standing_refusal(sender, service, to)

    def _timing_refusal(self, form: Form) -> int | None:
        validity = one(form, "ValidityPeriod")
        if validity and not (is_count(validity) and 1 <= int(validity) <= LONGEST_VALIDITY_SECONDS):
            return 21624
        send_at = one(form, "SendAt")
        if not send_at:
            return None
        if one(form, "ScheduleType") != "fixed" or not one(form, "MessagingServiceSid"):
            return 35118
        try:
            ahead = datetime.fromisoformat(send_at).timestamp() - unix_now()
        except ValueError:
            return 35111
        return None if SCHEDULE_SECONDS[0] <= ahead <= SCHEDULE_SECONDS[1] else 35111

    def _standing_refusal(self, sender: str, service: str, to: str) -> int | None:
        # A service that nobody configured is blocked as soon as one number of its pool is.
        scopes = (service, *self._sandbox.pool_of(service)) if service else (self._sandbox.scope_of(sender),)
        if self._sandbox.blocks.blocks(scopes, to):
            return 21610
        if (
            self._sandbox.config.enforce_rates
            and sender
            and not service
            and self._wait(sender) > QUEUE_SECONDS
        ):
            return 21611
        return None

    def _knows(self, service_sid: str) -> bool:
        return service_sid in self._sandbox.config.messaging_services

    def _wait(self, sender: str) -> float:
        return max(self._free_at[sender] - self._sandbox.clock.now(), 0.0)

    def _stages(self, message: TextMessage, *, has_template: bool) -> tuple[Stage, ...]:
        stages = message_fate(message.to)
        if message.channel is Channel.WHATSAPP and not has_template:
            heard = self._heard_at.get((message.to, message.sender))
            if heard is None or self._sandbox.clock.now() - heard > WHATSAPP_WINDOW_SECONDS:
                stages = (Stage("failed", "sent", 63016),)
        if message.channel is Channel.WHATSAPP and stages == (SENT, DELIVERED):
            stages = (SENT, DELIVERED, READ)
        stages = _with_sending(stages)
        return (QUEUED, *stages) if message.service_sid else stages

    def _start(self, message: TextMessage) -> None:
        if message.status == "canceled":
            return
        wait = 0.0
        if self._sandbox.config.enforce_rates:
            wait = self._wait(message.sender)
            if message.service_sid and wait > QUEUE_SECONDS:
                message.stages = (Stage("failed", "sent", 30001),)
            elif wait > message.validity_seconds:
                wait, message.stages = message.validity_seconds, (Stage("failed", "sent", 30036),)
            else:
                cost = (message.segments or 1) / segments_per_second(message.sender)
                self._free_at[message.sender] = self._sandbox.clock.now() + wait + cost
        self._schedule_next(message, wait)

    def _schedule_next(self, message: TextMessage, wait: float = 0.0) -> None:
        stage = message.stages[message.stage]
        delay = self._sandbox.latency.draw(stage.after, message, message.stage)
        self._sandbox.clock.later(wait + delay, self._advance, message)

    def _advance(self, message: TextMessage) -> None:
        if message.stage >= len(message.stages):
            return  # somebody steers it
        stage = message.stages[message.stage]
        message.stage += 1
        self._to(message, stage.status, stage.code, is_told=stage is not SENDING)
        if message.stage < len(message.stages):
            self._schedule_next(message)

    def _to(self, message: TextMessage, status: str, code: int | None, *, is_told: bool) -> None:
        message.status, message.error_code, message.updated_at = status, code, unix_now()
        if status == "sent":
            message.sent_at = message.updated_at
        if message.status_callback and is_told:
            last = message.stage >= len(message.stages)
            fields = status_fields(message)
            self._sandbox.hooks.emit(message, message.status_callback, fields, status, last=last)


def _with_sending(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Return the stages with the silent one before `sent`: no callback tells of it, whoever looks sees it."""
    return (SENDING, *stages) if stages[0] is SENT else stages


def status_fields(message: TextMessage) -> list[tuple[str, str]]:
    """Return the parameters of a status callback."""
    fields = [
        ("AccountSid", message.account_sid),
        ("ApiVersion", "2010-04-01"),
        ("From", message.sender),
        ("MessageSid", message.id),
        ("MessageStatus", message.status),
        ("SmsSid", message.id),
        ("SmsStatus", message.status),
        ("To", message.to),
    ]
    if message.service_sid:
        fields.append(("MessagingServiceSid", message.service_sid))
    if message.error_code is not None:
        fields.append(("ErrorCode", str(message.error_code)))
    if message.status in {"delivered", "undelivered"} and message.channel is not Channel.WHATSAPP:
        stamp = datetime.fromtimestamp(message.updated_at).strftime("%y%m%d%H%M")  # noqa: DTZ006  # carrier's local time
        fields.append(("RawDlrDoneDate", stamp))
    if message.channel is Channel.WHATSAPP:
        fields += [
            ("ChannelInstallSid", "XE" + "0" * 32),
            ("ChannelPrefix", "whatsapp"),
            ("ChannelToAddress", message.to),
        ]
        if message.status in {"delivered", "undelivered", "read"}:
            fields.append(("EventType", message.status.upper()))
        if message.error_code is not None:
            fields.append(("ChannelStatusMessage", f"error {message.error_code}"))
    return fields


def resource(message: TextMessage) -> dict[str, Any]:
    """Return the message as the API shows it."""
    uri = f"/2010-04-01/Accounts/{message.account_sid}/Messages/{message.id}"
    is_unassigned = message.service_sid is not None and message.status in {"accepted", "scheduled"}
    return {
        "sid": message.id,
        "account_sid": message.account_sid,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": rfc2822(message.accepted_at),
        "date_sent": None if message.sent_at is None else rfc2822(message.sent_at),
        "date_updated": rfc2822(message.updated_at),
        "direction": message.direction,
        "error_code": message.error_code,
        "error_message": None,
        "from": None if is_unassigned else message.sender,
        "messaging_service_sid": message.service_sid,
        "num_media": str(len(message.media)),
        "num_segments": str(message.segments),
        "price": None,
        "price_unit": "USD",
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def created(message: TextMessage) -> Reply:
    """Return the answer to a successful create."""
    return json_reply(201, resource(message))
