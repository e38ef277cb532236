"""Customers: who the bench's people are and what they do, as bodies of Segment's calls (about 0.5 KB each)."""

import json
from collections.abc import Mapping
from typing import Any

EPOCH_PHONE = 2_000_000
"""Local numbers begin here; the sink answers for them, no network is ever asked."""
SMS_EVENT, EMAIL_EVENT, UNHEARD_EVENT = "Order Placed", "Parcel Sent", "Page Scrolled"
_ITEMS = [
    {"name": f"The {size} cm chef's knife", "sku": f"KN-{size}", "quantity": 1, "price": f"{size * 4}.50"}
    for size in (14, 18, 22)
]
_LIBRARY = {"library": {"name": "analytics-python", "version": "2.3.4"}, "ip": "192.0.2.44"}


def phone_of(number: int) -> str:
    """Return the phone number of a customer, in E.164."""
    return f"+1212{EPOCH_PHONE + number:07d}"


def email_of(number: int) -> str:
    """Return the mail address of a customer."""
    return f"customer-{number}@mail.example"


def identify(number: int, source: str) -> dict[str, Any]:
    """Return the call that makes a customer known."""
    return {
        "type": "identify",
        "userId": f"customer-{number}",
        "messageId": f"{source}-i-{number}",
        "traits": {
            "email": email_of(number),
            "phone": phone_of(number),
            "first_name": "Ada",
            "last_name": f"Customer {number}",
            "plan": "gold",
            "country": "US",
        },
        "context": _LIBRARY,
    }


def track(number: int, source: str, event: str) -> dict[str, Any]:
    """Return the event of a customer; a mail's has three things in the parcel."""
    properties: dict[str, Any] = {"order_id": f"O-{source}-{number}", "total": 129.5, "currency": "USD"}
    if event == EMAIL_EVENT:
        properties["items"] = _ITEMS
    return {
        "type": "track",
        "userId": f"customer-{number}",
        "messageId": f"{source}-t-{number}",
        "event": event,
        "properties": properties,
        "context": _LIBRARY,
    }


def encoded(body: Mapping[str, Any]) -> bytes:
    """Return a body as it goes over the wire."""
    return json.dumps(body, separators=(",", ":")).encode()
