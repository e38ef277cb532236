"""Late: what a journey says only as a whole, found in its file even where one of its parts is wrong.

A form looks at the whole only when every part is right; a marketer wants to read both in one go.
"""

from collections.abc import Iterator

from pydantic import BaseModel

from engage.domain.journey.journey import Journey
from engage.domain.journey.trigger import Trigger
from engage.domain.steps import VERBS
from engage.domain.steps.choice import Split
from engage.project.proofs.outline import Outline
from engage.project.yaml.nodes import Mapping, Node, Position


def late_mistakes(form: type[BaseModel], node: Node) -> Iterator[tuple[Position, str, str]]:
    """Yield the place, message and hint of everything that is wrong with a document as a whole."""
    if form is Journey:
        yield from _ids(node)
        yield from _splits(node)
        yield from _triggers(node.child("trigger"))


def _ids(node: Node) -> Iterator[tuple[Position, str, str]]:
    seen: set[str] = set()
    for step in Outline(node, frozenset(VERBS)).walk():
        written = step.node.child("id")
        if step.id is None or written is None:
            continue
        if step.id in seen:
            yield written.position, f"two steps have the id `{step.id}`", "ids are unique within a journey"
        seen.add(step.id)


def _splits(node: Node) -> Iterator[tuple[Position, str, str]]:
    for step in Outline(node, frozenset(VERBS)).walk():
        if step.verb == Split.verb and not step.id:
            yield step.node.key_position(step.verb) or step.position, *Split.NO_ID


def _triggers(node: Node | None) -> Iterator[tuple[Position, str, str]]:
    if not isinstance(node, Mapping):
        return
    forms = [name for name in Trigger.FORMS if name in node.keys]
    known = all(key in Trigger.model_fields for key in node.keys)
    if len(forms) > 1 or (known and not forms):
        at = node.key_position(forms[0]) if forms else None
        yield at or node.position, *Trigger.not_one(forms)
