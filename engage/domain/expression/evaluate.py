"""From tree to closures: computes a value over one profile's working set. Total: no data can make it raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from engage.domain.expression import numbers, words
from engage.domain.expression.functions import Computed, folding, following, selecting, shifted
from engage.domain.expression.hashing import bucket
from engage.domain.expression.numbers import is_number
from engage.domain.expression.regex import compiled, first_match
from engage.domain.expression.scope import Scope, Value
from engage.domain.expression.states import told
from engage.domain.expression.testing_values import TESTS_OF_ONE, TESTS_OF_TWO
from engage.domain.expression.tree import (
    Aggregate,
    Arithmetic,
    Both,
    Bucket,
    ChangedAt,
    Choice,
    Clock,
    Compare,
    Either,
    EntryEvent,
    Filtered,
    FilterName,
    InAudience,
    Link,
    ListOf,
    Literal,
    Member,
    Negate,
    Node,
    Not,
    Op,
    Path,
    Root,
    Secret,
    Sequence,
    Sign,
    Subscribed,
    Tested,
    TestName,
)
from engage.domain.expression.values import contains, dig, equal, less, less_or_equal

_Event = Mapping[str, Value] | None

_COMPARISONS: dict[Op, Callable[[Value, Value], bool]] = {
    Op.EQ: equal,
    Op.NE: lambda a, b: not equal(a, b),
    Op.LT: less,
    Op.LE: less_or_equal,
    Op.GT: lambda a, b: less(b, a),
    Op.GE: lambda a, b: less_or_equal(b, a),
    Op.IN: lambda a, b: contains(b, a),
    Op.NOT_IN: lambda a, b: not contains(b, a),
}


def compute(node: Node) -> Computed:
    """Return the closure that computes `node`."""
    return _COMPILERS[type(node)](node)


def compare_values(op: Op, left: Value, right: Value) -> bool:
    """Return whether `left op right`."""
    return _COMPARISONS[op](left, right)


def _literal(node: Literal) -> Computed:
    value = node.value
    return lambda _scope, _event: value


def _list(node: ListOf) -> Computed:
    items = [compute(item) for item in node.items]
    return lambda scope, event: [item(scope, event) for item in items]


def _path(node: Path) -> Computed:
    keys = node.keys
    if node.root is Root.PROFILE:
        return _of_profile(keys)
    if node.root is Root.EVENT:
        if len(keys) == 1:
            name = keys[0]
            return lambda _scope, event: None if event is None else event.get(name)
        return lambda _scope, event: _inside(event, keys)
    if node.root is Root.ENTRY:
        return lambda scope, _event: _inside(scope.entry, keys)
    if node.root is Root.WITH:
        return lambda scope, _event: _inside(scope.given, keys)
    return lambda scope, _event: _inside(scope.run, keys)


PROFILE_IDS = frozenset({"id", "user_id", "anonymous_id"})


def _of_profile(keys: tuple[str, ...]) -> Computed:
    first, rest = keys[0], keys[1:]
    if first in PROFILE_IDS:
        return lambda scope, _event: dig(scope.profile_ids.get(first), rest)
    if not rest:
        return lambda scope, _event: scope.profile.get(first)
    return lambda scope, _event: dig(scope.profile.get(first), rest)


def _inside(properties: _Event, keys: tuple[str, ...]) -> Value:
    if properties is None:
        return None
    if not keys:
        return dict(properties)
    return dig(properties.get(keys[0]), keys[1:])


def _member(node: Member) -> Computed:
    of, keys = compute(node.of), node.keys
    return lambda scope, event: dig(of(scope, event), keys)


def _entry_event(_node: EntryEvent) -> Computed:
    return lambda scope, _event: scope.entry_event


def _clock(node: Clock) -> Computed:
    shift = node.shift
    return lambda scope, _event: shifted(scope.now, shift)


def _both(node: Both) -> Computed:
    items = [compute(item) for item in node.items]
    if len(items) == 2:
        left, right = items
        return lambda scope, event: bool(left(scope, event) and right(scope, event))

    def both(scope: Scope, event: _Event) -> Value:
        return all(item(scope, event) for item in items)

    return both


def _either(node: Either) -> Computed:
    items = [compute(item) for item in node.items]

    def either(scope: Scope, event: _Event) -> Value:
        return any(item(scope, event) for item in items)

    return either


def _not(node: Not) -> Computed:
    of = compute(node.of)
    return lambda scope, event: not of(scope, event)


def _compare(node: Compare) -> Computed:
    left = compute(node.left)
    if isinstance(node.right, Literal):
        quick = _with_constant(node.op, left, node.right.value)
        if quick is not None:
            return quick
    right, holds = compute(node.right), _COMPARISONS[node.op]
    return lambda scope, event: holds(left(scope, event), right(scope, event))


def _with_constant(op: Op, left: Computed, constant: Any) -> Computed | None:
    """Return a shorter closure for the comparison people write most, with a literal on the right."""
    if isinstance(constant, str):
        if op is Op.EQ:
            return lambda scope, event: left(scope, event) == constant
        if op is Op.NE:
            return lambda scope, event: left(scope, event) != constant
        return None
    if not is_number(constant) or op not in _ON_NUMBERS:
        return None
    holds = _ON_NUMBERS[op]

    def compare(scope: Scope, event: _Event) -> Value:
        value = left(scope, event)
        kind = type(value)
        return (kind is int or kind is Decimal) and holds(value, constant)

    return compare


_ON_NUMBERS: dict[Op, Callable[[Any, Any], bool]] = {
    Op.EQ: lambda a, b: a == b,
    Op.LT: lambda a, b: a < b,
    Op.LE: lambda a, b: a <= b,
    Op.GT: lambda a, b: a > b,
    Op.GE: lambda a, b: a >= b,
}


def _plus(a: Value, b: Value) -> Value:
    if is_number(a) and is_number(b):
        return numbers.add(a, b)
    return a + b if isinstance(a, str) and isinstance(b, str) and len(a) + len(b) <= _LONGEST_TEXT else None


#: Characters; more than any event holds. Joining texts in a loop of `+` must not fill the memory.
_LONGEST_TEXT = 1_000_000


def _on_numbers(work: Callable[[Any, Any], Value]) -> Callable[[Value, Value], Value]:
    return lambda a, b: work(a, b) if is_number(a) and is_number(b) else None


_SIGNS: dict[Sign, Callable[[Value, Value], Value]] = {
    Sign.ADD: _plus,
    Sign.SUB: _on_numbers(numbers.subtract),
    Sign.MUL: _on_numbers(numbers.multiply),
    Sign.DIV: _on_numbers(numbers.divide),
}


def _arithmetic(node: Arithmetic) -> Computed:
    first = compute(node.first)
    rest = [(_SIGNS[sign], compute(operand)) for sign, operand in node.rest]

    def calculate(scope: Scope, event: _Event) -> Value:
        value = first(scope, event)
        for work, operand in rest:
            if value is None:
                return None
            value = work(value, operand(scope, event))
        return value

    return calculate


def _negate(node: Negate) -> Computed:
    of = compute(node.of)

    def negate(scope: Scope, event: _Event) -> Value:
        value = of(scope, event)
        return numbers.negate(value) if is_number(value) else None

    return negate


def _choice(node: Choice) -> Computed:
    condition, then, otherwise = compute(node.condition), compute(node.then), compute(node.otherwise)
    return lambda scope, event: then(scope, event) if condition(scope, event) else otherwise(scope, event)


_FILTERS = {
    FilterName.LOWER: words.lower,
    FilterName.UPPER: words.upper,
    FilterName.TRIM: words.trim,
    FilterName.LENGTH: words.length,
    FilterName.DATE: words.date,
    FilterName.NUMBER: words.number,
    FilterName.ABS: words.size,
}
_FILTERS_WITH_ARGUMENT: dict[FilterName, tuple[Callable[[Value, Value], Value], int | str | None]] = {
    FilterName.ROUND: (words.rounded, 0),
    FilterName.JOIN: (words.joined, ""),
    FilterName.HEAD: (words.head, None),
    FilterName.TAIL: (words.tail, None),
}


def _filtered(node: Filtered) -> Computed:
    of = compute(node.of)
    if node.name is FilterName.DEFAULT:
        other = compute(node.args[0])
        return lambda scope, event: other(scope, event) if (value := of(scope, event)) is None else value
    if node.name is FilterName.EXTRACT:
        return _extract(of, node.args[0])
    if node.name in _FILTERS:
        change = _FILTERS[node.name]
        return lambda scope, event: change(of(scope, event), scope.zone)
    change_with, absent = _FILTERS_WITH_ARGUMENT[node.name]
    argument = compute(node.args[0]) if node.args else compute(Literal(node.at, absent))
    return lambda scope, event: change_with(of(scope, event), argument(scope, event))


def _extract(of: Computed, pattern: Node) -> Computed:
    regex = compiled(_literal_text(pattern))

    def extract(scope: Scope, event: _Event) -> Value:
        value = of(scope, event)
        return first_match(regex, value) if isinstance(value, str) else None

    return extract


def _literal_text(node: Node) -> str:
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else ""


def _tested(node: Tested) -> Computed:
    of = compute(node.of)
    if node.name is TestName.MATCHING:
        regex = compiled(_literal_text(node.args[0]))

        def matching(scope: Scope, event: _Event) -> Value:
            value = of(scope, event)
            return isinstance(value, str) and first_match(regex, value) is not None

        return matching
    if node.name in TESTS_OF_ONE:
        holds = TESTS_OF_ONE[node.name]
        return lambda scope, event: holds(of(scope, event))
    compares, argument = TESTS_OF_TWO[node.name], compute(node.args[0])
    return lambda scope, event: compares(of(scope, event), argument(scope, event))


def _aggregate(node: Aggregate) -> Computed:
    select = selecting(node.events, compute)
    return told(node, select, folding(node, select))


def _sequence(node: Sequence) -> Computed:
    return following(node, compute)


def _in_audience(node: InAudience) -> Computed:
    audience = node.audience
    return lambda scope, _event: bool(scope.in_audience(audience))


def _subscribed(node: Subscribed) -> Computed:
    channel, topic = node.channel, node.topic
    return lambda scope, _event: bool(scope.subscribed(channel, topic))


def _changed_at(node: ChangedAt) -> Computed:
    trait = node.trait

    def changed_at(scope: Scope, _event: _Event) -> Value:
        instant = scope.changed_at(trait)
        return instant.astimezone(UTC) if isinstance(instant, datetime) else None

    return changed_at


def _bucket(node: Bucket) -> Computed:
    salt = node.salt
    return lambda scope, _event: bucket(salt, scope.bucket_key)


def _secret(node: Secret) -> Computed:
    name = node.name
    return lambda scope, _event: scope.secret(name)


def _link(_node: Link) -> Computed:
    return lambda _scope, _event: None  # made when the message leaves; `check` keeps it apart from the rest


_COMPILERS: dict[type[Any], Callable[[Any], Computed]] = {
    Literal: _literal,
    ListOf: _list,
    Path: _path,
    Member: _member,
    EntryEvent: _entry_event,
    Clock: _clock,
    Both: _both,
    Either: _either,
    Not: _not,
    Compare: _compare,
    Arithmetic: _arithmetic,
    Negate: _negate,
    Choice: _choice,
    Filtered: _filtered,
    Tested: _tested,
    Aggregate: _aggregate,
    Sequence: _sequence,
    InAudience: _in_audience,
    Subscribed: _subscribed,
    ChangedAt: _changed_at,
    Bucket: _bucket,
    Secret: _secret,
    Link: _link,
}
