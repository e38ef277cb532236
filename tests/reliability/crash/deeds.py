"""What happens in every life: all rooms have something to do within a quarter of a minute."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from engage.engine.settle.reconcile import LOOKS

SPAN = timedelta(seconds=15)
"""While people do things."""
AFTERWARDS = timedelta(hours=3)
"""For leases, questions and the hour after which an unknown outcome is given up."""
LOOKED_BACK = SPAN + LOOKS[0] + timedelta(minutes=1)
"""When everything that nobody told the end of is asked about."""

SETTINGS = """
quiet_hours: "off"
topics:
  offers: {sms: opt_out, email: opt_out}
  codes: {transactional: true, urgent: true, duplicates: never_lost}
"""
CART = """
journey: cart
trigger: {event: Cart}
entry: {reentry: always}
steps:
  - wait: 2 seconds
    id: patience
  - sms: {text: Your cart, topic: offers}
    id: nudge
  - wait_for: {step: nudge, status: delivered, timeout: 3 seconds}
  - email: {text: Last call, topic: offers}
    id: last
  - wait: 1 day
    id: rest
"""
MOVED = CART + "migrate: {from: 1, steps: {rest: exit, patience: last}}\n"
FAULTS = [
    {"channel": "sms", "to": "+14155550001", "fault": "reset_after", "count": 1},
    {"channel": "sms", "to": "+14155550002", "fault": "503_before", "count": 1},
    {"channel": "sms", "to": "+14155550000", "fault": "lost", "count": 9},
    {"channel": "email", "to": "p1@x.example", "fault": "503_after", "count": 1},
    {"channel": "email", "to": "p2@x.example", "fault": "429", "count": 1, "retry_after": 1},
]
PEOPLE = 4


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing done, so many seconds after the start."""

    after: float
    what: str
    about: Mapping[str, Any]


def project(start: datetime, *, moved: bool) -> dict[tuple[str, str], str]:
    at = (start + timedelta(seconds=5)).isoformat()
    return {
        ("settings", "settings"): SETTINGS,
        ("audience", "buyers"): "audience: buyers\nwhere: count('Cart') >= 1\n",
        ("journey", "cart"): MOVED if moved else CART,
        ("journey", "news"): f"""
journey: news
trigger: {{schedule: {{at: "{at}", pace: 2 per second}}}}
steps:
  - email: {{text: News, topic: offers}}
""",
    }


def deeds() -> list[Deed]:
    found = [Deed(0, "publish", {"moved": False})]
    for person in range(PEOPLE):
        traits = {"phone": f"+1415555{person:04}", "email": f"p{person}@x.example"}
        found.append(
            Deed(
                0.5,
                "call",
                {"type": "identify", "userId": f"p{person}", "traits": traits, "messageId": f"i{person}"},
            )
        )
        who = {"anonymousId": "anon-0"} if person == 0 else {"userId": f"p{person}"}
        found.append(Deed(1, "call", {"type": "track", **who, "event": "Cart", "messageId": f"t{person}"}))
    found += [
        Deed(1, "import", {"type": "track", "userId": "p2", "event": "Cart", "messageId": "old"}),
        Deed(2, "call", {"type": "alias", "userId": "p0", "previousId": "anon-0", "messageId": "a0"}),
        Deed(3, "no", {"address": "p3@x.example"}),
        Deed(4, "send", {"person": "p2"}),
        Deed(6, "stop", {"from": "+14155550003"}),
        Deed(8, "publish", {"moved": True}),
        Deed(10, "forget", {"person": "p3"}),
    ]
    return found
