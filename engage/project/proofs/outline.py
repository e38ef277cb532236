"""The steps of a journey file as they are written: every list, every send, with their places in the file.

Works on the tree of the file, so that what is wrong elsewhere in a journey does not hide what can be said here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from engage.domain.delivery.delivery import REACHING
from engage.project.yaml.nodes import ListNode, Mapping, Node, Position, Scalar

CHANNELS = frozenset(str(channel) for channel in REACHING)


@dataclass(slots=True)
class SendAt:
    """One message asked for: by a step of a channel's verb, or as one channel of `reach`."""

    channel: str
    template: Scalar | None
    """Its name, if it is written; none also for a computed one."""
    text: Scalar | None
    topic: Scalar | None
    given: frozenset[str]
    """Names under `with`."""
    position: Position


@dataclass(slots=True)
class StepAt:
    """One step at its place."""

    path: str
    verb: str
    node: Mapping
    value: Node
    blocks: "list[tuple[str, list[StepAt]]]" = field(default_factory=list)

    @property
    def id(self) -> str | None:
        """Its written id."""
        found = self.node.child("id")
        return found.data if isinstance(found, Scalar) and isinstance(found.data, str) else None

    @property
    def position(self) -> Position:
        """Where it begins."""
        return self.node.position

    def text(self, key: str) -> Scalar | None:
        """Return the text below `key` of its value."""
        return text_at(self.value, key)

    def sends(self) -> Iterator[SendAt]:
        """Yield the messages this very step asks for."""
        if self.verb in CHANNELS:
            yield _send(self.verb, self.value, None)
        elif self.verb == "reach":
            channels = self.value.child("channels")
            for item in channels.children if isinstance(channels, ListNode) else ():
                for channel in item.keys if isinstance(item, Mapping) else ():
                    below = item.child(channel)
                    if channel in CHANNELS and below is not None:
                        yield _send(channel, below, self.value)


def text_at(node: Node | None, *keys: str) -> Scalar | None:
    """Return the text at these keys below `node`, if there is one."""
    for key in keys:
        node = None if node is None else node.child(key)
    return node if isinstance(node, Scalar) and isinstance(node.data, str) else None


def is_computed(node: Scalar | None) -> bool:
    """Return whether a text is known only when a run comes by."""
    return node is not None and "{{" in str(node.data)


def _send(channel: str, node: Node, around: Node | None) -> SendAt:
    if isinstance(node, Scalar):
        template, text = (node if isinstance(node.data, str) else None), None
    else:
        template, text = text_at(node, "template"), text_at(node, "text")
    if is_computed(template):
        template = None  # which one it is, only a run can tell
    given: set[str] = set()
    for place in (node, around):
        values = None if place is None else place.child("with")
        given.update(values.keys if isinstance(values, Mapping) else ())
    topic = text_at(node, "topic") or text_at(around, "topic")
    return SendAt(channel, template, text, topic, frozenset(given), node.position)


class Outline:
    """The steps of one journey, in the order in which they are written."""

    def __init__(self, root: Node, verbs: frozenset[str]) -> None:
        self._verbs = verbs
        self.root = root
        self.steps = self._list(root.child("steps"), "")
        self.on_exit = self._list(root.child("on_exit"), "on_exit.")

    def walk(self) -> Iterator[StepAt]:
        """Yield every step, those below others after them."""
        yield from _walk(self.steps)
        yield from _walk(self.on_exit)

    def _list(self, node: Node | None, prefix: str) -> list[StepAt]:
        if not isinstance(node, ListNode):
            return []
        steps = (self._step(item, f"{prefix}{index}") for index, item in enumerate(node.children))
        return [step for step in steps if step is not None]

    def _step(self, node: Node, path: str) -> StepAt | None:
        if not isinstance(node, Mapping):
            return None
        verb = next((key for key in node.keys if key in self._verbs), None)
        value = None if verb is None else node.child(verb)
        if verb is None or value is None:
            return None
        step = StepAt(path, verb, node, value)
        for suffix, block in _blocks(verb, value, node):
            step.blocks.append((suffix, self._list(block, f"{path}.{suffix}.")))
        return step


def _walk(steps: list[StepAt]) -> Iterator[StepAt]:
    for step in steps:
        yield step
        for _, block in step.blocks:
            yield from _walk(block)


def _blocks(verb: str, value: Node, step: Mapping) -> Iterator[tuple[str, Node | None]]:
    if verb == "branch" and isinstance(value, ListNode):
        for index, item in enumerate(value.children):
            if isinstance(item, Mapping):
                yield from _present(item, {f"{index}.then": "then", "else": "else"})
    elif verb == "split":
        arms = value.child("arms")
        for name, arm in arms.children.items() if isinstance(arms, Mapping) else ():
            yield name, arm.child("then")
    elif verb == "repeat":
        yield "steps", value.child("steps")
    elif verb == "wait_for":
        branches = value.child("branches")
        for index, branch in enumerate(branches.children if isinstance(branches, ListNode) else ()):
            if branch.child("then") is not None:
                yield f"branches.{index}.then", branch.child("then")
        yield from _present(value, {"then": "then", "on_timeout": "on_timeout"})
    refused = step.child("if_not_sent")
    for reason, answer in refused.children.items() if isinstance(refused, Mapping) else ():
        if isinstance(answer, ListNode):
            yield f"if_not_sent.{reason}", answer


def _present(node: Node, keys: dict[str, str]) -> Iterator[tuple[str, Node]]:
    for suffix, key in keys.items():
        below = node.child(key)
        if below is not None:
            yield suffix, below
