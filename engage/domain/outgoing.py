"""Outgoing: what other systems get of us, in the shapes of Segment's calls, so that whoever takes Segment's takes ours."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engage.domain.fact import Json
from engage.domain.profile.profile import Event

NAMESPACE = "engage"
"""Where `context.personas` says that it comes from: Segment names its space here."""
_CALLS = {"page": "Page Viewed", "screen": "Screen Viewed", "group": "Group Identified"}


def call(
    kind: str, message_id: str, at: datetime, identifiers: Mapping[str, str], **fields: Any
) -> dict[str, Any]:
    """Return one call about the person with these identifiers (the newest of each kind, `id` among them).

    A person without a user id goes by an anonymous one: theirs, else the profile's id.
    """
    named = {"userId": identifiers["user_id"]} if "user_id" in identifiers else {}
    anonymous = identifiers.get("anonymous_id")
    if not named or anonymous is not None:
        named["anonymousId"] = anonymous or identifiers["id"]
    external = [
        {"id": value, "type": name, "collection": "users", "encoding": "none"}
        for name, value in identifiers.items()
        if name not in ("id", "user_id", "anonymous_id")
    ]
    context = {**({"externalIds": external} if external else {}), **fields.pop("context", {})}
    return {
        "type": kind,
        "messageId": message_id,
        **named,
        **fields,
        "context": context,
        "timestamp": at.isoformat(),
    }


def recorded(event: Event, identifiers: Mapping[str, str]) -> dict[str, Any]:
    """Return an event that was kept as the call it came as; our own events are tracks."""
    kind = event.type if _CALLS.get(event.type) == event.name else "track"
    told: dict[str, Any] = {"properties": event.properties}
    if kind == "group":
        told = {"groupId": event.properties.get("group_id"), "traits": event.properties.get("traits", {})}
    elif kind == "track":
        told["event"] = event.name
    elif (name := event.properties.get("name")) is not None:
        told["name"] = name
    personas = _personas(event)
    if personas is not None:
        told["context"] = {"personas": personas}
    return call(kind, event.id, event.timestamp, identifiers, **told)


def _personas(event: Event) -> Json | None:
    if event.type != "engine":
        return None
    audience, journey = event.properties.get("audience_key"), event.properties.get("journey")
    if isinstance(audience, str):
        return personas("audience", audience)
    if isinstance(journey, str):
        step = event.properties.get("step")
        return personas("journey_step", journey if step is None else f"{journey}__{step}")
    return None


def personas(computation: str, key: str) -> Json:
    """Return what says which audience or step a call comes from."""
    return {
        "computation_class": computation,
        "computation_id": key,
        "computation_key": key,
        "namespace": NAMESPACE,
        "space_id": NAMESPACE,
    }
