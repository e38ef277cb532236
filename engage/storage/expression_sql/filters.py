"""Filters and tests: what stands after `|` and after `is`."""

from zoneinfo import ZoneInfo

from engage.domain.expression.numbers import is_number
from engage.domain.expression.tree import Filtered, FilterName, Literal, Node, TestName
from engage.domain.expression.values import parse_instant
from engage.domain.expression.words import WHITE_SPACE
from engage.domain.timing import parse_date_text
from engage.storage.expression_sql.comparing import contains
from engage.storage.expression_sql.conversions import (
    as_json,
    as_kind,
    has_type,
    is_empty,
    is_none,
    operand,
    seen_as,
)
from engage.storage.expression_sql.fragments import (
    FALSE,
    UNKNOWN,
    Condition,
    Kind,
    Params,
    Sql,
    Value,
    all_of,
    any_of,
    kept_short,
    opposite,
    where_known,
    with_known,
)

_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_LONGEST_NUMBER = 1_000
# Texts that PostgreSQL reads as Python does, and never refuses: every day of them exists, the 29th of February aside.
_DAY = "(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31"
_INSTANT = (
    rf"^(19|20)[0-9]{{2}}-({_DAY})T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{{1,6}})?"
    r"(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])$"
)
# Of these the microseconds are exact in a double, and the year has four digits.
_SECONDS, _MILLISECONDS = ("0", "4000000000"), ("100000000000", "4000000000000")
_MOST_PLACES = 30
_NO_ZONE = ZoneInfo("UTC")


def filtered(params: Params, node: Filtered, of: Value, argument: Value | None) -> Value:
    """Return the value that a filter makes of another."""
    match node.name:
        case FilterName.DEFAULT:
            assert argument is not None
            return _default(of, argument)
        case FilterName.DATE:
            return _date(params, node.of, of)
        case FilterName.NUMBER:
            return _number(of)
        case FilterName.LENGTH:
            return _length(of)
        case FilterName.LOWER | FilterName.UPPER:
            text = as_kind(of, Kind.TEXT)
            ascii_only = f"coalesce(octet_length({text.sql}) = char_length({text.sql}), true)"
            # Only of ASCII letters: what PostgreSQL makes of others depends on its collation.
            return with_known(_mapped(text, f'{node.name}({text.sql} COLLATE "C")'), ascii_only)
        case FilterName.TRIM:
            text = as_kind(of, Kind.TEXT)
            return _mapped(text, f"btrim({text.sql}, {params.text(WHITE_SPACE)})")
        case FilterName.ABS:
            number = as_kind(of, Kind.NUMBER)
            return kept_short(
                Value(sql=f"abs({number.sql})", kind=Kind.NUMBER, known=number.known, small=number.small)
            )
        case FilterName.ROUND:
            return _rounded(node, of)
        case _:
            return UNKNOWN


def _mapped(text: Value, sql: Sql) -> Value:
    return kept_short(Value(sql=sql, kind=Kind.TEXT, known=text.known))


def _default(of: Value, other: Value) -> Value:
    if of.kind is not other.kind:
        of, other = as_json(of), as_json(other)
    if of.kind is Kind.SET:
        return of
    known = all_of(of.known, any_of(other.known, f"({of.sql} IS NOT NULL)"))
    return kept_short(
        Value(
            sql=f"coalesce({of.sql}, {other.sql})",
            kind=of.kind,
            known=known,
            scalar=of.scalar and other.scalar,
            small=of.small and other.small,
        )
    )


def _date(params: Params, source: Node, of: Value) -> Value:
    if of.kind is Kind.INSTANT:
        return of
    if isinstance(source, Literal):
        return _date_of_literal(params, source)
    text, number = seen_as(of, Kind.TEXT), seen_as(of, Kind.NUMBER)
    cases: list[Sql] = []
    plain: list[Sql] = []
    if text is not None:
        readable = f"{text} ~ '{_INSTANT}'"
        cases.append(f"WHEN {readable} THEN ({text})::timestamptz")
        plain.append(f"({text} IS NULL OR {readable})")
    if number is not None:
        for (least, beyond), factor in ((_SECONDS, "1000000"), (_MILLISECONDS, "1000")):
            micros = f"trunc({number} * {factor})::double precision"
            cases.append(
                f"WHEN {number} >= {least} AND {number} < {beyond}"
                f" THEN timestamptz '1970-01-01 00:00:00+00' + {micros} * interval '1 microsecond'"
            )
        within = any_of(
            *(f"({number} >= {least} AND {number} < {beyond})" for least, beyond in (_SECONDS, _MILLISECONDS))
        )
        plain.append(f"({number} IS NULL OR {within})")
    if not cases:
        return Value(sql="NULL::timestamptz", kind=Kind.INSTANT, known=of.known)
    sql = f"(CASE {' '.join(cases)} END)"
    return kept_short(Value(sql=sql, kind=Kind.INSTANT, known=all_of(of.known, *plain)))


def _date_of_literal(params: Params, source: Literal) -> Value:
    value = source.value
    if isinstance(value, str) and parse_date_text(value) is not None:
        return Value(sql="NULL::timestamptz", kind=Kind.INSTANT, known=FALSE)  # midnight in each one's zone
    instant = parse_instant(value, _NO_ZONE)
    sql = "NULL::timestamptz" if instant is None else params.instant(instant)
    return Value(sql=sql, kind=Kind.INSTANT)


