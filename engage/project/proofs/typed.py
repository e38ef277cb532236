"""Proofs about types: what our own events tell as text, compared with a number. Text never equals a number."""

import re
from collections.abc import Iterator

from engage.domain.expression import Expression
from engage.domain.turn.handle import RESERVED
from engage.project.compiled import compiled_at
from engage.project.problem import Problem
from engage.project.proofs.subject import Subject, names_of
from engage.project.yaml.nodes import ListNode, Mapping, Node, Scalar

_NUMBER = r"-?\d+(?:\.\d+)?\b"
_COMPARES = r"(?:[=!]=|[<>]=?)"
_TELLING = r"(?P<text>{root}\.(?:code|digits))"
"""A provider's code is a number in one channel and a word in another; digits begin with zeros."""


def _compared(root: str) -> re.Pattern[str]:
    told, number = _TELLING.format(root=root), f"(?P<number>{_NUMBER})"
    turned = (
        f"(?P<number_first>{_NUMBER})\\s*{_COMPARES}\\s*{told.replace('text', 'text_last')}\\b(?!\\s*\\|)"
    )
    return re.compile(rf"\b{told}\s*(?:{_COMPARES}|(?:not\s+)?in\s*\[)\s*{number}|(?<![\w.]){turned}")


_OF_EVENT, _OF_ENTRY = _compared("event"), _compared("entry")


def typed_proofs(subject: Subject) -> Iterator[Problem]:
    """Yield the comparisons of a definition that can never be true for what they compare."""
    root = subject.document.root
    yield from _beside(subject, root)
    if subject.definition.form is None:
        return
    trigger = root.child("trigger") if isinstance(root, Mapping) else None
    is_ours = isinstance(trigger, Mapping) and not RESERVED.isdisjoint(names_of(trigger.child("event")))
    for found in compiled_at(subject.definition.form, root):
        source = found.compiled.source
        if not isinstance(found.compiled, Expression):
            continue
        if is_ours:
            yield from _told(subject, found.node, _OF_ENTRY, source)
        if any(f"'{name}'" in source or f'"{name}"' in source for name in RESERVED):
            yield from _told(subject, found.node, _OF_EVENT, source)


def _beside(subject: Subject, node: Node) -> Iterator[Problem]:
    """Look at each `where` beside one of our events, or beside a step whose delivery it is about."""
    if isinstance(node, Mapping):
        where = node.child("where")
        ours = node.child("step") is not None or not RESERVED.isdisjoint(names_of(node.child("event")))
        if ours and isinstance(where, Scalar):
            yield from _told(subject, where, _OF_EVENT, str(where.data))
        for below in node.children.values():
            yield from _beside(subject, below)
    elif isinstance(node, ListNode):
        for below in node.children:
            yield from _beside(subject, below)


def _told(subject: Subject, node: Node, pattern: re.Pattern[str], source: str) -> Iterator[Problem]:
    for found in pattern.finditer(source):
        text = found["text"] or found["text_last"]
        number = found["number"] or found["number_first"]
        yield subject.warning(
            node.position,
            f"`{text}` is text here, and text never equals a number",
            f"write `'{number}'`, or `{text} | number`",
        )
