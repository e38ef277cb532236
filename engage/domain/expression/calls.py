"""The functions of the language: which arguments they take, and the tree each becomes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

from jinja2 import nodes

from engage.domain.delivery.delivery import REACHING
from engage.domain.expression import tree
from engage.domain.expression.errors import ExpressionError
from engage.domain.expression.hints import did_you_mean, listed
from engage.domain.expression.refusals import start_of
from engage.domain.expression.tree import Fold, Node
from engage.domain.profile.spelling import trait_path
from engage.domain.timing import DurationError, parse_duration

#: Folds that need a property; `first` and `last` may have one.
_OF_PROPERTY = frozenset({Fold.SUM, Fold.AVG, Fold.MIN, Fold.MAX, Fold.VALUES, Fold.MODE})
_MAYBE_PROPERTY = frozenset({Fold.FIRST, Fold.LAST})
_WINDOW = ("within", "since", "before", "where")
_MOST_STEPS = 20


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call as parsed; `build` makes a tree of one of them."""

    at: int
    given: list[nodes.Expr]
    named: list[nodes.Keyword]
    build: Callable[[nodes.Expr], Node]

    def by_name(self, function: str, known: Collection[str]) -> dict[str, nodes.Expr]:
        """Return the named arguments; refuses names that `function` has not and repetitions."""
        found: dict[str, nodes.Expr] = {}
        for keyword in self.named:
            if keyword.key not in known:
                hint = did_you_mean(keyword.key, known) if known else ""
                raise ExpressionError(
                    f"`{function}` has no `{keyword.key}=`",
                    hint=hint
                    or (f"it has {listed(known)}" if known else f"`{function}` takes no named arguments"),
                    offset=start_of(keyword.value),
                )
            if keyword.key in found:
                hint = "join conditions with `and`" if keyword.key == "where" else "keep one of them"
                at = start_of(keyword.value)
                raise ExpressionError(f"`{keyword.key}=` is given twice", hint=hint, offset=at)
            found[keyword.key] = keyword.value
        return found

    def counted(self, function: str, example: str, least: int, most: int) -> list[nodes.Expr]:
        """Return the arguments without a name; refuses too few and too many."""
        if not least <= len(self.given) <= most:
            problem = "needs more arguments" if len(self.given) < least else "has too many arguments"
            at = start_of(self.given[most]) if len(self.given) > most else self.at
            raise ExpressionError(f"`{function}` {problem}", hint=f"write `{example}`", offset=at)
        return self.given


def build_call(name: str, arguments: Arguments) -> Node:
    """Return the tree of a call of the function `name`, which exists.

    Raises:
        ExpressionError: the arguments are not those of the function.
    """
    if name in _FOLDS:
        return _aggregate(Fold(name), arguments)
    return _BUILDERS[name](name, arguments)


def literal_text(node: Node, what: str) -> str:
    """Return the text of a literal.

    Raises:
        ExpressionError: it is something else; `what` names it.
    """
    if isinstance(node, tree.Literal) and isinstance(node.value, str):
        if not node.value:
            raise ExpressionError(f"{what} is empty", hint="write it between the quotes", offset=node.at)
        return node.value
    raise ExpressionError(
        f"{what} must be a text in quotes", hint="it is read before any person is looked at", offset=node.at
    )


def _duration(node: Node, what: str) -> timedelta:
    if isinstance(node, tree.Literal) and not isinstance(node.value, str):
        raise ExpressionError(
            f"{what} must be a duration in quotes", hint="write for example `'3 days'`", offset=node.at
        )
    text = literal_text(node, what)
    try:
        return parse_duration(text)
    except DurationError as exc:
        raise ExpressionError(exc.message, hint=exc.hint, offset=node.at) from exc


def _positive(node: Node, what: str) -> timedelta:
    duration = _duration(node, what)
    if not duration:
        raise ExpressionError(f"{what} is nothing", hint="write for example `'3 days'`", offset=node.at)
    return duration


def _event_name(node: Node) -> str:
    return literal_text(node, "the event's name")


def _property(node: Node) -> tuple[str, ...]:
    text = literal_text(node, "the property's name")
    keys = tuple(text.split("."))
    if not all(keys):
        raise ExpressionError(
            f"`{text}` is not a path", hint="write for example `'products.sku'`", offset=node.at
        )
    return keys


