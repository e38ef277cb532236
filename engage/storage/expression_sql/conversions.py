"""Conversions: a value of unknown type seen as a number, a text, a truth, an instant — NULL where it is none."""

from engage.storage.expression_sql.fragments import (
    FALSE,
    NONE,
    TRUE,
    UNKNOWN,
    Condition,
    Kind,
    Sql,
    Value,
    all_of,
    kept_short,
    negated,
    where_known,
)

_TYPE_OF = {Kind.NUMBER: "number", Kind.TEXT: "string", Kind.BOOLEAN: "boolean"}
LIST_OR_OBJECT = "('array', 'object')"
# Within these bounds sums and products are exact in Python and in SQL alike; beyond 1,000 digits Python gives none.
_LARGEST, _MOST_PLACES = "1e300", 300
_FALSY = """('false'::jsonb, '0'::jsonb, '""'::jsonb, '[]'::jsonb, '{}'::jsonb)"""
_EMPTY = """('""'::jsonb, '[]'::jsonb, '{}'::jsonb)"""


def seen_as(value: Value, kind: Kind) -> Sql | None:
    """Return the SQL of `value` as that type, NULL where it is another one; None if it is never that type."""
    if value.kind is kind:
        return value.sql
    if value.kind is not Kind.JSON or kind not in _TYPE_OF:
        return None
    inner = f"{value.sql} #>> '{{}}'" if kind is Kind.TEXT else f"({value.sql})::{kind}"
    return f"CASE WHEN jsonb_typeof({value.sql}) = '{_TYPE_OF[kind]}' THEN {inner} END"


def as_kind(value: Value, kind: Kind) -> Value:
    """Return the value as that type, none where it is another one."""
    sql = seen_as(value, kind)
    if sql is None:
        return Value(sql=f"NULL::{kind}", kind=kind, known=value.known)
    return kept_short(Value(sql=sql, kind=kind, known=value.known, small=value.small))


def as_json(value: Value) -> Value:
    """Return the value as JSON; instants are none of JSON's values, so they are unknown there."""
    match value.kind:
        case Kind.JSON:
            return value
        case Kind.INSTANT | Kind.SET:
            return UNKNOWN
        case _:
            return Value(
                sql=value.json or f"to_jsonb({value.sql})",
                kind=Kind.JSON,
                known=value.known,
                scalar=True,
            )


def operand(value: Value) -> Value:
    """Return the value as a number to calculate with: known only within the bounds in which that is exact."""
    number = as_kind(value, Kind.NUMBER)
    if number.small or number.sql == "NULL::numeric":
        return number
    fits = f"abs({number.sql}) < {_LARGEST} AND scale({number.sql}) <= {_MOST_PLACES}"
    return kept_short(
        Value(
            sql=f"(CASE WHEN {fits} THEN {number.sql} END)",
            kind=Kind.NUMBER,
            known=all_of(number.known, f"coalesce({fits}, true)"),
        )
    )


def truth(value: Value) -> Condition:
    """Return whether a value is true: none, false, 0, '', [] and {} are not."""
    sql = value.sql
    match value.kind:
        case Kind.BOOLEAN:
            holds = f"coalesce({sql}, false)" if sql not in (TRUE, FALSE) else sql
        case Kind.NUMBER:
            holds = f"coalesce({sql} <> 0, false)"
        case Kind.TEXT:
            holds = f"coalesce({sql} <> '', false)"
        case Kind.INSTANT:
            holds = f"({sql} IS NOT NULL)"
        case Kind.SET:
            holds = f"coalesce(jsonb_array_length({sql}) > 0, false)"
        case Kind.JSON:
            holds = FALSE if value is NONE else f"coalesce({sql} NOT IN {_FALSY}, false)"
    return where_known(holds, value)


def is_none(value: Value) -> Condition:
    """Return whether a value is none."""
    return where_known(FALSE if value.kind is Kind.SET else f"({value.sql} IS NULL)", value)


def is_empty(value: Value) -> Condition:
    """Return whether a value is none, '', [] or {}."""
    match value.kind:
        case Kind.JSON:
            holds = f"coalesce({value.sql} IN {_EMPTY}, true)"
        case Kind.TEXT:
            holds = f"coalesce({value.sql} = '', true)"
        case Kind.SET:
            holds = f"(jsonb_array_length({value.sql}) = 0)"
        case _:
            holds = f"({value.sql} IS NULL)"
    return where_known(holds, value)


def has_type(value: Value, kind: Kind) -> Condition:
    """Return whether a value is of that type."""
    if value.kind is Kind.JSON:
        return where_known(f"coalesce(jsonb_typeof({value.sql}) = '{_TYPE_OF[kind]}', false)", value)
    return where_known(f"({value.sql} IS NOT NULL)" if value.kind is kind else FALSE, value)


def is_list_or_object(value: Value) -> Sql:
    """Return whether a value is a list or an object, which SQL compares by other rules than Python."""
    if value.kind is not Kind.JSON or value.scalar:
        return FALSE
    return f"coalesce(jsonb_typeof({value.sql}) IN {LIST_OR_OBJECT}, false)"


def no_lists(*values: Sql) -> Sql:
    """Return whether none of these JSON values is a list."""
    return all_of(*(negated(f"coalesce(jsonb_typeof({value}) = 'array', false)") for value in values))
