"""The tree of a YAML file: plain values that still know the line and column they stand at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

ScalarValue: TypeAlias = bool | int | Decimal | str | None
Location: TypeAlias = Sequence[str | int]


class Mark(Protocol):
    """A place as the parser tells it: line and column from 0."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file: line and column from 1."""

    line: int
    column: int


class Scalar:
    """A single value. `style` is the quote or block indicator it was written with; empty if plain."""

    __slots__ = ("data", "end", "mark", "style")

    def __init__(self, data: ScalarValue, mark: Mark, end: Mark, style: str) -> None:
        self.data = data
        self.mark = mark
        self.end = end
        self.style = style

    def value(self) -> ScalarValue:
        """Return the value: none, a boolean, an exact number, or text."""
        return self.data

    @property
    def position(self) -> Position:
        """Where it begins."""
        return Position(self.mark.line + 1, self.mark.column + 1)

    def child(self, key: str | int) -> "Node | None":
        """A single value has nothing below it."""
        del key
        return None

    def at(self, location: Location) -> Position:
        """Return where the value at `location` begins; what lies deeper than this tree is here."""
        del location
        return self.position


class Mapping:
    """Keys and values, in the order of the file. `flow` tells whether it was written with braces."""

    __slots__ = ("children", "data", "flow", "keys", "mark")

    def __init__(self, mark: Mark, flow: bool) -> None:
        self.data: dict[str, Any] = {}
        self.keys: dict[str, Mark] = {}
        self.children: dict[str, Node] = {}
        self.mark = mark
        self.flow = flow

    def value(self) -> dict[str, Any]:
        """Return plain data: dicts, lists and scalar values. It is shared: do not change it."""
        return self.data

    @property
    def position(self) -> Position:
        """Where it begins."""
        return Position(self.mark.line + 1, self.mark.column + 1)

    def child(self, key: str | int) -> "Node | None":
        """Return the value of `key`, if there is one."""
        return self.children.get(key) if isinstance(key, str) else None

    def key_position(self, key: str) -> Position | None:
        """Return where `key` itself stands, if it is there."""
        mark = self.keys.get(key)
        return None if mark is None else Position(mark.line + 1, mark.column + 1)

    def at(self, location: Location) -> Position:
        """Return where the value at `location` begins, or the deepest value on the way to it."""
        return descend(self, location)[0].position


class ListNode:
    """Values in order."""

    __slots__ = ("children", "data", "mark")

    def __init__(self, mark: Mark) -> None:
        self.data: list[Any] = []
        self.children: list[Node] = []
        self.mark = mark

    def value(self) -> list[Any]:
        """Return plain data: dicts, lists and scalar values. It is shared: do not change it."""
        return self.data

    @property
    def position(self) -> Position:
        """Where it begins."""
        return Position(self.mark.line + 1, self.mark.column + 1)

    def child(self, key: str | int) -> "Node | None":
        """Return the item at that index, if there is one."""
        return self.children[key] if isinstance(key, int) and 0 <= key < len(self.children) else None

    def at(self, location: Location) -> Position:
        """Return where the value at `location` begins, or the deepest value on the way to it."""
        return descend(self, location)[0].position


Node: TypeAlias = Scalar | Mapping | ListNode


def descend(node: Node, location: Location) -> "tuple[Node, list[str | int]]":
    """Follow `location` as far as the tree goes; return the node reached and the steps that were taken.

    Elements that are no key or index of the node at hand (names of union members and the like) are passed over.
    """
    taken: list[str | int] = []
    for key in location:
        below = node.child(key)
        if below is not None:
            node = below
            taken.append(key)
    return node, taken


def scalars(node: Node) -> Iterator[Scalar]:
    """Yield every single value of the tree, in the order of the file."""
    if isinstance(node, Scalar):
        yield node
        return
    below = node.children.values() if isinstance(node, Mapping) else node.children
    for child in below:
        yield from scalars(child)


class Document:
    """One YAML document of a file: its tree, and the lines of the file it came from."""

    __slots__ = ("broken", "lines", "path", "root")

    def __init__(self, path: str, root: Node, lines: Sequence[str]) -> None:
        self.path = path
        self.root = root
        self.lines = lines
        #: Values the reader has already complained about; what a form says of them too would only confuse.
        self.broken: set[Node] = set()

    def value(self) -> Any:
        """Return plain data; it is shared: do not change it."""
        return self.root.value()

    def at(self, location: Location) -> Position:
        """Return where the value at `location` begins, or the deepest value on the way to it."""
        return self.root.at(location)
