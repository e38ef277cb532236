"""The compiled expressions and texts of a form, each with the value of the file it was written as."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from engage.domain.expression import Expression, Text
from engage.project.yaml.nodes import Node


@dataclass(frozen=True, slots=True)
class CompiledAt:
    """One expression or text at its place; `key` is the key it stands under."""

    compiled: Expression | Text
    node: Node
    key: str


def compiled_at(form: object, node: Node, key: str = "") -> Iterator[CompiledAt]:
    """Yield every expression and text of `form`, at any depth; what a form made up itself is at its parent's place."""
    if isinstance(form, Expression | Text):
        yield CompiledAt(form, node, key)
    elif isinstance(form, BaseModel):
        for name, field in type(form).model_fields.items():
            shown = field.alias or name
            yield from compiled_at(getattr(form, name), node.child(shown) or node, shown)
    elif isinstance(form, dict):
        for name, value in form.items():
            yield from compiled_at(value, node.child(str(name)) or node, str(name))
    elif isinstance(form, list | tuple):
        for index, value in enumerate(form):
            yield from compiled_at(value, node.child(index) or node, key)
