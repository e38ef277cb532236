"""Twilio's Conversations: who is in one, what is written there, and how it fared on its way to the phones in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from starlette.requests import Request

from engage.sandbox.errors import Reply, json_reply, twilio_error
from engage.sandbox.twilio.chat_receipts import in_conversation, prefix_of
from engage.sandbox.twilio.record_routes import RecordRoutes, Row, texts
from engage.sandbox.twilio.records import Record
from engage.sandbox.twilio.shapes import page_meta, shown
from engage.sandbox.wire import one, parse_form

COUNTED = ("sent", "delivered", "read", "failed", "undelivered")
_IMPLIED = {"delivered": ("sent",), "read": ("sent", "delivered")}


class ConversationRoutes(RecordRoutes):
    """Conversations, participants, messages and their receipts."""

    def table(self) -> list[Row]:
        conversation = "/v1/Conversations/{conversation}"
        message = conversation + "/Messages/{message}"
        return [
            ("POST", "/v1/Conversations", self._new_conversation),
            ("GET", conversation, self._conversation),
            ("POST", conversation + "/Participants", self._new_participant),
            ("POST", conversation + "/Messages", self._new_message),
            ("GET", conversation + "/Messages", self._messages),
            ("GET", message, self._message),
            ("GET", message + "/Receipts", self._receipts),
            ("GET", message + "/Receipts/{receipt}", self._receipt),
        ]

    async def _new_conversation(self, request: Request) -> Reply:
        form = parse_form(await request.body())
        unique = one(form, "UniqueName")
        if unique and any(c["unique_name"] == unique for c in self._kept.all("conversations")):
            return twilio_error(50353)
        values = texts(form, "FriendlyName", "UniqueName", "Attributes", "MessagingServiceSid")
        return self._new("conversations", "CH", values | {"state": one(form, "State") or "active"})

    def _conversation_of(self, request: Request) -> Record | None:
        wanted = request.path_params["conversation"]
        for conversation in self._kept.all("conversations"):
            if wanted in {conversation["sid"], conversation["unique_name"]}:
                return conversation
        return None

    async def _conversation(self, request: Request) -> Reply:
        conversation = self._conversation_of(request)
        return json_reply(200, shown("conversations", conversation)) if conversation else twilio_error(20404)

    async def _new_participant(self, request: Request) -> Reply:
        conversation, form = self._conversation_of(request), parse_form(await request.body())
        if conversation is None:
            return twilio_error(20404)
        address = one(form, "MessagingBinding.Address")
        binding = {
            "type": prefix_of(address) or "sms",
            "address": address,
            "proxy_address": one(form, "MessagingBinding.ProxyAddress"),
        }
        values = {"conversation_sid": conversation["sid"], "messaging_binding": binding}
        who = (one(form, "Identity") or None, binding["address"])
        for there in self._kept.all("participants"):
            same = (there["identity"], there["messaging_binding"]["address"]) == who
            if same and there["conversation_sid"] == conversation["sid"]:
                return twilio_error(50416)
        return self._new("participants", "MB", texts(form, "Identity", "Attributes") | values)

    async def _new_message(self, request: Request) -> Reply:
        conversation, form = self._conversation_of(request), parse_form(await request.body())
        if conversation is None:
            return twilio_error(20404)
        before = in_conversation(self._kept.all("conversation_messages"), conversation)
        values = texts(form, "Author", "Body", "Attributes", "ContentSid", "ContentVariables")
        message = self._record(
            "conversation_messages",
            "IM",
            values | {"conversation_sid": conversation["sid"], "index": len(before)},
        )
        # Our own writes fire webhooks only where the request asks for it.
        tells = request.headers.get("x-twilio-webhook-enabled", "").lower() == "true"
        self._sandbox.receipts.begin(conversation, message, tells=tells)
        return json_reply(201, self._shown(message))

    def _message_of(self, request: Request) -> Record | None:
        conversation = self._conversation_of(request)
        message = self._kept.get("conversation_messages", request.path_params["message"])
        if conversation is None or message is None or message["conversation_sid"] != conversation["sid"]:
            return None
        return message

    async def _message(self, request: Request) -> Reply:
        message = self._message_of(request)
        return twilio_error(20404) if message is None else json_reply(200, self._shown(message))

    async def _messages(self, request: Request) -> Reply:
        conversation = self._conversation_of(request)
        if conversation is None:
            return twilio_error(20404)
        found = in_conversation(self._kept.all("conversation_messages"), conversation)
        if request.query_params.get("Order") == "desc":
            found.reverse()
        told = [self._shown(message) for message in found]
        return json_reply(200, {"messages": told, "meta": page_meta("messages", str(request.url))})

    def _shown(self, message: Record) -> Record:
        return shown("conversation_messages", message) | {
            "delivery": _summary([one["status"] for one in self._receipts_of(message)])
        }

    def _receipts_of(self, message: Record) -> list[Record]:
        return [
            one for one in self._kept.all("conversation_receipts") if one["message_sid"] == message["sid"]
        ]

    async def _receipts(self, request: Request) -> Reply:
        message = self._message_of(request)
        if message is None:
            return twilio_error(20404)
        found = [shown("conversation_receipts", one) for one in self._receipts_of(message)]
        return json_reply(
            200, {"delivery_receipts": found, "meta": page_meta("delivery_receipts", str(request.url))}
        )

    async def _receipt(self, request: Request) -> Reply:
        return self._found("conversation_receipts", request.path_params["receipt"])


def _summary(statuses: Sequence[str]) -> Record | None:
    """Return how many of the phones in it got a message, in the vendor's words; nothing where it went to none."""
    if not statuses:
        return None
    reached = Counter(one for status in statuses for one in (status, *_IMPLIED.get(status, ())))
    words = {name: _share(reached[name], len(statuses)) for name in COUNTED}
    return {"total": len(statuses)} | words


def _share(count: int, of: int) -> str:
    return "none" if not count else "all" if count == of else "some"
