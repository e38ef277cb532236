"""Proofs about what a message prints: `with.x` that is not given, `run.x` that nothing, or not every way, has set.

A value that cannot be there is a mistake: the message would never leave. One that some way lacks is a warning.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Mapping_
from typing import NamedTuple

from engage.domain.expression import ExpressionError, Place, Text, compile_text, tree
from engage.domain.expression.tree import FilterName, Root
from engage.project.problem import Problem
from engage.project.proofs.outline import Outline, SendAt, StepAt, text_at
from engage.project.proofs.subject import Subject
from engage.project.template_files import TemplateSource
from engage.project.words.suggest import did_you_mean
from engage.project.yaml.nodes import ListNode, Mapping, Node, Position, Scalar

_ALWAYS_THERE = frozenset({"key", "entered_at"})
_PRINTED = re.compile(r"\{\{(?P<body>[^{}]*)\}\}")
_ASKED = re.compile(r"\{%-?\s*(?:el)?if\b(?P<body>[^%]*)%\}")
_NAMED = re.compile(r"\b(run|with|profile)\.([A-Za-z_][A-Za-z0-9_]*)")

_FILES = {"mms": ("mms", "sms"), "chat": ("chat", "sms")}
"""Channels that read another one's file where they have none of their own."""

Names = frozenset[tuple[str, str]]
"""`run`, `with` or `profile`, and the name."""
Known = frozenset[str] | None
"""Names that are set on every way so far; None: no way leads here."""


def defined_proofs(subject: Subject, outline: Outline) -> Iterator[Problem]:
    """Yield the messages that print a value which is never there, or not on every way."""
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
        printed, where = _of_send(self.subject, send, place)
        run = {name for root, name in printed if root == "run"}
        for name in sorted({name for root, name in printed if root == "with"} - send.given):
            self._mistake(
                place.position,
                f"`with.{name}` is printed {where}, and not given",
                f"add it: `with: {{{name}: …}}`, or write `with.{name} | default(…)`",
            )
        for name in sorted(run - known):
            if name not in self._anywhere:
                near = did_you_mean(name, self._anywhere, what="set here") or "set it before with `remember`"
                told = f"`run.{name}` is printed {where}, and nothing in this journey sets it"
                self._mistake(place.position, told, near)
                continue
            self.found.append(
                self.subject.warning(
                    place.position,
                    f"`run.{name}` is printed {where}, and not every way that leads here sets it",
                    f"set it before with `remember`, or write `run.{name} | default(…)`",
                )
            )

    def _mistake(self, at: Position, message: str, hint: str) -> None:
        path = self.subject.definition.path
        self.found.append(Problem(path=path, line=at.line, column=at.column, message=message, hint=hint))


class Printed(NamedTuple):
    """A name that a message prints without a default, and where."""

    name: str
    where: str


def printed_by(subject: Subject, send: SendAt, roots: frozenset[str]) -> frozenset[Printed]:
    """Return what a message prints of these roots without a default and without asking whether it is there."""
    place = send.text or send.template
    if place is None:
        return frozenset()
    names, where = _of_send(subject, send, place)
    return frozenset(Printed(name, where) for root, name in names if root in roots)


def _of_send(subject: Subject, send: SendAt, place: Scalar) -> tuple[Names, str]:
    if send.text is not None:
        return of_text(str(place.data)), "here"
    template = subject.around.templates.get(str(place.data))
    found: set[tuple[str, str]] = set()
    for file, content in {} if template is None else template.files.items():
        if file.startswith(_FILES.get(send.channel, (send.channel,))):
            found.update(_of_file(str(content)))
        elif file.startswith("meta") and isinstance(content, Mapping_):
            found.update(_of_file(str(_printed_of(send.channel, content))))
    return frozenset(found) - _required(template), f"by `{place.data}`"


def _printed_of(channel: str, meta: Mapping_[str, object]) -> object:
    """Return what of `meta.yaml` a channel prints: a mail all of it, an MMS its pictures."""
    if channel == "email":
        return {key: value for key, value in meta.items() if key != "media"}
    return meta.get("media") if channel == "mms" else None


def _of_file(content: str) -> Iterator[tuple[str, str]]:
    """Yield what a file prints without a default and without asking anywhere whether it is there."""
    asked = {name for test in _ASKED.finditer(content) for name in _NAMED.findall(test["body"])}
    for printed in _PRINTED.finditer(content):
        if "default" not in printed["body"] and " if " not in printed["body"]:
            yield from set(_NAMED.findall(printed["body"])) - asked


def _required(template: TemplateSource | None) -> Names:
    """Return what `meta.yaml` requires: what is missing of it is told there."""
    meta = None if template is None else template.files.get("meta.yaml")
    names = meta.get("required") if isinstance(meta, dict) else None
    return frozenset(("with", str(name)) for name in names or ())


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


def of_text(source: str) -> Names:
    """Return what the text of a message prints without a default."""
    try:
        text: Text = compile_text(source, Place.MESSAGE)
    except ExpressionError:
        return frozenset()
    return frozenset(name for part in text.expressions for name in _printed(part.node))


def _printed(node: tree.Node) -> Iterator[tuple[str, str]]:
    """Yield the names without which an expression prints nothing: not those it asks for or has a default for."""
    match node:
        case tree.Path(root=Root.RUN | Root.WITH | Root.PROFILE as root, keys=keys) if keys:
            yield str(root), keys[0]
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


def _read(node: tree.Node) -> Iterator[tuple[str, str]]:
    if isinstance(node, tree.Path) and node.keys:
        yield str(node.root), node.keys[0]
    for child in tree.children(node):
        yield from _read(child)
