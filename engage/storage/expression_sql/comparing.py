"""Comparing: equality, order and membership between two values, as Python does it."""

from engage.domain.expression.tree import Op
from engage.storage.expression_sql.conversions import as_json, is_list_or_object, seen_as
from engage.storage.expression_sql.fragments import (
    FALSE,
    PERHAPS,
    Condition,
    Kind,
    Sql,
    Value,
    all_of,
    any_of,
    bounded,
    negated,
    opposite,
    where_known,
)

_ORDERED = (Kind.NUMBER, Kind.TEXT, Kind.BOOLEAN, Kind.INSTANT)


def compare(op: Op, left: Value, right: Value) -> Condition:
    """Return whether `left op right`."""
    match op:
        case Op.EQ:
            return equal(left, right)
        case Op.NE:
            return opposite(equal(left, right))
        case Op.IN:
            return contains(right, left)
        case Op.NOT_IN:
            return opposite(contains(right, left))
        case Op.LT | Op.LE:
            return _ordered(op, left, right)
        case _:
            return _ordered(Op.LT if op is Op.GT else Op.LE, right, left)


def equal(left: Value, right: Value) -> Condition:
    """Return whether two values are of one type and equal."""
    if Kind.SET in (left.kind, right.kind):
        return PERHAPS
    if left.kind is right.kind:
        same = f"({left.sql} IS NOT DISTINCT FROM {right.sql})"
    elif Kind.JSON in (left.kind, right.kind) and Kind.INSTANT not in (left.kind, right.kind):
        left, right = as_json(left), as_json(right)
        same = f"({left.sql} IS NOT DISTINCT FROM {right.sql})"
    else:  # different types: equal only as none
        same = f"({left.sql} IS NULL AND {right.sql} IS NULL)"
    exact = where_known(same, left, right)
    # In Python an object with a null is equal to one without; jsonb sees a difference.
    alike = all_of(is_list_or_object(left), is_list_or_object(right))
    return bounded(Condition(exact.surely, any_of(exact.maybe, alike)))


def _ordered(op: Op, left: Value, right: Value) -> Condition:
    if Kind.SET in (left.kind, right.kind):
        return where_known(FALSE, left, right)
    pairs: list[Sql] = []
    for kind in _ORDERED:
        a, b = seen_as(left, kind), seen_as(right, kind)
        if a is not None and b is not None:
            collated = ' COLLATE "C"' if kind is Kind.TEXT else ""
            pairs.append(f"coalesce({a} {op} {b}{collated}, false)")
    return where_known(any_of(*pairs), left, right)


def contains(container: Value, item: Value) -> Condition:
    """Return whether a list has the element or a text the substring."""
    pieces: list[Sql] = []
    text, part = seen_as(container, Kind.TEXT), seen_as(item, Kind.TEXT)
    if text is not None and part is not None:
        pieces.append(f"coalesce(strpos({text}, {part}) > 0, false)")
    if container.kind not in (Kind.JSON, Kind.SET):
        return where_known(any_of(*pieces), container, item)
    if item.kind is Kind.INSTANT:
        element = "'null'::jsonb"
        pieces.append(all_of(f"({item.sql} IS NULL)", _has(container, element)))
        return where_known(any_of(*pieces), container, item)
    found = as_json(item)
    nested = is_list_or_object(found)
    here = all_of(negated(nested), _has(container, f"coalesce({found.sql}, 'null'::jsonb)"))
    exact = where_known(any_of(*pieces, here), container, found)
    return bounded(Condition(exact.surely, any_of(exact.maybe, nested)))


def _has(container: Value, element: Sql) -> Sql:
    if container.kind is Kind.SET:
        return f"({container.sql} @> {element})"
    if container.scalar:
        return FALSE
    return f"coalesce(jsonb_typeof({container.sql}) = 'array' AND {container.sql} @> {element}, false)"
