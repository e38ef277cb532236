"""From tree back to source: one canonical spelling for every meaning."""

from __future__ import annotations

from decimal import Decimal

from engage.domain.expression import tree
from engage.domain.expression.numbers import number_text
from engage.domain.expression.tree import Node
from engage.domain.timing import format_duration


def render(node: Node) -> str:
    """Return `node` in its canonical spelling; parsing it gives an equal tree."""
    match node:
        case tree.Literal():
            return _literal(node.value)
        case tree.ListOf():
            return f"[{', '.join(map(render, node.items))}]"
        case tree.Path():
            return node.root.value + _keys(node.keys)
        case tree.Member():
            return f"{_inner(node.of)}{_keys(node.keys)}"
        case tree.EntryEvent():
            return "entry_event"
        case tree.Clock():
            return _clock(node)
        case tree.Both():
            return " and ".join(map(_inner, node.items))
        case tree.Either():
            return " or ".join(map(_inner, node.items))
        case tree.Not():
            return f"not {_inner(node.of)}"
        case tree.Compare():
            return f"{_inner(node.left)} {node.op} {_inner(node.right)}"
        case tree.Arithmetic():
            return _inner(node.first) + "".join(f" {sign} {_inner(operand)}" for sign, operand in node.rest)
        case tree.Negate():
            return f"-{_inner(node.of)}"
        case _:
            return _render_more(node)


def _render_more(node: Node) -> str:
    match node:
        case tree.Choice():
            return f"{_inner(node.then)} if {_inner(node.condition)} else {_inner(node.otherwise)}"
        case tree.Filtered():
            return f"{_inner(node.of)} | {node.name}" + (
                f"({', '.join(map(render, node.args))})" if node.args else ""
            )
        case tree.Tested():
            return f"{_inner(node.of)} is {node.name}" + (
                f"({', '.join(map(render, node.args))})" if node.args else ""
            )
        case tree.Aggregate():
            prop = [] if node.prop is None else [_quote(".".join(node.prop))]
            return f"{node.fold}({', '.join([_quote(node.events.name), *prop, *_window(node.events)])})"
        case tree.Sequence():
            steps = [_step(step) for step in node.steps]
            within = [] if node.within is None else [f"within={_quote(format_duration(node.within))}"]
            return f"sequence({', '.join(steps + within)})"
        case tree.InAudience():
            return f"in_audience({_quote(node.audience)})"
        case tree.Subscribed():
            return f"subscribed({_quote(node.channel)}, {_quote(node.topic)})"
        case tree.ChangedAt():
            return f"changed_at({_quote(node.trait)})"
        case tree.Bucket():
            return f"bucket({_quote(node.salt)})"
        case tree.Secret():
            return f"secret({_quote(node.name)})"
        case tree.Link():
            return node.name if node.argument is None else f"{node.name}({_quote(node.argument)})"
        case _:
            raise AssertionError(f"no spelling for {type(node).__name__}")


_ATOMS = (
    tree.ListOf,
    tree.Path,
    tree.EntryEvent,
    tree.Clock,
    tree.Aggregate,
    tree.Sequence,
    tree.InAudience,
    tree.Subscribed,
    tree.ChangedAt,
    tree.Bucket,
    tree.Secret,
    tree.Link,
)


def _inner(node: Node) -> str:
    is_atom = isinstance(node, _ATOMS) or (isinstance(node, tree.Literal) and not _is_negative(node))
    return render(node) if is_atom else f"({render(node)})"


def _is_negative(node: tree.Literal) -> bool:
    return isinstance(node.value, int | Decimal) and node.value < 0


def _literal(value: bool | int | Decimal | str | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quote(value) if isinstance(value, str) else number_text(value)


def _quote(text: str) -> str:
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + "'"


def _keys(keys: tuple[str, ...]) -> str:
    return "".join(f".{key}" if key.isidentifier() else f"[{_quote(key)}]" for key in keys)


def _clock(node: tree.Clock) -> str:
    if node.word == "now":
        return "now"
    return f"{node.word}({_quote(format_duration(abs(node.shift)))})"


def _window(events: tree.Events) -> list[str]:
    parts = [] if events.within is None else [f"within={_quote(format_duration(events.within))}"]
    for name, node in (("since", events.since), ("before", events.before), ("where", events.where)):
        if node is not None:
            parts.append(f"{name}={render(node)}")
    return parts


def _step(step: tree.Events) -> str:
    return (
        _quote(step.name) if step.where is None else f"step({_quote(step.name)}, where={render(step.where)})"
    )