def _aggregate(fold: Fold, arguments: Arguments) -> Node:
    named = arguments.by_name(fold, _WINDOW)
    least, most = (2, 2) if fold in _OF_PROPERTY else (1, 2) if fold in _MAYBE_PROPERTY else (1, 1)
    example = f"{fold}('Order Completed', 'total')" if least == 2 else f"{fold}('Order Completed')"
    given = arguments.counted(fold, example, least, most)
    name = _event_name(arguments.build(given[0]))
    prop = _property(arguments.build(given[1])) if len(given) > 1 else None
    parts = {key: arguments.build(node) for key, node in named.items()}
    events = tree.Events(
        arguments.at,
        name,
        within=_positive(parts["within"], "`within`") if "within" in parts else None,
        since=parts.get("since"),
        before=parts.get("before"),
        where=parts.get("where"),
    )
    return tree.Aggregate(arguments.at, fold, events, prop)


def _sequence(name: str, arguments: Arguments) -> Node:
    named = arguments.by_name(name, ("within",))
    given = arguments.counted(
        name, "sequence('Cart Updated', 'Order Completed', within='2 days')", 2, _MOST_STEPS
    )
    within = _positive(arguments.build(named["within"]), "`within`") if "within" in named else None
    return tree.Sequence(arguments.at, tuple(_step(item, arguments) for item in given), within)


def _step(item: nodes.Expr, arguments: Arguments) -> tree.Events:
    if isinstance(item, nodes.Call) and isinstance(item.node, nodes.Name) and item.node.name == "step":
        inner = Arguments(item.node.lineno, item.args, item.kwargs, arguments.build)
        named = inner.by_name("step", ("where",))
        [event] = inner.counted("step", "step('Order Completed', where=event.total >= 20)", 1, 1)
        where = arguments.build(named["where"]) if "where" in named else None
        return tree.Events(inner.at, _event_name(arguments.build(event)), where=where)
    node = arguments.build(item)
    return tree.Events(node.at, _event_name(node))


def _lonely_step(name: str, arguments: Arguments) -> Node:
    hint = "write `sequence('A', step('B', where=…))`"
    raise ExpressionError(f"`{name}(…)` stands inside `sequence(…)` only", hint=hint, offset=arguments.at)


def _one_text(name: str, arguments: Arguments, example: str, what: str) -> tuple[str, int]:
    arguments.by_name(name, ())
    [given] = arguments.counted(name, example, 1, 1)
    node = arguments.build(given)
    return literal_text(node, what), node.at


def _in_audience(name: str, arguments: Arguments) -> Node:
    audience, at = _one_text(name, arguments, "in_audience('vip')", "the audience's name")
    return tree.InAudience(at, audience)


def _subscribed(name: str, arguments: Arguments) -> Node:
    arguments.by_name(name, ())
    given = arguments.counted(name, "subscribed('sms', 'promotions')", 2, 2)
    channel, topic = (arguments.build(item) for item in given)
    word = literal_text(channel, "the channel")
    known = {channel.value for channel in REACHING}
    if word not in known:
        hint = did_you_mean(word, known) or f"the channels are {listed(known)}"
        raise ExpressionError(f"`{word}` is not a channel", hint=hint, offset=channel.at)
    return tree.Subscribed(arguments.at, word, literal_text(topic, "the topic"))


def _changed_at(name: str, arguments: Arguments) -> Node:
    trait, _ = _one_text(name, arguments, "changed_at('plan')", "the trait's name")
    (canonical,) = trait_path((trait.removeprefix("profile."),))
    return tree.ChangedAt(arguments.at, canonical)


def _bucket(name: str, arguments: Arguments) -> Node:
    salt, _ = _one_text(name, arguments, "bucket('spring-test') < 10", "the salt")
    return tree.Bucket(arguments.at, salt)


def _secret(name: str, arguments: Arguments) -> Node:
    secret, _ = _one_text(name, arguments, "secret('NAME')", "the secret's name")
    return tree.Secret(arguments.at, secret)


def _link(name: str, arguments: Arguments) -> Node:
    example = "confirm_url('newsletter')" if name == "confirm_url" else "link('https://shop.example')"
    target, _ = _one_text(name, arguments, example, "what it leads to")
    return tree.Link(arguments.at, name, target)


def _moment(name: str, arguments: Arguments) -> Node:
    arguments.by_name(name, ())
    [given] = arguments.counted(name, f"{name}('3 days')", 1, 1)
    shift = _duration(arguments.build(given), f"the duration of `{name}`")
    return tree.Clock(arguments.at, -shift if name == "ago" else shift, name)


_FOLDS = frozenset(fold.value for fold in Fold)
_BUILDERS: dict[str, Callable[[str, Arguments], Node]] = {
    "sequence": _sequence,
    "step": _lonely_step,
    "in_audience": _in_audience,
    "subscribed": _subscribed,
    "changed_at": _changed_at,
    "bucket": _bucket,
    "secret": _secret,
    "confirm_url": _link,
    "link": _link,
    "ago": _moment,
    "ahead": _moment,
}
