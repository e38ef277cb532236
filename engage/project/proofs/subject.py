"""One definition under proof, with what surrounds it."""

from dataclasses import dataclass
from datetime import timedelta

from engage.domain.forms import read_duration
from engage.project.kinds import Definition
from engage.project.problem import Level, Problem
from engage.project.proofs.outline import Outline, is_computed, text_at
from engage.project.surroundings import Surroundings
from engage.project.yaml.nodes import Document, ListNode, Node, Position, Scalar


@dataclass(frozen=True, slots=True)
class Subject:
    """A definition and everything a proof may look at. `outline` is there for journeys."""

    definition: Definition
    document: Document
    outline: Outline | None
    around: Surroundings

    def warning(self, at: Position, message: str, hint: str = "") -> Problem:
        """Return a warning at a place of the file."""
        return Problem(
            path=self.definition.path,
            line=at.line,
            column=at.column,
            message=message,
            hint=hint,
            level=Level.WARNING,
        )

    def topic_of(self, topic: Scalar | None) -> str | None:
        """Return the topic of a send: its own, else the journey's; none too if only a run can tell it."""
        found = topic or text_at(self.document.root, "topic")
        return None if found is None or is_computed(found) else str(found.data)


def names_of(node: Node | None) -> list[str]:
    """Return the event names that a value holds: one, or a list."""
    if node is None:
        return []
    nodes = node.children if isinstance(node, ListNode) else [node]
    return [item.data for item in nodes if isinstance(item, Scalar) and isinstance(item.data, str)]


def duration_at(node: Node | None, *keys: str) -> timedelta | None:
    """Return the duration written at these keys below `node`; None if there is none, or only a computed one."""
    found = text_at(node, *keys)
    return None if found is None else read_duration(found.data)
