"""A journey as data: the tree of its picture with its numbers, for whoever draws it elsewhere. Pure."""

from collections.abc import Sequence
from typing import Any

from engage.domain.journey.journey import Journey
from engage.project.graph.tree import Card, GraphNumbers, Item, Way, flow_of


def journey_data(journey: Journey, numbers: GraphNumbers | None = None) -> dict[str, Any]:
    """Return the picture of a journey as plain data.

    A step is `{path, id, verb, title, details}`; a fork has `ways` (`{label, steps}`) and a loop `loop`. With
    `numbers` a step has `entered` (none: not counted) and `waiting`, and the whole has `numbers`.
    """
    flow = flow_of(journey)
    found: dict[str, Any] = {
        "journey": flow.name,
        "title": flow.title,
        "description": flow.description,
        "trigger": {
            "verb": flow.trigger.verb,
            "title": flow.trigger.title,
            "details": list(flow.trigger.details),
        },
        "entry": list(flow.entry),
        "goal": flow.goal,
        "exit_when": [{"what": what, "reason": reason} for what, reason in flow.exits],
        "steps": _items(flow.items, numbers),
        "on_exit": _items(flow.on_exit, numbers),
    }
    if numbers is not None:
        found["numbers"] = {
            "entered": numbers.entered,
            "inside": numbers.inside,
            "goals": numbers.goals,
            "ended": numbers.ended,
        }
    return found


def _items(items: Sequence[Item], numbers: GraphNumbers | None) -> list[dict[str, Any]]:
    return [_item(item, numbers) for item in items]


def _item(item: Item, numbers: GraphNumbers | None) -> dict[str, Any]:
    found = _card(item.card, numbers)
    if item.ways:
        found["ways"] = [_way(way, numbers) for way in item.ways]
    if item.loop:
        found["loop"] = _items(item.loop, numbers)
    return found


def _way(way: Way, numbers: GraphNumbers | None) -> dict[str, Any]:
    return {"label": way.label, "steps": _items(way.items, numbers)}


def _card(card: Card, numbers: GraphNumbers | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "path": card.path,
        "id": card.id,
        "verb": card.verb,
        "title": card.title,
        "details": list(card.details),
    }
    if numbers is not None:
        count = numbers.steps.get(card.path)
        found["entered"] = None if count is None else count.entered
        found["waiting"] = 0 if count is None else count.waiting
    return found
