"""Which keys may stand at a place of a form: what "did you mean" chooses from."""

from collections.abc import Iterator
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from engage.domain.steps import VERBS, Step
from engage.project.yaml.nodes import Location, Mapping, Node


def keys_at(form: type[BaseModel], node: Node, location: Location) -> frozenset[str]:
    """Return the keys of the form whose value stands at `location` below `node`; empty if that is no form."""
    found: Any = form
    for element in location:
        found = _below(found, node, element)
        if found is None:
            return frozenset()
        below = node.child(element)
        node = below if below is not None else node
    model = _model_in(found, node)
    return frozenset() if model is None else _keys(model)


@lru_cache(maxsize=512)
def _keys(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items() if not field.exclude)


@lru_cache(maxsize=1)
def all_keys() -> frozenset[str]:
    """Return every key of a step at any depth: a misspelt key may belong to a shorter way of writing a form."""
    seen: set[type[BaseModel]] = set()
    todo: list[type[BaseModel]] = list(VERBS.values())
    while todo:
        model = todo.pop()
        if model not in seen:
            seen.add(model)
            todo.extend(
                below for field in model.model_fields.values() for below in _models_in(field.annotation)
            )
    return frozenset(key for model in seen for key in _keys(model))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            yield member
        for argument in get_args(member):
            yield from _models_in(argument)


def _below(annotation: Any, node: Node, element: str | int) -> Any:
    """Return the annotation of the value at `element`; an element that is no key (a union's tag) stays put."""
    model = _model_in(annotation, node)
    if model is not None:
        for name, field in model.model_fields.items():
            if element in (field.alias, name):
                return field.annotation
        return annotation
    for member in _members(annotation):
        origin, arguments = get_origin(member), get_args(member)
        if origin is dict and isinstance(element, str):
            return arguments[1]
        if origin in (list, tuple) and isinstance(element, int):
            return arguments[0]
    return annotation


def _model_in(annotation: Any, node: Node) -> type[BaseModel] | None:
    for member in _members(annotation):
        if member is Step:
            verbs = [key for key in node.keys if key in VERBS] if isinstance(node, Mapping) else []
            return VERBS[verbs[0]] if len(verbs) == 1 else None
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member
    return None


def _members(annotation: Any) -> Iterator[Any]:
    """Yield what an annotation may be, without `Annotated` and `|`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for argument in get_args(annotation):
            yield from _members(argument)
    elif annotation is not type(None):
        yield annotation
