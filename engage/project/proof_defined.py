"""Proofs about ways: a message that prints `run.x` where not every way that leads to it has set `x`."""

import re
from collections.abc import Iterable, Iterator

from engage.domain.expression import ExpressionError, Place, Text, compile_text, tree
from engage.domain.expression.tree import FilterName, Root
from engage.project.nodes import ListNode, Mapping, Node
from engage.project.outline import Outline, SendAt, StepAt, text_at
from engage.project.problem import Problem
from engage.project.subject import Subject

_ALWAYS_THERE = frozenset({"key", "entered_at"})
_PRINTED = re.compile(r"\{\{(?P<body>[^{}]*)\}\}")
_ASKED = re.compile(r"\{%-?\s*(?:el)?if\b(?P<body>[^%]*)%\}")
_OF_RUN = re.compile(r"\brun\.([A-Za-z_][A-Za-z0-9_]*)")

Known = frozenset[str] | None
"""Names that are set on every way so far; None: no way leads here."""


def defined_proofs(subject: Subject, outline: Outline) -> Iterator[Problem]:
    """Yield the messages that print a value of the run which some way does not set."""
    walk = _Walk(subject, outline)
    walk.through(outline.steps, _ALWAYS_THERE)
    walk.through(outline.on_exit, _ALWAYS_THERE)  # a run may leave at any step
    yield from walk.found


class _Walk:
    def __init__(self, subject: Subject, outline: Outline) -> None:
        self.subject = subject
        self.found: list[Problem] = []
        self._anywhere = frozenset(name for step in outline.walk() for name in names_set(step))

    def through(self, steps: Iterable[StepAt], known: Known) -> Known:
        for step in steps:
            if known is None:
                return None
            known = self._step(step, known)
        return known

    def _step(self, step: StepAt, known: frozenset[str]) -> Known:
        for send in step.sends():
            self._judge(send, known)
        blocks = dict(step.blocks)
        match step.verb:
            case "exit":
                return None
            case "branch":
                ways = [self.through(block, known) for block in blocks.values()]
                return _join(ways if "else" in blocks else [*ways, known])
            case "split":
                return _join([self.through(block, known) for block in blocks.values()] or [known])
            case "repeat":
                turned = self.through(blocks.get("steps", ()), known)
                return turned if step.value.child("while") is None else _join([turned, known])
            case "wait_for":
                return self._wait_for(step, blocks, known)
            case _:
                beside = [self.through(block, known) for block in blocks.values()]  # `if_not_sent`
                return _join([known | frozenset(names_set(step)), *beside])

    def _wait_for(self, step: StepAt, blocks: dict[str, list[StepAt]], known: frozenset[str]) -> Known:
        ways = [self.through(blocks.get("on_timeout", ()), known)]
        for suffix, branch in _branches(step.value):
            alias = text_at(branch, "as")
            taken = known if alias is None else known | {str(alias.data)}
            ways.append(self.through(blocks.get(suffix, ()), taken))
        return _join(ways)

    def _judge(self, send: SendAt, known: frozenset[str]) -> None:
        place = send.text or send.template
        if place is None:
            return
        printed = _of_text(str(place.data)) if send.text is not None else self._of_template(send)
        for name in sorted((printed & self._anywhere) - known):
            self.found.append(
                self.subject.warning(
                    place.position,
                    f"`run.{name}` is printed here, and not every way that leads here sets it",
                    f"set it before with `remember`, or write `run.{name} | default(…)`",
                )
            )

    def _of_template(self, send: SendAt) -> frozenset[str]:
        template = (
            None if send.template is None else self.subject.around.templates.get(str(send.template.data))
        )
        found: set[str] = set()
        for file, content in {} if template is None else template.files.items():
            if file.startswith((send.channel, "meta")):
                asked = {
                    name for test in _ASKED.finditer(str(content)) for name in _OF_RUN.findall(test["body"])
                }
                for printed in _PRINTED.finditer(str(content)):
                    if "default" not in printed["body"] and " if " not in printed["body"]:
                        found.update(set(_OF_RUN.findall(printed["body"])) - asked)
        return frozenset(found)


def names_set(step: StepAt) -> Iterator[str]:
    """Yield the names of `run.` that a step sets, an alias of a wait included."""
    if step.verb == "remember" and isinstance(step.value, Mapping):
        yield from step.value.keys
    if step.verb == "reach" and step.id is not None:
        yield step.id
    saved = text_at(step.value, "save_as")
    if saved is not None:
        yield str(saved.data)
    for _, branch in _branches(step.value):
        alias = text_at(branch, "as")
        if alias is not None:
            yield str(alias.data)


def _branches(value: Node) -> Iterator[tuple[str, Node]]:
    """Yield the branches of a `wait_for` with the suffixes of their lists; the short form is one."""
    branches = value.child("branches")
    if isinstance(branches, ListNode):
        yield from ((f"branches.{index}.then", branch) for index, branch in enumerate(branches.children))
    else:
        yield "then", value


def _join(ways: Iterable[Known]) -> Known:
    """Return what is set on all of these ways."""
    open_ways = [way for way in ways if way is not None]
    return frozenset.intersection(*open_ways) if open_ways else None


def _of_text(source: str) -> frozenset[str]:
    try:
        text: Text = compile_text(source, Place.MESSAGE)
    except ExpressionError:
        return frozenset()
    return frozenset(name for part in text.expressions for name in _printed(part.node))


def _printed(node: tree.Node) -> Iterator[str]:
    """Yield the names of the run without which an expression prints nothing: not those it asks for or has a default for."""
    match node:
        case tree.Path(root=Root.RUN, keys=keys) if keys:
            yield keys[0]
        case tree.Filtered(name=FilterName.DEFAULT, args=args):
            for argument in args:
                yield from _printed(argument)
        case tree.Choice(condition=condition, then=then, otherwise=otherwise):
            asked = set(_read(condition))
            yield from (
                name for branch in (then, otherwise) for name in _printed(branch) if name not in asked
            )
        case tree.Member() | tree.Filtered() | tree.Arithmetic() | tree.Negate():
            for child in tree.children(node):
                yield from _printed(child)
        case _:
            return


def _read(node: tree.Node) -> Iterator[str]:
    if isinstance(node, tree.Path) and node.root is Root.RUN and node.keys:
        yield node.keys[0]
    for child in tree.children(node):
        yield from _read(child)
