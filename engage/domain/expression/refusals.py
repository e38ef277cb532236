"""What to say to somebody who wrote something the language has not: names, functions, filters, tests, forms."""

from __future__ import annotations

from jinja2 import nodes

from engage.domain.expression.errors import ExpressionError
from engage.domain.expression.hints import (
    CONSTANTS,
    FILTERS,
    FOREIGN_FILTERS,
    FOREIGN_TESTS,
    FUNCTIONS,
    NAMES,
    TESTS,
    WORDS,
    did_you_mean,
    listed,
)

Called = nodes.Call | nodes.Filter | nodes.Test

_FORMS: dict[type[nodes.Node], tuple[str, str]] = {
    nodes.Tuple: ("a list in round brackets is not available", "write `['a', 'b']`"),
    nodes.Dict: ("objects cannot be written in an expression", "read them by name"),
    nodes.Pos: (
        "a leading `+` is not available",
        "leave it out; a number to call stands in quotes of its own: `\"'+14155550101'\"`",
    ),
    nodes.Slice: ("`[a:b]` is not available", "use `| head(n)` or `| tail(n)`"),
}


def start_of(node: nodes.Node) -> int:
    """Return the offset at which a node begins; Jinja2 puts a member or call at its sign, not at its start."""
    while isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Call | nodes.Filter | nodes.Test):
        if node.node is None:
            break
        node = node.node
    return node.lineno


def refused_form(node: nodes.Node) -> ExpressionError:
    """Return the refusal of a form of Jinja2 that the language has not."""
    message, hint = _FORMS.get(
        type(node), ("this form is not available in an expression", "write a condition or a value")
    )
    return ExpressionError(message, hint=hint, offset=node.lineno)


def refused_method(node: nodes.Call) -> ExpressionError:
    """Return the refusal of a call of anything but a function."""
    if isinstance(node.node, nodes.Getattr):
        name = node.node.attr
        hint = _method_hint(name)
        return ExpressionError(
            f"`.{name}(…)` is a method, and data has none", hint=hint, offset=node.node.lineno
        )
    return ExpressionError(
        "only functions can be called", hint=f"the functions are {listed(FUNCTIONS)}", offset=node.lineno
    )


def _method_hint(name: str) -> str:
    word = name.replace("_", "").lower()
    if name in FILTERS:
        return f"write `… | {name}`"
    if word in FOREIGN_TESTS:
        return f"write {FOREIGN_TESTS[word]}"
    if word in FOREIGN_FILTERS:
        return f"use {FOREIGN_FILTERS[word]}"
    near = did_you_mean(name, FILTERS)
    return near or "read properties as `.name`, change values with filters, as in `… | lower`"


def unknown_name(name: str, at: int) -> ExpressionError:
    """Return the refusal of a name that means nothing."""
    word = name.lower()
    if word in WORDS:
        hint = f"did you mean {WORDS[word]}?"
    elif name in FUNCTIONS:
        hint = f"`{name}` is a function: write `{name}(…)`"
    else:
        near = did_you_mean(name, NAMES | CONSTANTS)
        hint = (
            near
            or f"a text stands in quotes: `'{name}'`; a trait is `profile.{name}`, a property `event.{name}`"
        )
    return ExpressionError(f"`{name}` is unknown", hint=hint, offset=at)


def unknown_function(name: str, at: int) -> ExpressionError:
    """Return the refusal of a function that does not exist."""
    if name in FILTERS:
        hint = f"`{name}` is a filter: write `… | {name}`"
    elif name in TESTS:
        hint = f"`{name}` is a test: write `… is {name}`"
    elif name in NAMES:
        hint = f"write `{name}` without brackets"
    elif name == "len":
        hint = "write `… | length`"
    else:
        hint = did_you_mean(name, FUNCTIONS) or f"the functions are {listed(FUNCTIONS)}"
    return ExpressionError(f"there is no function `{name}`", hint=hint, offset=at)


def unknown_filter(name: str, at: int) -> ExpressionError:
    """Return the refusal of a filter that does not exist."""
    if name in FOREIGN_FILTERS:
        hint = f"use {FOREIGN_FILTERS[name]}"
    elif name in TESTS:
        hint = f"`{name}` is a test: write `… is {name}`"
    else:
        hint = did_you_mean(name, FILTERS) or f"the filters are {listed(FILTERS)}"
    return ExpressionError(f"there is no filter `{name}`", hint=hint, offset=at)


def unknown_test(name: str, at: int) -> ExpressionError:
    """Return the refusal of a test that does not exist."""
    word = name.replace("_", "").lower()
    if word in FOREIGN_TESTS:
        hint = f"write {FOREIGN_TESTS[word]}"
    elif name in FILTERS:
        hint = f"`{name}` is a filter: write `… | {name}`"
    else:
        hint = did_you_mean(name, TESTS) or f"the tests are {listed(TESTS)}; values are compared with `==`"
    return ExpressionError(f"there is no test `{name}`", hint=hint, offset=at)


def member_key(node: nodes.Getitem) -> str:
    """Return the name in `['name']`.

    Raises:
        ExpressionError: something else stands in the brackets.
    """
    key = node.arg
    if isinstance(key, nodes.Const) and isinstance(key.value, str):
        return key.value
    if isinstance(key, nodes.Const) or (isinstance(key, nodes.Neg) and isinstance(key.node, nodes.Const)):
        hint = "for a part of a list or text use `| head(n)` or `| tail(n)`"
        raise ExpressionError("elements have no numbers here", hint=hint, offset=node.lineno)
    if isinstance(key, nodes.Slice):
        raise refused_form(key)
    raise ExpressionError(
        "only a text in quotes may stand in `[…]`", hint="write `['name']`", offset=node.lineno
    )


def only_plain_arguments(node: Called) -> None:
    """Refuse `*list` and `**object` among arguments."""
    for spread in (node.dyn_args, node.dyn_kwargs):
        if spread is not None:
            hint = "write the arguments one by one"
            raise ExpressionError("`*` cannot stand before an argument", hint=hint, offset=spread.lineno)


def count_arguments(what: str, node: nodes.Filter | nodes.Test, least: int, most: int) -> None:
    """Refuse too few, too many and named arguments of a filter or test."""
    if node.kwargs:
        at = start_of(node.kwargs[0].value)
        raise ExpressionError(f"{what} has no named arguments", hint="write the value alone", offset=at)
    if len(node.args) < least:
        hint = f"write {what[:-1]}(…)`"
        raise ExpressionError(f"{what} needs an argument", hint=hint, offset=node.lineno)
    if len(node.args) > most:
        hint = "leave it out" if most == 0 else f"it takes {most}"
        raise ExpressionError(f"{what} has too many arguments", hint=hint, offset=start_of(node.args[most]))
