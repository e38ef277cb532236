"""Plain data to a form, and every error of the form back to its place in the file."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engage.domain.expression import ExpressionError, compile_text
from engage.domain.journey.journey import Journey
from engage.project.late import late_mistakes
from engage.project.problem import Problem, in_order
from engage.project.words.known_keys import all_keys, keys_at
from engage.project.words.suggest import did_you_mean, nearest
from engage.project.words.wording import TYPE_ERRORS, example_of, limit_words, wrong_kind
from engage.project.yaml.nodes import Document, Location, Mapping, Node, Position, Scalar, descend, scalars
from engage.project.yaml.offsets import locate

_NAMED = re.compile(r"`([^`]+)`")

FormT = TypeVar("FormT", bound=BaseModel)


def validate(
    form: type[FormT],
    document: Document,
    *,
    node: Node | None = None,
    data: Any = None,
    context: Any = None,
) -> tuple[FormT | None, list[Problem]]:
    """Read a document, or one node of it, as a form.

    `data` stands in for the node's own plain data where the caller has completed or expanded it; errors are still
    told at the node. Returns the form, or None and everything that is wrong with it.
    """
    place = document.root if node is None else node
    try:
        return form.model_validate(place.value() if data is None else data, context=context), []
    except ValidationError as exc:
        late = [
            Problem(path=document.path, line=at.line, column=at.column, message=message, hint=hint)
            for at, message, hint in late_mistakes(form, place)
        ]
        told = {problem.message for problem in late}
        found = _Explainer(form, document, place).problems(exc)
        return None, in_order([*(problem for problem in found if problem.message not in told), *late])


@dataclass
class _Fault:
    """One error of pydantic with the node it is about."""

    kind: str
    location: Location
    context: dict[str, Any]
    message: str
    value: Any
    node: Node = field(init=False)
    path: list[str | int] = field(init=False)


class _Explainer:
    def __init__(self, form: type[BaseModel], document: Document, place: Node) -> None:
        self.form = form
        self.document = document
        self.place = place

    def problems(self, exc: ValidationError) -> list[Problem]:
        faults = [self._fault(error) for error in exc.errors(include_url=False)]
        faults = [fault for fault in faults if not (self._told_already(fault) or _is_echo(fault))]
        strangers = [fault for fault in faults if fault.kind == "extra_forbidden"]
        told: list[Problem] = []
        kinds: dict[tuple[str | int, ...], list[_Fault]] = {}
        deeper = {tuple(fault.path[:n]) for fault in faults for n in range(len(fault.path))}
        for fault in faults:
            if fault.kind in TYPE_ERRORS:
                if tuple(fault.path) not in deeper:
                    kinds.setdefault(tuple(fault.path), []).append(fault)
            elif fault.kind == "missing":
                told.extend(self._missing(fault, strangers))
            elif fault.kind == "extra_forbidden":
                told.append(self._stranger(fault))
            else:
                told.extend(self._wrong(fault))
        told.extend(self._wrong_kind(group) for group in kinds.values())
        return in_order(told)

    def _fault(self, error: Any) -> _Fault:
        fault = _Fault(error["type"], error["loc"], error.get("ctx", {}), error["msg"], error.get("input"))
        fault.node, fault.path = descend(self.place, fault.location)
        return fault

    def _told_already(self, fault: _Fault) -> bool:
        """Return whether the reader has complained about this very value, or one around it."""
        broken = self.document.broken
        if not broken:
            return False
        node = self.place
        for key in fault.path:
            if node in broken:
                return True
            below = node.child(key)
            assert below is not None  # the path was found by descending
            node = below
        return node in broken

    def _problem(self, at: Position, message: str, hint: str = "") -> Problem:
        return Problem(path=self.document.path, line=at.line, column=at.column, message=message, hint=hint)

    def _missing(self, fault: _Fault, strangers: Sequence[_Fault]) -> Iterable[Problem]:
        wanted = str(fault.location[-1])
        if isinstance(fault.location[-1], int):
            few = f"{_name(fault.path) or 'this list'} has too few values"
            yield self._problem(fault.node.position, few, f"it takes at least {fault.location[-1] + 1}")
            return
        for stranger in strangers:
            beside = stranger.path[:-1] == fault.path
            if beside and nearest(str(stranger.path[-1]), [wanted]) is not None:
                return
        inside = _name(fault.path)
        where = f" in {inside}" if inside else ""
        yield self._problem(fault.node.position, f"missing `{wanted}`{where}")

    def _stranger(self, fault: _Fault) -> Problem:
        key = str(fault.location[-1])
        parent, path = descend(self.place, fault.location[:-1])
        position = parent.key_position(key) if isinstance(parent, Mapping) else None
        known = keys_at(self.form, self.place, path)
        present = parent.keys if isinstance(parent, Mapping) else {}
        free = [name for name in known if name not in present]
        elsewhere = all_keys()
        near = nearest(key, free)
        if near is None and self.form is Journey and key not in elsewhere and len(key) > 2:
            near = nearest(key, elsewhere)
        hint = f"did you mean `{near}`?" if near else did_you_mean(key, free)
        return self._problem(position or fault.node.position, f"unknown key `{key}`", hint)

    def _wrong_kind(self, group: Sequence[_Fault]) -> Problem:
        fault = group[0]
        message, hint = wrong_kind(
            _name(fault.path) or "this document",
            [TYPE_ERRORS[item.kind] for item in group],
            fault.value,
            example=example_of(fault.path),
        )
        return self._problem(fault.node.position, message, hint)

    def _wrong(self, fault: _Fault) -> Iterable[Problem]:
        name = _name(fault.path) or "this document"
        if fault.location and fault.location[-1] == "[key]":
            yield self._wrong_key(fault)
            return
        if fault.kind != "mistake":
            words = limit_words(name, fault.kind, fault.context, fault.value)
            message, hint = words or (f"{name}: {_lower(fault.message)}", "")
            yield self._problem(fault.node.position, message, hint)
            return
        offset = fault.context.get("offset")
        if offset is not None and not isinstance(fault.node, Scalar):
            yield from self._texts_below(fault)
            return
        message, hint = _mistake(fault, name)
        yield self._problem(
            self._at(fault.node, offset) if offset is not None else _about(fault.node, message), message, hint
        )

    def _wrong_key(self, fault: _Fault) -> Problem:
        key = fault.location[-2]
        parent, _ = descend(self.place, fault.location[:-2])
        position = parent.key_position(str(key)) if isinstance(parent, Mapping) else None
        message, hint = (
            _mistake(fault, f"`{key}`") if fault.kind == "mistake" else (_lower(fault.message), "")
        )
        return self._problem(position or fault.node.position, message, hint)

    def _at(self, node: Node, offset: int | None) -> Position:
        if isinstance(node, Scalar) and offset is not None:
            return locate(node, self.document.lines, offset)
        return node.position

    def _texts_below(self, fault: _Fault) -> Iterable[Problem]:
        """Find the texts inside a tree of values that do not compile: the form only knows the tree."""
        found = False
        for scalar in scalars(fault.node):
            if not isinstance(scalar.data, str) or scalar in self.document.broken:
                continue
            try:
                compile_text(scalar.data)
            except ExpressionError as exc:
                found = True
                yield self._problem(self._at(scalar, exc.offset), exc.message, exc.hint)
        if not found:
            message, hint = _mistake(fault, _name(fault.path) or "this document")
            yield self._problem(fault.node.position, message, hint)


def _is_echo(fault: _Fault) -> bool:
    """Return whether a list is only too short because the items in it are wrong, which is told at each of them."""
    return fault.kind == "too_short" and len(fault.value or ()) >= fault.context.get("min_length", 1)


def _about(node: Node, message: str) -> Position:
    """Return where the word that a message names stands below `node`: as one of its keys, or as a value."""
    if isinstance(node, Mapping):
        for word in _NAMED.findall(message):
            key = _key_below(node, word)
            if key is not None:
                return key
            values = [scalar for scalar in scalars(node) if scalar.data == word]
            if values:
                return values[-1].position
    return node.position


def _key_below(node: Mapping, word: str) -> Position | None:
    """Return where a key stands in a mapping, or in one of its mappings."""
    below = (child for child in node.children.values() if isinstance(child, Mapping))
    places = (node.key_position(word), *(child.key_position(word) for child in below))
    return next((place for place in places if place is not None), None)


def _mistake(fault: _Fault, name: str) -> tuple[str, str]:
    message, hint = str(fault.context.get("text", fault.message)), str(fault.context.get("hint") or "")
    if fault.value is None and " is text, not " in message:
        return f"{name} has no value", "write one, or delete the line"
    if message.startswith("this "):
        message = f"{name} {message.removeprefix('this ')}"
    return message, hint


def _name(path: Sequence[str | int]) -> str:
    """Return how to speak of the value at `path`: by its key, or as an item of the list of that key."""
    key = next((element for element in reversed(path) if isinstance(element, str)), None)
    if key is None:
        return "this item" if path else ""
    return f"an item of `{key}`" if isinstance(path[-1], int) else f"`{key}`"


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message[:1].lower() + message[1:]
