"""The desk: what agents and representatives see: tasks, conversations and rooms, and what they may do with them by a click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engage.sandbox.inbound import InboundRequest
from engage.sandbox.twilio.agents import OVER
from engage.sandbox.wire import Form, one

if TYPE_CHECKING:
    from engage.sandbox.state import Sandbox

SHOWN = 50
_OURS = ("engage_ref", "engage_lane")


def is_empty(sandbox: Sandbox) -> bool:
    """Return whether nothing was handed over, written into a conversation or met in."""
    return not any(sandbox.records.all(kind) for kind in ("tasks", "conversations", "rooms"))


def view(sandbox: Sandbox) -> dict[str, Any]:
    """Return what the page shows, newest first."""
    records = sandbox.records
    messages = records.all("conversation_messages")
    receipts = records.all("conversation_receipts")
    people = records.all("participants")
    guests = records.all("room_participants")
    return {
        "tasks": [
            {
                **task,
                "told": _told(task["attributes"]),
                "open": task["assignment_status"] not in OVER,
                "waits": task["assignment_status"] in ("pending", "reserved"),
            }
            for task in records.all("tasks")[: -SHOWN - 1 : -1]
        ],
        "conversations": [
            {
                **talk,
                "people": [
                    p["identity"] or p["messaging_binding"]["address"]
                    for p in _of(people, talk, "conversation")
                ],
                "customer": next(
                    (
                        p["messaging_binding"]["address"] or p["identity"]
                        for p in _of(people, talk, "conversation")
                    ),
                    "",
                ),
                "messages": [
                    {**message, "receipts": [one for one in receipts if one["message_sid"] == message["sid"]]}
                    for message in _of(messages, talk, "conversation")
                ],
            }
            for talk in records.all("conversations")[: -SHOWN - 1 : -1]
        ],
        "rooms": [
            {**room, "people": _of(guests, room, "room")} for room in records.all("rooms")[: -SHOWN - 1 : -1]
        ],
    }


async def act(sandbox: Sandbox, form: Form) -> None:
    """Do what a button of the page says.

    Raises:
        ValueError: it cannot be done, because it is over already.
    """
    channel, who, what = one(form, "channel"), one(form, "who"), one(form, "what").strip()
    if one(form, "outcome").strip():
        what = f"{what}: {one(form, 'outcome').strip()}"
    if channel in ("agent", "chat", "video") and who and what:
        await sandbox.inbound.take(InboundRequest(channel=channel, sender=who, body=what))


def _of(records: list[dict[str, Any]], owner: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record[f"{kind}_sid"] == owner["sid"]]


def _told(attributes: str) -> dict[str, str]:
    """Return what the agent is told, without what only finds the task again."""
    told: dict[str, Any] = msgspec.json.decode(attributes)
    return {
        name: _plain(value)
        for name, value in told.items()
        if name not in _OURS and value not in (None, {}, "")
    }


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(below)}" for name, below in value.items())
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
