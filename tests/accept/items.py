"""Calls as clients write them, read without any HTTP."""

import json
from datetime import UTC, datetime
from typing import Any

from engage.domain.fact import Call, Kind
from engage.engine.canonical.call import Origin, Refused, canonical, read_item
from engage.engine.canonical.rules import Rules

RECEIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def origin(**how: Any) -> Origin:
    """How a call came; by default alone, at noon."""
    return Origin(**{"source": "key:s", "received_at": RECEIVED, **how})


def read(item: Any, *, rules: Rules | None = None, **how: Any) -> Call | Refused:
    """A call's canonical form, or why it has none."""
    raw = item if isinstance(item, bytes) else json.dumps(item).encode()
    value = read_item(raw)
    if isinstance(value, Refused):
        return value
    return canonical(value, origin(rules=rules or Rules(), **how), lambda: "minted")


def call(item: Any, *, rules: Rules | None = None, **how: Any) -> Call:
    """A call's canonical form."""
    found = read(item, rules=rules, **how)
    assert isinstance(found, Call), found
    return found


def reason(item: Any, **how: Any) -> str:
    """Why a call is not taken."""
    found = read(item, **how)
    assert isinstance(found, Refused), found
    return str(found.reason)


def track(**more: Any) -> dict[str, Any]:
    """A good track."""
    return {"type": "track", "userId": "ada", "event": "Order Completed", **more}


def identify(traits: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A good identify."""
    return {"type": "identify", "userId": "ada", "traits": traits or {}, **more}


__all__ = ["RECEIVED", "Kind", "call", "identify", "origin", "read", "reason", "track"]