def _number(of: Value) -> Value:
    if of.kind is Kind.NUMBER:
        return of
    text, number = seen_as(of, Kind.TEXT), seen_as(of, Kind.NUMBER)
    if text is None:
        return as_kind(of, Kind.NUMBER)
    readable = f"char_length({text}) <= {_LONGEST_NUMBER} AND {text} ~ '{_DECIMAL}'"
    read = f"CASE WHEN {readable} THEN ({text})::numeric END"
    sql = f"({read})" if number is None else f"coalesce({number}, {read})"
    return kept_short(Value(sql=sql, kind=Kind.NUMBER, known=of.known))


def _length(of: Value) -> Value:
    match of.kind:
        case Kind.TEXT:
            return Value(sql=f"char_length({of.sql})::numeric", kind=Kind.NUMBER, known=of.known, small=True)
        case Kind.SET:
            return Value(
                sql=f"jsonb_array_length({of.sql})::numeric", kind=Kind.NUMBER, known=of.known, small=True
            )
        case Kind.JSON:
            text = seen_as(of, Kind.TEXT)
            sql = (
                f"(CASE jsonb_typeof({of.sql}) WHEN 'string' THEN char_length({text})"
                f" WHEN 'array' THEN jsonb_array_length({of.sql}) END)::numeric"
            )
            no_object = f"coalesce(jsonb_typeof({of.sql}) <> 'object', true)"
            return kept_short(Value(sql=sql, kind=Kind.NUMBER, known=all_of(of.known, no_object), small=True))
        case _:
            return Value(sql="NULL::numeric", kind=Kind.NUMBER, known=of.known)


def _rounded(node: Filtered, of: Value) -> Value:
    places = node.args[0] if node.args else Literal(node.at, 0)
    if not isinstance(places, Literal) or not is_number(places.value):
        return Value(sql="NULL::numeric", kind=Kind.NUMBER, known=FALSE)
    if not -_MOST_PLACES <= places.value <= _MOST_PLACES or places.value != int(places.value):
        return Value(sql="NULL::numeric", kind=Kind.NUMBER, known=of.known)
    number = operand(of)
    return kept_short(
        Value(sql=f"round({number.sql}, {int(places.value)})", kind=Kind.NUMBER, known=number.known)
    )


def tested(name: TestName, of: Value, argument: Value | None) -> Condition:
    """Return whether a value passes a test; what a regular expression finds is left to Python."""
    match name:
        case TestName.DEFINED:
            return opposite(is_none(of))
        case TestName.NONE:
            return is_none(of)
        case TestName.EMPTY:
            return is_empty(of)
        case TestName.PRESENT:
            return opposite(is_empty(of))
        case TestName.STRING:
            return has_type(of, Kind.TEXT)
        case TestName.NUMBER:
            return has_type(of, Kind.NUMBER)
        case TestName.MATCHING:
            return Condition(FALSE, has_type(of, Kind.TEXT).maybe)
        case TestName.CONTAINING:
            assert argument is not None
            return contains(of, argument)
        case TestName.STARTING_WITH | TestName.ENDING_WITH:
            assert argument is not None
            return _edge(name, of, argument)


def _edge(name: TestName, of: Value, argument: Value) -> Condition:
    text, part = seen_as(of, Kind.TEXT), seen_as(argument, Kind.TEXT)
    if text is None or part is None:
        return where_known(FALSE, of, argument)
    holds = (
        f"starts_with({text}, {part})"
        if name is TestName.STARTING_WITH
        else f"right({text}, char_length({part})) = {part}"
    )
    return where_known(f"coalesce({holds}, false)", of, argument)


def arithmetic_sum(left: Value, right: Value) -> Value:
    """Return `left + right`: of two numbers the sum, of two texts the one after the other, else none."""
    texts = seen_as(left, Kind.TEXT), seen_as(right, Kind.TEXT)
    joined = None if None in texts else f"{texts[0]} || {texts[1]}"
    known = all_of(left.known, right.known)
    if left.kind is Kind.TEXT or right.kind is Kind.TEXT:
        return kept_short(Value(sql=f"({joined or 'NULL::text'})", kind=Kind.TEXT, known=known))
    a, b = operand(left), operand(right)
    total = Value(sql=f"({a.sql} + {b.sql})", kind=Kind.NUMBER, known=all_of(a.known, b.known))
    if joined is None or Kind.NUMBER in (left.kind, right.kind):
        return kept_short(total)
    sql = f"coalesce(to_jsonb({total.sql}), to_jsonb({joined}))"
    return kept_short(Value(sql=sql, kind=Kind.JSON, known=total.known, scalar=True))


def quotient(left: Value, right: Value) -> Value:
    """Return `left / right`, rounded half up to 12 places; none for a division by zero."""
    a, b = operand(left), operand(right)
    size = f"div(2 * abs({a.sql}) * 1000000000000 + abs({b.sql}), 2 * abs({b.sql}))"
    signed = f"sign({a.sql}) * sign({b.sql}) * {size} * 0.000000000001"
    sql = f"(CASE WHEN {b.sql} <> 0 THEN {signed} END)"
    return kept_short(Value(sql=sql, kind=Kind.NUMBER, known=all_of(a.known, b.known)))
