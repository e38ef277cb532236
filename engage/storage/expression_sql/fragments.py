"""Fragments: pieces of SQL with what is known of them, and the parameters that stand in them."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from engage.ports.storage import StorageRefusedError
from engage.storage.coding import encode

Sql: TypeAlias = str
TRUE: Sql = "true"
FALSE: Sql = "false"
LONGEST = 12_000
"""Characters of one piece; what would be longer is left to Python. Nested arithmetic would double its text at each level."""


class Kind(StrEnum):
    """What a piece of SQL gives: its type, NULL being none."""

    JSON = "jsonb"
    NUMBER = "numeric"
    TEXT = "text"
    BOOLEAN = "boolean"
    INSTANT = "timestamptz"
    SET = "set"
    """A jsonb array whose order says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value: what `sql` gives is what Python would compute, for every row for which `known` is true."""

    sql: Sql
    kind: Kind
    known: Sql = TRUE
    scalar: bool = False
    """Of JSON: never a list or an object."""
    json: Sql | None = None
    """Of a constant: the same as JSON, so that no row converts it."""
    small: bool = False
    """Of a number: far within the bounds in which arithmetic is exact."""

    @property
    def is_known(self) -> bool:
        """Whether it is known for every row."""
        return self.known == TRUE


UNKNOWN = Value(sql="NULL::jsonb", kind=Kind.JSON, known=FALSE)
NONE = Value(sql="NULL::jsonb", kind=Kind.JSON, scalar=True)


@dataclass(frozen=True, slots=True)
class Condition:
    """A truth between two conditions, neither of which is ever NULL."""

    surely: Sql
    maybe: Sql

    @classmethod
    def exactly(cls, sql: Sql) -> "Condition":
        """Return what SQL can say as Python would."""
        return cls(sql, sql)

    @property
    def exact(self) -> bool:
        """Whether both are the same."""
        return self.surely == self.maybe

    @property
    def known(self) -> Sql:
        """Where the truth is known."""
        return TRUE if self.exact else any_of(self.surely, negated(self.maybe))


PERHAPS = Condition(FALSE, TRUE)
"""What SQL knows nothing of."""


class Params:
    """The parameters of one statement, by name."""

    def __init__(self) -> None:
        """Start without any."""
        self.values: dict[str, Any] = {}
        self._names: dict[tuple[str, Any], str] = {}

    def add(self, value: Any, kind: str) -> Sql:
        """Return a placeholder of that type for a value; equal ones share theirs."""
        name = self._names.setdefault((kind, value), f"p{len(self._names)}")
        self.values[name] = value
        return f"%({name})s::{kind}"

    def text(self, value: str) -> Sql:
        """Return a placeholder for a text.

        Raises:
            StorageRefusedError: PostgreSQL cannot hold this text, so that nothing there equals it.
        """
        return self.add(storable(value), "text")

    def instant(self, value: datetime) -> Sql:
        """Return a placeholder for an instant."""
        return self.add(value, "timestamptz")

    def json(self, value: Any) -> Sql:
        """Return a placeholder for a JSON value; numbers stay exact.

        Raises:
            StorageRefusedError: PostgreSQL cannot hold it.
        """
        try:
            return self.add(encode(value).decode(), "jsonb")
        except (UnicodeError, OverflowError, ValueError, RecursionError) as exc:
            raise StorageRefusedError("this value cannot be stored") from exc


def storable(text: str) -> str:
    """Return `text` itself.

    Raises:
        StorageRefusedError: it holds U+0000 or half a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise StorageRefusedError("a text holds half a character") from exc
    if "\0" in text:
        raise StorageRefusedError("a text holds the character U+0000")
    return text


def all_of(*conditions: Sql) -> Sql:
    """Return the conjunction, without what goes without saying."""
    parts = list(dict.fromkeys(part for part in conditions if part != TRUE))
    if FALSE in parts:
        return FALSE
    return f"({' AND '.join(parts)})" if len(parts) > 1 else (parts or [TRUE])[0]


def any_of(*conditions: Sql) -> Sql:
    """Return the disjunction, without what goes without saying."""
    parts = list(dict.fromkeys(part for part in conditions if part != FALSE))
    if TRUE in parts:
        return TRUE
    return f"({' OR '.join(parts)})" if len(parts) > 1 else (parts or [FALSE])[0]


def negated(condition: Sql) -> Sql:
    """Return the opposite."""
    if condition in (TRUE, FALSE):
        return FALSE if condition == TRUE else TRUE
    return f"(NOT {condition})"


def both(*conditions: Condition) -> Condition:
    """Return `and` of truths."""
    return bounded(Condition(all_of(*(c.surely for c in conditions)), all_of(*(c.maybe for c in conditions))))


def either(*conditions: Condition) -> Condition:
    """Return `or` of truths."""
    return bounded(Condition(any_of(*(c.surely for c in conditions)), any_of(*(c.maybe for c in conditions))))


def opposite(condition: Condition) -> Condition:
    """Return `not`: what is surely so is not maybe otherwise."""
    return Condition(negated(condition.maybe), negated(condition.surely))


def where_known(holds: Sql, *values: Value) -> Condition:
    """Return a truth computed from values: exact where all of them are known, else perhaps."""
    known = all_of(*(value.known for value in values))
    return bounded(Condition(all_of(known, holds), any_of(negated(known), holds)))


def bounded(condition: Condition) -> Condition:
    """Return the condition, or one that says nothing where its text grows too long."""
    if len(condition.surely) > LONGEST or len(condition.maybe) > LONGEST:
        return PERHAPS
    return condition


def kept_short(value: Value) -> Value:
    """Return the value, or an unknown one of its kind where its text grows too long."""
    if len(value.sql) + len(value.known) <= LONGEST:
        return value
    nothing = "'[]'::jsonb" if value.kind is Kind.SET else f"NULL::{value.kind}"
    return Value(sql=nothing, kind=value.kind, known=FALSE)


def as_value(condition: Condition) -> Value:
    """Return a truth as a boolean."""
    return Value(sql=condition.surely, kind=Kind.BOOLEAN, known=condition.known)


def with_known(value: Value, *known: Sql) -> Value:
    """Return the value, known only where these hold too."""
    return kept_short(replace(value, known=all_of(value.known, *known)))
