"""Layout of pictures: cards, ways and lines with their coordinates. Blocks are laid out around a spine at x = 0."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from engage.project.graph.text import width, wrap
from engage.project.graph.tree import Card, Item, Way

CARD_WIDTH = 232.0
PAD_X, PAD_Y = 14.0, 11.0
ICON = 30.0
TITLE, DETAIL, SMALL, LABEL = 13.5, 11.0, 10.0, 10.5
TITLE_LINE, DETAIL_LINE, LABEL_LINE = 17.0, 14.5, 13.5
GAP = 30.0
DROP, JOIN = 20.0, 22.0
BESIDE = 30.0
LABEL_WIDTH = 196.0
LABEL_PAD = 9.0
LOOP_PAD = 26.0
NODE = 36.0
"""Of the round node that a `branch` or `split` is: what it decides stands on its ways."""
NODES = frozenset({"branch", "split"})
CAPITAL_VERBS = frozenset({"email", "sms", "mms", "whatsapp", "voice", "chat"})
"""Verbs that stand above their card's title: a template's name alone does not say what it is."""


@dataclass(frozen=True, slots=True)
class CardAt:
    """A card's place: its upper left corner."""

    card: Card
    x: float
    y: float
    height: float
    title: tuple[str, ...]
    details: tuple[tuple[str, ...], ...]

    def moved(self, x: float, y: float) -> "CardAt":
        """Return it further right and down."""
        return replace(self, x=self.x + x, y=self.y + y)


@dataclass(frozen=True, slots=True)
class NodeAt:
    """A round node's place: the upper left corner of its square."""

    card: Card
    x: float
    y: float

    def moved(self, x: float, y: float) -> "NodeAt":
        """Return it further right and down."""
        return replace(self, x=self.x + x, y=self.y + y)


@dataclass(frozen=True, slots=True)
class PillAt:
    """A label on a way, or the small end of one."""

    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    kind: str
    """`label`, `code`, `end`."""
    path: str = ""

    def moved(self, x: float, y: float) -> "PillAt":
        """Return it further right and down."""
        return replace(self, x=self.x + x, y=self.y + y)


@dataclass(frozen=True, slots=True)
class LineAt:
    """A line through points; `arrow` at its end."""

    points: tuple[tuple[float, float], ...]
    arrow: bool = False

    def moved(self, x: float, y: float) -> "LineAt":
        """Return it further right and down."""
        return LineAt(tuple((a + x, b + y) for a, b in self.points), self.arrow)


