"""The typed tree of an expression: what was said, apart from how it is computed.

Two compilers read it: closures over one profile (`evaluate`) and SQL over all of them. Nodes are equal when they
mean the same; `at`, the 0-based character offset in the source, does not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias


class Root(StrEnum):
    """The objects an expression reads properties of."""

    PROFILE = "profile"
    EVENT = "event"
    ENTRY = "entry"
    RUN = "run"
    #: What was given beside a message's text.
    WITH = "with"


class Op(StrEnum):
    """Comparisons."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    NOT_IN = "not in"


class Sign(StrEnum):
    """Arithmetic between two values."""

    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"


class Fold(StrEnum):
    """What is made of the matching events of a profile."""

    COUNT = "count"
    DID = "did"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"
    VALUES = "values"
    MODE = "mode"


class FilterName(StrEnum):
    """What may stand after `|`."""

    LOWER = "lower"
    UPPER = "upper"
    TRIM = "trim"
    LENGTH = "length"
    DATE = "date"
    NUMBER = "number"
    DEFAULT = "default"
    ROUND = "round"
    ABS = "abs"
    JOIN = "join"
    HEAD = "head"
    TAIL = "tail"
    EXTRACT = "extract"


class TestName(StrEnum):
    """What may stand after `is`."""

    __test__ = False  # pytest would collect a class of this name

    DEFINED = "defined"
    NONE = "none"
    EMPTY = "empty"
    PRESENT = "present"
    STRING = "string"
    NUMBER = "number"
    STARTING_WITH = "starting_with"
    ENDING_WITH = "ending_with"
    CONTAINING = "containing"
    MATCHING = "matching"


@dataclass(frozen=True, slots=True)
class _Node:
    at: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Literal(_Node):
    """none, true, false, a number or a text."""

    value: bool | int | Decimal | str | None


@dataclass(frozen=True, slots=True)
class ListOf(_Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Path(_Node):
    """`profile.a.b`; without keys the whole object (never of the profile)."""

    root: Root
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member(_Node):
    """`.a.b` of something computed."""

    of: Node
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntryEvent(_Node):
    """The name of the event that started the run."""


@dataclass(frozen=True, slots=True)
class Clock(_Node):
    """`now`, `ago(D)` (a negative shift) or `ahead(D)`."""

    shift: timedelta
    word: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Both(_Node):
    """`a and b and …`"""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either(_Node):
    """`a or b or …`"""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(_Node):
    of: Node


@dataclass(frozen=True, slots=True)
class Compare(_Node):
    """`left op right`; a chain `a < b < c` is a `Both` of its pairs."""

    op: Op
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Arithmetic(_Node):
    """`first + b - c`: left to right, one precedence level."""

    first: Node
    rest: tuple[tuple[Sign, Node], ...]


@dataclass(frozen=True, slots=True)
class Negate(_Node):
    of: Node


@dataclass(frozen=True, slots=True)
class Choice(_Node):
    """`then if condition else otherwise`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Filtered(_Node):
    """`of | name(args)`."""

    name: FilterName
    of: Node
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Tested(_Node):
    """`of is name(args)`."""

    name: TestName
    of: Node
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Events(_Node):
    """The events an aggregate looks at: by name (or `Prefix*`), window and condition."""

    name: str
    within: timedelta | None = None
    since: Node | None = None
    before: Node | None = None
    where: Node | None = None


@dataclass(frozen=True, slots=True)
class Aggregate(_Node):
    """`count(…)` and its family; `prop` is the property path, if one is asked for."""

    fold: Fold
    events: Events
    prop: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Sequence(_Node):
    """`sequence('A', step('B', where=…), within=D)`; each element is an `Events` without a window."""

    steps: tuple[Events, ...]
    within: timedelta | None


@dataclass(frozen=True, slots=True)
class InAudience(_Node):
    audience: str


@dataclass(frozen=True, slots=True)
class Subscribed(_Node):
    channel: str
    topic: str


@dataclass(frozen=True, slots=True)
class ChangedAt(_Node):
    trait: str


@dataclass(frozen=True, slots=True)
class Bucket(_Node):
    salt: str


@dataclass(frozen=True, slots=True)
class Secret(_Node):
    name: str


@dataclass(frozen=True, slots=True)
class Link(_Node):
    """An address that a message gets when it leaves: `unsubscribe_url`, `confirm_url('topic')`, `link('https://…')`."""

    name: str
    argument: str | None = None


Node: TypeAlias = (
    Literal
    | ListOf
    | Path
    | Member
    | EntryEvent
    | Clock
    | Both
    | Either
    | Not
    | Compare
    | Arithmetic
    | Negate
    | Choice
    | Filtered
    | Tested
    | Aggregate
    | Sequence
    | InAudience
    | Subscribed
    | ChangedAt
    | Bucket
    | Secret
    | Link
)


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below, conditions and windows of events included."""
    match node:
        case ListOf() | Both() | Either():
            return node.items
        case Member() | Not() | Negate():
            return (node.of,)
        case Compare():
            return (node.left, node.right)
        case Arithmetic():
            return (node.first, *(operand for _, operand in node.rest))
        case Choice():
            return (node.condition, node.then, node.otherwise)
        case Filtered() | Tested():
            return (node.of, *node.args)
        case Aggregate():
            return _of_events(node.events)
        case Sequence():
            return tuple(child for step in node.steps for child in _of_events(step))
        case _:
            return ()


def _of_events(events: Events) -> tuple[Node, ...]:
    return tuple(child for child in (events.since, events.before, events.where) if child is not None)
