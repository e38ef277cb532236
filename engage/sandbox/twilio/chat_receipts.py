"""How a conversation's message fares on its way to each phone in it, and what the webhook of Conversations is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engage.sandbox.fates import DELIVERED, READ, SENT, Stage, message_fate
from engage.sandbox.ledger import Channel, Entry
from engage.sandbox.now import unix_now
from engage.sandbox.twilio.records import Record, new_sid
from engage.sandbox.twilio.shapes import completed

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox

CHANNELS = {"whatsapp": "WA", "messenger": "FB"}
"""What may stand before an address, and how the ids of messages begin there; a plain number is SMS."""


class Receipts:
    """Plays how a conversation's messages fare on their way to each phone in it, and reports every step."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def begin(self, conversation: Record, message: Record, *, tells: bool) -> None:
        """Send a message to every phone in the conversation but its author's; with `tells` the writing itself is reported too."""
        for person in in_conversation(self._sandbox.records.all("participants"), conversation):
            address = person["messaging_binding"]["address"]
            if address and address != message["author"]:
                stages = message_fate(address)
                if prefix_of(address) and stages == (SENT, DELIVERED):
                    stages = (SENT, DELIVERED, READ)
                self._plan(_on_its_way(message, person), self._receipt(message, person), stages)
        if tells:
            self._emit(_on_its_way(message, {}), "onMessageAdded", _written(message), last=True)

    def _receipt(self, message: Record, person: Record) -> Record:
        prefix = CHANNELS.get(prefix_of(person["messaging_binding"]["address"]), "SM")
        now = _now()
        return {
            "sid": new_sid("DY"),
            "account_sid": message["account_sid"],
            "conversation_sid": message["conversation_sid"],
            "message_sid": message["sid"],
            "channel_message_sid": new_sid(prefix),
            "participant_sid": person["sid"],
            "status": None,
            "error_code": 0,
            "date_created": now,
            "date_updated": now,
        }

    def _plan(self, entry: Entry, receipt: Record, stages: Sequence[Stage]) -> None:
        if stages:
            delay = self._sandbox.latency.draw(stages[0].after, entry, len(stages))
            self._sandbox.clock.later(delay, self._advance, entry, receipt, stages)

    def _advance(self, entry: Entry, receipt: Record, stages: Sequence[Stage]) -> None:
        stage = stages[0]
        receipt |= {"status": stage.status, "error_code": stage.code or 0, "date_updated": _now()}
        self._sandbox.records.add("conversation_receipts", completed("conversation_receipts", receipt))
        fields = [
            ("AccountSid", receipt["account_sid"]),
            ("ChannelMessageSid", receipt["channel_message_sid"]),
            ("ChatServiceSid", "IS" + "0" * 32),
            ("ConversationSid", receipt["conversation_sid"]),
            ("DateCreated", receipt["date_created"]),
            ("DateUpdated", receipt["date_updated"]),
            ("DeliveryReceiptSid", receipt["sid"]),
            ("EventType", "onDeliveryUpdated"),
            ("MessageSid", receipt["message_sid"]),
            ("ParticipantSid", receipt["participant_sid"]),
            ("Status", stage.status),
        ]
        if stage.code is not None:
            fields.append(("ErrorCode", str(stage.code)))
        self._emit(entry, stage.status, fields, last=len(stages) == 1)
        self._plan(entry, receipt, stages[1:])

    def _emit(self, entry: Entry, event: str, fields: list[tuple[str, str]], *, last: bool) -> None:
        # This product knows no connection overrides.
        url = self._sandbox.config.conversations_url.partition("#")[0]
        self._sandbox.hooks.emit(entry, url, fields, event, last=last)


def _written(message: Record) -> list[tuple[str, str]]:
    return [
        ("AccountSid", message["account_sid"]),
        ("Attributes", message["attributes"] or "{}"),
        ("Author", message["author"] or "system"),
        ("Body", message["body"] or ""),
        ("ConversationSid", message["conversation_sid"]),
        ("DateCreated", message["date_created"]),
        ("EventType", "onMessageAdded"),
        ("Index", str(message["index"])),
        ("MessageSid", message["sid"]),
        ("Source", "API"),
    ]


def _on_its_way(message: Record, person: Record) -> Entry:
    binding: dict[str, Any] = person.get("messaging_binding") or {}
    return Entry(
        id=message["sid"],
        channel=Channel.CHAT,
        ref=None,
        to=binding.get("address", ""),
        sender=binding.get("proxy_address", ""),
        body=message["body"] or "",
        status="sent",
        accepted_at=unix_now(),
        account_sid=message["account_sid"],
    )


def prefix_of(address: str) -> str:
    """Return the channel that stands before an address; nothing before a plain number."""
    prefix = address.partition(":")[0]
    return prefix if prefix in CHANNELS else ""


def in_conversation(records: list[Record], conversation: Record) -> list[Record]:
    """Return those of `records` that belong to a conversation."""
    return [record for record in records if record["conversation_sid"] == conversation["sid"]]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
