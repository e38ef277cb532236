"""Chats through Twilio's Conversations, both directions: one conversation per person, that a named representative may speak in.

The conversation's unique name follows from the person's address, so that opening it twice opens one; a message carries our
reference in its attributes, so that it can be found again. Its receipts carry nothing of ours: they are known by its id.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from twilio.base.exceptions import TwilioRestException
from twilio.base.values import unset
from twilio.rest import Client

from engage.channels.twilio_callbacks import TwilioWebhook
from engage.channels.twilio_receipts import message_receipts
from engage.channels.twilio_sms import FAILURES, GONE, PROVIDER, attempt, look, not_later
from engage.channels.twilio_transport import KeptHttpClient
from engage.domain.delivery.delivery import Channel, FailReason, Mark
from engage.domain.fact import Inbound, Receipt
from engage.domain.ids import DeliveryId
from engage.ports.channel import (
    Adrift,
    Answer,
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
)

NOT_FOUND, THERE_ALREADY = 404, 409
LOOK_BACK = 50
"""Messages of a conversation that are looked through for ours."""
_STATUSES = {
    "sent": Mark.SENT,
    "delivered": Mark.DELIVERED,
    "read": Mark.OPENED,
    "undelivered": Mark.UNDELIVERED,
    "failed": Mark.FAILED,
}


class TwilioChat:
    """Writes into conversations. The SDK's client over kept connections."""

    provider = PROVIDER

    def __init__(self, client: Client, http: KeptHttpClient, number: str | None) -> None:
        """`number`: our side of a conversation with a phone."""
        self._conversations = client.conversations.v1.conversations
        self._http, self._number = http, number

    def send(self, outbound: Outbound) -> Answer:
        """Open the person's conversation where there is none, and write into it."""
        content = outbound.content
        if not isinstance(content, SmsContent):
            return Rejected(reason=FailReason.CONFIG, code="no_text", detail="a chat has a text")
        name = conversation_name(outbound.to)

        def write() -> Any:
            self._open(name, outbound)
            return self._conversations(name).messages.create(
                author=outbound.sender or unset,
                body=content.body,
                attributes=msgspec.json.encode({"engage_ref": outbound.delivery}).decode(),
            )

        return attempt(write, self._http)

    def _open(self, name: str, outbound: Outbound) -> None:
        """Make sure that the conversation is there, with the person in it, and the representative who speaks."""
        if not name.startswith("CH") and not self._is_there(name):
            try:
                self._conversations.create(unique_name=name)
            except TwilioRestException as exc:
                if exc.status != THERE_ALREADY:
                    raise
            self._join(name, **self._customer(outbound.to))
        if outbound.sender:
            self._join(name, identity=outbound.sender)

    def _is_there(self, name: str) -> bool:
        try:
            self._conversations(name).fetch()
        except TwilioRestException as exc:
            if exc.status != NOT_FOUND:
                raise
            return False
        return True

    def _customer(self, address: str) -> dict[str, Any]:
        if not address.startswith(("+", "messenger:", "whatsapp:")):
            return {"identity": address}
        return {
            "messaging_binding_address": address,
            "messaging_binding_proxy_address": self._number or unset,
        }

    def _join(self, name: str, **who: Any) -> None:
        try:
            self._conversations(name).participants.create(**who)
        except TwilioRestException as exc:
            if exc.status != THERE_ALREADY:  # in it already
                raise

    def ask(self, question: Question) -> Taken | NotTaken | CannotSay:
        """Look for our message in the person's conversation."""
        name = conversation_name(question.to)
        try:
            messages = self._conversations(name).messages.list(order="desc", limit=LOOK_BACK)
        except TwilioRestException as exc:
            return NotTaken() if exc.status == NOT_FOUND else CannotSay()
        except FAILURES:
            return CannotSay()
        for message in messages:
            if question.delivery in str(message.attributes):
                return Taken(provider_id=message.sid)
        return NotTaken()

    def fate(self, sent: Sent) -> Sequence[Receipt] | None:
        """Look at the receipts of the message itself."""
        messages = self._conversations(conversation_name(sent.to or "")).messages
        # A list that is not there is no clear answer of the SDK's, a message is.
        found = look(lambda: messages(sent.provider_id).fetch().delivery_receipts.list(limit=LOOK_BACK))
        if found is None or found is GONE:
            return None if found is None else ()
        return [
            receipt
            for one in found
            for receipt in _receipts(
                str(one.status),
                sent.delivery,
                not_later(one.date_updated, sent.asked_at),
                sid=sent.provider_id,
                participant=str(one.participant_sid),
                code=str(one.error_code or "") or None,
            )
        ]


def _receipts(
    status: str, delivery: DeliveryId, at: datetime, *, sid: str, participant: str, code: str | None
) -> Iterable[Receipt]:
    """Return what a status of a message on its way to one phone says; the same thing twice has one identity."""
    mark = _STATUSES.get(status)
    if mark is None:
        return ()
    identity = f"{sid}:{participant}:{status}:{code or ''}"
    return message_receipts(mark, delivery, at, sid=sid, identity=identity, code=code)


def conversation_name(address: str) -> str:
    """Return the conversation of an address: its id, or the unique name that we give it."""
    return address if address.startswith("CH") and len(address) == 34 else f"engage-{address}"


class ConversationWebhook(TwilioWebhook):
    """`twilio/conversations`: somebody wrote into a conversation, or what was written there fares. What we wrote is no reply."""

    path = "twilio/conversations"

    def _read(self, request: SignedRequest, fields: dict[str, str]) -> Heard:
        if fields.get("EventType") == "onDeliveryUpdated":
            return self._fares(request, fields)
        if fields.get("EventType") != "onMessageAdded" or fields.get("Source") == "API":
            return Heard()
        sid, author = fields.get("MessageSid"), fields.get("Author")
        if not sid or not author:
            return self._odd("no_author", request)
        heard = Inbound(
            message_id=sid,
            channel=Channel.CHAT,
            sender=author,
            to=fields.get("ConversationSid", ""),
            body=fields.get("Body", ""),
            at=request.received_at,
        )
        return Heard(inbound=(heard,))

    def _fares(self, request: SignedRequest, fields: dict[str, str]) -> Heard:
        """What agents wrote is told of as well: whose it is its id says."""
        sid, status = fields.get("MessageSid"), fields.get("Status", "")
        if not sid:
            return self._odd("no_message", request)
        if status not in _STATUSES:
            return self._odd("unknown_status", request)
        code = fields.get("ErrorCode") or None
        told = _receipts(
            status,
            DeliveryId(""),
            request.received_at,
            sid=sid,
            participant=fields.get("ParticipantSid", ""),
            code=None if code == "0" else code,
        )
        adrift = Adrift(
            channel=Channel.CHAT,
            address=None,
            provider_ids=frozenset({sid}),
            receipts=tuple(told),
            raw=request.body,
            shared=True,
        )
        return Heard(adrift=(adrift,))