@dataclass(frozen=True, slots=True)
class LoopAt:
    """The frame around repeated steps."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> "LoopAt":
        """Return it further right and down."""
        return replace(self, x=self.x + x, y=self.y + y)


Shape = CardAt | NodeAt | PillAt | LineAt | LoopAt


@dataclass(slots=True)
class Block:
    """Something laid out: how far it reaches to the left and right of its spine, how far down, and whether one goes on."""

    left: float = 0.0
    right: float = 0.0
    height: float = 0.0
    open: bool = True
    shapes: list[Shape] = field(default_factory=list)

    def add(self, other: "Block", x: float, y: float) -> None:
        """Take in another block, its spine at `x`, its top at `y`."""
        self.shapes.extend(shape.moved(x, y) for shape in other.shapes)
        self.reach(x - other.left, x + other.right)
        self.height = max(self.height, y + other.height)

    def reach(self, left: float, right: float) -> None:
        """Reach at least so far."""
        self.left, self.right = max(self.left, -left), max(self.right, right)


def lay_out(items: Sequence[Item]) -> Block:
    """Lay out a sequence from top to bottom."""
    block = Block()
    y = 0.0
    for index, item in enumerate(items):
        if index:
            block.shapes.append(LineAt(((0, y), (0, y + GAP)), arrow=True))
            y += GAP
        below = _item(item)
        block.add(below, 0, y)
        y += below.height
        block.open = below.open
        if not below.open:
            break  # what follows here is never reached, and `check` says so
    block.height = max(block.height, y)
    return block


def _item(item: Item) -> Block:
    if item.card.verb == "exit":
        return end_pill(item.card.details[0] if item.card.details else "exit", item.card.path)
    if item.loop:
        return _loop(item)
    block = _card(item.card)
    return _fork(block, item) if item.ways else block


def _card(card: Card) -> Block:
    if card.verb in NODES:
        node = NodeAt(card, -NODE / 2, 0)
        reach = NODE / 2
        named = reach if card.id is None else reach + 10 + width(card.id, SMALL, mono=True)
        return Block(left=reach, right=named, height=NODE, shapes=[node])
    shape = card_at(card)
    half = CARD_WIDTH / 2
    return Block(left=half, right=half, height=shape.height, shapes=[shape])


def card_at(card: Card) -> CardAt:
    """Return a card with its text broken into lines, its top in the middle of the spine."""
    room = CARD_WIDTH - 2 * PAD_X - ICON - 9
    title = tuple(wrap(card.title, TITLE, room, lines=2, bold=True))
    details = tuple(tuple(wrap(detail, DETAIL, room, lines=2)) for detail in card.details[:4])
    lines = sum(map(len, details))
    head = 13.0 if card.verb in CAPITAL_VERBS or card.id else 0.0
    height = 2 * PAD_Y + head + len(title) * TITLE_LINE + lines * DETAIL_LINE + (3 if lines else 0)
    return CardAt(card, -CARD_WIDTH / 2, 0, max(height, ICON + 2 * PAD_Y), title, details)


def end_pill(text: str, path: str = "") -> Block:
    """Return the end of a way."""
    lines = tuple(wrap(text, LABEL, LABEL_WIDTH, lines=2))
    wide = max((width(line, LABEL, bold=True) for line in lines), default=0) + 38
    high = 24 + (len(lines) - 1) * LABEL_LINE
    pill = PillAt(lines, -wide / 2, 0, wide, high, "end", path)
    return Block(left=wide / 2, right=wide / 2, height=high, open=False, shapes=[pill])


# --- forks


def _fork(block: Block, item: Item) -> Block:
    ways = [_way(way) for way in item.ways]
    places = _side_by_side(ways) if item.main is None else _beside_main(ways, item.main)
    top = block.height + DROP
    bottom = top + max(way.height for way in ways)
    open_ways = [(x, way) for x, way in zip(places, ways, strict=True) if way.open]
    for x in places:
        block.shapes.append(LineAt(((0, block.height), (0, top - DROP / 2), (x, top - DROP / 2), (x, top))))
    for x, way in zip(places, ways, strict=True):
        block.add(way, x, top)
    if not open_ways:
        block.open = False
        return block
    join = bottom + (JOIN if any(x for x, _ in open_ways) else 0)
    for x, way in open_ways:
        start = (x, top + way.height)
        middle = join - JOIN / 2
        points = (start, (0, join)) if x == 0 else (start, (x, middle), (0, middle), (0, join))
        block.shapes.append(LineAt(points))
    block.height = join
    return block


def _way(way: Way) -> Block:
    block = Block()
    y = 0.0
    if way.label:
        kind = "code" if way.code else "label"
        lines = tuple(wrap(way.label, LABEL, LABEL_WIDTH, lines=4, mono=way.code))
        wide = max(width(line, LABEL, mono=way.code) for line in lines) + 2 * LABEL_PAD
        high = 2 * 4.5 + len(lines) * LABEL_LINE
        block.shapes.append(PillAt(lines, -wide / 2, 0, wide, high, kind))
        block.reach(-wide / 2, wide / 2)
        y = high
    if way.items:
        gap = GAP * 0.7
        block.shapes.append(LineAt(((0, y), (0, y + gap)), arrow=True))
        below = lay_out(way.items)
        block.add(below, 0, y + gap)
        block.open = below.open
        y += gap + below.height
    block.height = max(block.height, y)
    return block


def _side_by_side(ways: Sequence[Block]) -> list[float]:
    """Return the spines of ways in a row, the fork above the middle of the first and the last."""
    places = [0.0]
    for before, way in pairwise(ways):
        places.append(places[-1] + before.right + BESIDE + way.left)
    middle = (places[0] + places[-1]) / 2
    return [place - middle for place in places]


def _beside_main(ways: Sequence[Block], main: int) -> list[float]:
    """Return the spines where one way goes straight down; the others stand right of it, of two or more the first half left."""
    others = [index for index in range(len(ways)) if index != main]
    left = others[: len(others) // 2] if main else []
    places = [0.0] * len(ways)
    edge = ways[main].right
    for index in others[len(left) :]:
        places[index] = edge + BESIDE + ways[index].left
        edge = places[index] + ways[index].right
    edge = ways[main].left
    for index in reversed(left):
        places[index] = -(edge + BESIDE + ways[index].right)
        edge = -places[index] + ways[index].left
    return places


def _loop(item: Item) -> Block:
    """Frame the repeated steps; a line leads back to the top."""
    head = _card(item.card)
    inner = lay_out(item.loop)
    block = Block(open=True)
    block.add(head, 0, LOOP_PAD / 2)
    y = LOOP_PAD / 2 + head.height
    block.shapes.append(LineAt(((0, y), (0, y + GAP)), arrow=True))
    block.add(inner, 0, y + GAP)
    end = y + GAP + inner.height
    side = -(max(head.left, inner.left) + LOOP_PAD * 0.6)
    if inner.open:
        back = LOOP_PAD / 2 + head.height / 2
        points = ((0, end), (0, end + 12), (side, end + 12), (side, back), (-head.left, back))
        block.shapes.append(LineAt(points, arrow=True))
    bottom = end + LOOP_PAD
    left, right = -side + LOOP_PAD * 0.6, max(head.right, inner.right) + LOOP_PAD * 0.6
    block.shapes.insert(0, LoopAt(-left, 0, left + right, bottom))
    block.reach(-left, right)
    block.height = bottom
    return block


def bounds(shapes: Iterable[Shape]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of everything."""
    xs: list[float] = []
    ys: list[float] = []
    for shape in shapes:
        match shape:
            case CardAt(x=x, y=y, height=high):
                xs += (x, x + CARD_WIDTH)
                ys += (y, y + high)
            case NodeAt(x=x, y=y):
                xs += (x, x + NODE)
                ys += (y, y + NODE)
            case PillAt(x=x, y=y, width=wide, height=high) | LoopAt(x=x, y=y, width=wide, height=high):
                xs += (x, x + wide)
                ys += (y, y + high)
            case LineAt(points=points):
                xs += [a for a, _ in points]
                ys += [b for _, b in points]
    return min(xs), min(ys), max(xs), max(ys)
