"""Story: who is written to, and what a provider does wrong meanwhile."""

import json
from typing import Any

from engage.engine.publish.publish import Source

NEVER_LOST = frozenset({"codes"})
DELIVERIES_A_PERSON = 4
LANTERN = "lantern@chaos.example"
"""Whom a mail is sent to now and then at the end: a stream of events tells of a lost mail only by telling of later ones."""

SETTINGS: dict[str, Any] = {
    "quiet_hours": "off",
    "topics": {
        "offers": {"sms": "opt_out", "email": "opt_out"},
        "orders": {"transactional": True},
        "codes": {"transactional": True, "urgent": True, "duplicates": "never_lost"},
    },
}
JOURNEY: dict[str, Any] = {
    "journey": "chaos",
    "trigger": {"event": "Ordered", "key": "event.order"},
    "entry": {"reentry": "always"},
    "steps": [
        {"sms": {"text": "Your code, {{ profile.name }}", "topic": "codes"}, "id": "code"},
        {"email": {"text": "Order {{ entry.order }}", "topic": "orders"}, "id": "order"},
        {"wait": "3 seconds"},
        {"sms": {"text": "On its way", "topic": "offers"}, "id": "way"},
        {"wait_for": {"step": "way", "status": "delivered", "timeout": "20 seconds"}},
        {"email": {"text": "How was it?", "topic": "offers"}, "id": "how"},
    ],
}
FAULTS: list[dict[str, Any]] = [
    {"fault": "429", "probability": 0.03, "retry_after": 1},
    {"fault": "503_before", "probability": 0.01},
    {"fault": "503_after", "probability": 0.01},
    {"fault": "reset_after", "probability": 0.01},
    {"fault": "hang_after", "probability": 0.002},
    {"fault": "hang_before", "probability": 0.002},
    {"fault": "duplicate", "probability": 0.05},
    {"fault": "reorder", "probability": 0.05},
    {"fault": "delay", "probability": 0.05, "seconds": 3},
    {"fault": "forged", "probability": 0.01},
    # A text's callback may never come; an event stream loses nothing (docs/guarantees.md).
    {"fault": "lost", "channel": "sms", "probability": 0.02},
]


def sources() -> list[Source]:
    """Return what is published."""
    return [
        Source(kind="settings", name="settings", text=json.dumps(SETTINGS)),
        Source(kind="journey", name="chaos", text=json.dumps(JOURNEY)),
    ]


def phone(person: int) -> str:
    """Return somebody's number."""
    return f"+1415{2_000_000 + person}"


def mail(person: int) -> str:
    """Return somebody's address."""
    return f"p{person}@chaos.example"


def calls_of(person: int) -> list[dict[str, Any]]:
    """Return what a shop's site tells of one person."""
    who = f"p{person}"
    traits = {"phone": phone(person), "email": mail(person), "name": f"N{person}"}
    order = {"order": f"o{person}"}
    return [
        {"type": "identify", "userId": who, "traits": traits, "messageId": f"known/{person}"},
        {
            "type": "track",
            "userId": who,
            "event": "Ordered",
            "properties": order,
            "messageId": order_of(person),
        },
    ]


def order_of(person: int) -> str:
    """Return the id of the event by which somebody enters."""
    return f"order/{person}"
