"""Wire: calls of a scenario as the calls of Segment's wire that a server would send."""

from typing import Any

from engage.project.scenario import Alias, Group, Identify, Page, Screen, Track
from engage.testing.people import identifier_of

Call = Identify | Track | Page | Screen | Group | Alias


def wire_call(item: Call, message_id: str) -> dict[str, Any]:
    """Return an item as a call of Segment's wire; `message_id` is its identity where the item names none."""
    call: dict[str, Any] = {
        "type": item.verb,
        identifier_key(item.person): item.person,
        "messageId": item.message_id or message_id,
    }
    if item.timestamp is not None:
        call["timestamp"] = item.timestamp.isoformat()
    match item:
        case Identify(traits=traits):
            call["traits"] = traits
        case Track(event=event, properties=properties):
            call |= {"event": event, "properties": properties}
        case Page(name=name, properties=properties) | Screen(name=name, properties=properties):
            call |= {"name": name, "properties": properties}
        case Group(group_id=group, traits=traits):
            call |= {"groupId": group, "traits": traits}
        case Alias(previous=previous):
            call["previousId"] = previous
    return call


def identifier_key(name: str) -> str:
    """Return the key of Segment's wire under which a person of a scenario stands."""
    return "anonymousId" if identifier_of(name).kind == "anonymous_id" else "userId"
