"""SVG of a journey: a picture for a deck, a pull request, or the console. Pure Python; stands alone, loads nothing."""

from collections.abc import Iterator, Sequence
from html import escape

from engage.domain.journey.journey import Journey
from engage.project.graph.dark import dark_style
from engage.project.graph.icons import CARD, EDGE, FAINT, INK, LINE, PAPER, SOFT, look_of
from engage.project.graph.layout import (
    CAPITAL_VERBS,
    CARD_WIDTH,
    DETAIL,
    DETAIL_LINE,
    GAP,
    ICON,
    LABEL,
    LABEL_LINE,
    LABEL_PAD,
    NODE,
    PAD_X,
    PAD_Y,
    SMALL,
    TITLE,
    TITLE_LINE,
    Block,
    CardAt,
    LineAt,
    LoopAt,
    NodeAt,
    PillAt,
    Shape,
    bounds,
    card_at,
    end_pill,
    lay_out,
)
from engage.project.graph.text import MONO, SANS, width, wrap
from engage.project.graph.tree import Card, Flow, GraphNumbers, flow_of

MARGIN = 44.0
CORNER = 9.0
HEADING, LEAD = 23.0, 12.5
NOTE_WIDTH = 250.0
LEAST_WIDTH = 640.0
WAITING, WAITING_TINT = "#2d5d8a", "#e4eef7"


def journey_svg(journey: Journey, numbers: GraphNumbers | None = None) -> str:
    """Return the picture of a journey as an SVG document; with `numbers`, what happens in it now is drawn in."""
    flow = flow_of(journey)
    main = _main(flow)
    aside = _aside(flow)
    if aside is not None:
        main.add(aside, _free_at_top(main, aside.height) + 60 + aside.left, 0)
    left, right = main.left, main.right
    wide = max(left + right, LEAST_WIDTH)
    notes = list(_header(flow, numbers, wide))
    top = notes[-1][0] if notes else 0.0
    shift_x = MARGIN + left + (wide - left - right) / 2
    shapes = [shape.moved(shift_x, MARGIN + top) for shape in main.shapes]
    high = bounds(shapes)[3] + MARGIN
    total = wide + 2 * MARGIN
    body = [f'<g transform="translate({MARGIN} {MARGIN})">', *(text for _, text in notes), "</g>"]
    for kind in (LoopAt, LineAt, PillAt, NodeAt, CardAt):
        for shape in shapes:
            if isinstance(shape, kind):
                body.extend(_drawn(shape, numbers))
    return "\n".join((_opening(flow, total, high), *body, "</svg>", ""))


def _opening(flow: Flow, wide: float, high: float) -> str:
    size = f'width="{_n(wide)}" height="{_n(high)}" viewBox="0 0 {_n(wide)} {_n(high)}"'
    title = escape(f"Journey: {flow.title}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}" font-family="{SANS}">\n'
        f"<title>{title}</title>\n"
        '<defs><marker id="to" viewBox="0 0 8 8" refX="6.4" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M1 1l5.5 3L1 7z" fill="{LINE}"/></marker></defs>\n'
        f"{dark_style()}"
        f'<rect width="{_n(wide)}" height="{_n(high)}" rx="14" fill="{PAPER}"/>'
    )


# --- the way down


def _main(flow: Flow) -> Block:
    block = Block()
    trigger = _trigger(flow)
    block.add(trigger, 0, 0)
    y = trigger.height
    block.shapes.append(LineAt(((0, y), (0, y + GAP)), arrow=True))
    steps = lay_out(flow.items)
    block.add(steps, 0, y + GAP)
    y += GAP + steps.height
    if steps.open:
        block.shapes.append(LineAt(((0, y), (0, y + GAP)), arrow=True))
        block.add(end_pill("completed", "end"), 0, y + GAP)
    return block


def _free_at_top(block: Block, height: float) -> float:
    """Return how far to the right anything reaches in the upper part of a block."""
    rights = [right for _, top, right, _ in (bounds([shape]) for shape in block.shapes) if top < height + GAP]
    return max(rights, default=0.0)


def _trigger(flow: Flow) -> Block:
    card = Card(path="trigger", verb=flow.trigger.verb, title=flow.trigger.title)
    title = card_at(card).title
    room = CARD_WIDTH - 2 * PAD_X - ICON - 9
    lines = tuple(tuple(wrap(line, DETAIL, room, lines=3)) for line in (*flow.trigger.details, *flow.entry))
    detailed = sum(map(len, lines)) * DETAIL_LINE + (3 if lines else 0)
    high = 2 * PAD_Y + 13 + len(title) * TITLE_LINE + detailed
    whole = CardAt(card, -CARD_WIDTH / 2, 0, max(high, ICON + 2 * PAD_Y), title, lines)
    return Block(left=CARD_WIDTH / 2, right=CARD_WIDTH / 2, height=whole.height, shapes=[whole])


def _aside(flow: Flow) -> Block | None:
    """Return the last steps of those who leave early, as a second short way down."""
    if not flow.on_exit:
        return None
    block = Block()
    head = Card(
        path="on_exit", verb="exit", title="Left early", details=("before the end, by the rules above",)
    )
    shape = card_at(head)
    block.add(Block(left=CARD_WIDTH / 2, right=CARD_WIDTH / 2, height=shape.height, shapes=[shape]), 0, 0)
    block.shapes.append(LineAt(((0, shape.height), (0, shape.height + GAP)), arrow=True))
    block.add(lay_out(flow.on_exit), 0, shape.height + GAP)
    return block


# --- the words above it


def _header(flow: Flow, numbers: GraphNumbers | None, wide: float) -> Iterator[tuple[float, str]]:
    """Yield pieces of the header, each with the height reached by then."""
    y = HEADING
    yield y, _text(flow.title, 0, y - 4, HEADING, INK, weight=700)
    name_x = width(flow.title, HEADING, bold=True) + 12
    if flow.title != flow.name and name_x + width(flow.name, 12, mono=True) < wide:
        yield y, _text(flow.name, name_x, y - 4, 12, FAINT, mono=True)
    y += 6
    for line in wrap(flow.description, LEAD, min(wide, 720), lines=4):
        y += LEAD + 5
        yield y, _text(line, 0, y, LEAD, SOFT)
    rules = [("Goal", flow.goal, "")] if flow.goal else []
    rules += [("Leaves at", what, "" if reason == "exit" else f"as {reason}") for what, reason in flow.exits]
    if rules:
        y += 10
    for word, what, more in rules:
        y += 20
        yield y, _rule(word, what, more, y, wide)
    if numbers is not None:
        y += 34
        yield y, _totals(numbers, y)
    yield y + 30, ""


def _rule(word: str, what: str, more: str, y: float, wide: float) -> str:
    room = wide - 84 - (width(more, 11.5) + 16 if more else 0)
    shown = wrap(what, 11.5, room, lines=1, mono=True)[0]
    drawn = _text(word, 0, y, 11.5, FAINT) + _text(shown, 72, y, 11.5, INK, mono=True)
    if more:
        drawn += _text(more, 72 + width(shown, 11.5, mono=True) + 12, y, 11.5, FAINT)
    return drawn


def _totals(numbers: GraphNumbers, y: float) -> str:
    shown = [(f"{numbers.entered:,}", "entered"), (f"{numbers.inside:,}", "inside now")]
    if numbers.goals:
        shown.append((f"{numbers.goals:,}", "reached the goal"))
    shown += [
        (f"{count:,}", reason.replace("_", " "))
        for reason, count in sorted(numbers.ended.items(), key=lambda i: -i[1])[:3]
    ]
    x, drawn = 0.0, ""
    for number, word in shown:
        drawn += _text(number, x, y, 17, INK, weight=700)
        x += width(number, 17, bold=True) + 6
        drawn += _text(word, x, y, 11.5, FAINT)
        x += width(word, 11.5) + 24
    return drawn


# --- shapes


def _drawn(shape: Shape, numbers: GraphNumbers | None) -> Iterator[str]:
    match shape:
        case CardAt():
            yield from _card(shape, numbers)
        case NodeAt():
            yield from _node(shape)
        case PillAt(kind="end"):
            yield from _end(shape)
        case PillAt():
            yield from _label(shape)
        case LineAt():
            arrow = ' marker-end="url(#to)"' if shape.arrow else ""
            yield f'<path d="{_rounded(shape.points)}" fill="none" stroke="{LINE}" stroke-width="1.5"{arrow}/>'
        case LoopAt():
            yield (
                f'<rect x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" height="{_n(shape.height)}" rx="14" '
                f'fill="#f6f1f6" stroke="#d9c7d7" stroke-dasharray="5 4"/>'
            )


def _card(shape: CardAt, numbers: GraphNumbers | None) -> Iterator[str]:
    card, look = shape.card, look_of(shape.card.verb)
    x, y = shape.x, shape.y
    is_trigger = card.path == "trigger"
    fill, edge = (INK, INK) if is_trigger else (CARD, EDGE)
    yield f'<g class="step" data-path="{escape(card.path)}">'
    yield (
        f'<rect x="{_n(x)}" y="{_n(y + 1.5)}" width="{_n(CARD_WIDTH)}" height="{_n(shape.height)}" rx="10" fill="#1f2a37" '
        f'fill-opacity=".05"/><rect x="{_n(x)}" y="{_n(y)}" width="{_n(CARD_WIDTH)}" height="{_n(shape.height)}" rx="10" '
        f'fill="{fill}" stroke="{edge}"/>'
    )
    tile, ink = ("#374556", "#ffffff") if is_trigger else (look.tint, look.ink)
    top = y + PAD_Y if shape.height > ICON + 2 * PAD_Y + 4 else y + (shape.height - ICON) / 2
    yield f'<rect x="{_n(x + PAD_X)}" y="{_n(top)}" width="{_n(ICON)}" height="{_n(ICON)}" rx="8" fill="{tile}"/>'
    yield (
        f'<path transform="translate({_n(x + PAD_X + 6)} {_n(top + 6)}) scale(.9)" d="{look.icon}" fill="none" '
        f'stroke="{ink}" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"/>'
    )
    yield from _words(shape, is_trigger, ink)
    yield "</g>"
    if numbers is not None and not is_trigger:
        yield from _count(shape, numbers)


def _node(shape: NodeAt) -> Iterator[str]:
    look, x, y = look_of(shape.card.verb), shape.x, shape.y
    half = NODE / 2
    yield f'<g class="step" data-path="{escape(shape.card.path)}">'
    yield f'<circle cx="{_n(x + half)}" cy="{_n(y + half)}" r="{_n(half)}" fill="{look.tint}" stroke="#e3d5e1"/>'
    yield (
        f'<path transform="translate({_n(x + 9)} {_n(y + 9)}) scale(.9)" d="{look.icon}" fill="none" stroke="{look.ink}" '
        f'stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"/>'
    )
    if shape.card.id:
        yield _text(shape.card.id, x + NODE + 8, y + half + 3.5, SMALL, FAINT, mono=True)
    yield "</g>"


def _words(shape: CardAt, is_trigger: bool, ink: str) -> Iterator[str]:
    card = shape.card
    x = shape.x + PAD_X + ICON + 11
    right = shape.x + CARD_WIDTH - PAD_X
    head = "starts with" if is_trigger else card.verb if card.verb in CAPITAL_VERBS else ""
    lines = (
        len(shape.title) * TITLE_LINE
        + sum(map(len, shape.details)) * DETAIL_LINE
        + (3 if shape.details else 0)
    )
    lines += 13 if head or card.id else 0
    y = shape.y + max(PAD_Y, (shape.height - lines) / 2)
    if head or card.id:
        y += 9
        if head:
            yield _text(head.upper(), x, y, 9, "#a9b4c0" if is_trigger else ink, weight=700, spacing=0.7)
        if card.id:
            room = right - x - (width(head.upper(), 9, bold=True) + 16 + len(head) * 0.7 if head else 0)
            shown = wrap(card.id, SMALL, room, lines=1, mono=True)[0]
            anchor = "end" if head else "start"
            yield _text(shown, right if head else x, y, SMALL, FAINT, mono=True, anchor=anchor)
        y += 4
    for line in shape.title:
        y += TITLE_LINE
        yield _text(line, x, y - 4.5, TITLE, "#ffffff" if is_trigger else INK, weight=600)
    y += 3 if shape.details else 0
    for detail in shape.details:
        for line in detail:
            y += DETAIL_LINE
            yield _text(line, x, y - 4, DETAIL, "#c5cdd6" if is_trigger else SOFT)


def _count(shape: CardAt, numbers: GraphNumbers) -> Iterator[str]:
    """Draw how many came here, and how many wait here, on the lower edge of a card."""
    count = numbers.steps.get(shape.card.path)
    if count is None:
        return
    right, y = shape.x + CARD_WIDTH - 10, shape.y + shape.height
    if count.waiting:
        text = f"{count.waiting:,} here"
        wide = width(text, SMALL, bold=True) + 16
        yield (
            f'<rect x="{_n(right - wide)}" y="{_n(y - 9)}" width="{_n(wide)}" height="18" rx="9" fill="{WAITING_TINT}" '
            f'stroke="#ffffff" stroke-width="1.5"/>'
        )
        yield _text(text, right - wide / 2, y + 3.6, SMALL, WAITING, weight=700, anchor="middle")
        right -= wide + 6
    if count.entered:
        text = f"{count.entered:,}"
        wide = width(text, SMALL, bold=True) + 16
        yield (
            f'<rect x="{_n(right - wide)}" y="{_n(y - 9)}" width="{_n(wide)}" height="18" rx="9" fill="#eef1f4" stroke="#ffffff" '
            f'stroke-width="1.5"/>'
        )
        yield _text(text, right - wide / 2, y + 3.6, SMALL, SOFT, weight=700, anchor="middle")


def _end(shape: PillAt) -> Iterator[str]:
    done = shape.path == "end"
    ink, tint = ("#4b7a58", "#e9f3ec") if done else (look_of("exit").ink, look_of("exit").tint)
    yield _box(shape, tint, tint, shape.height / 2 if len(shape.lines) == 1 else 12)
    mark = "M0 3.5l2.5 2.5L7 1" if done else "M0 3.5h7 M4.5 1L7 3.5 4.5 6"
    yield (
        f'<path transform="translate({_n(shape.x + 12)} {_n(shape.y + shape.height / 2 - 3.5)})" d="{mark}" fill="none" '
        f'stroke="{ink}" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"/>'
    )
    for index, line in enumerate(shape.lines):
        yield _text(line, shape.x + 26, shape.y + 15.8 + index * LABEL_LINE, LABEL, ink, weight=600)


def _label(shape: PillAt) -> Iterator[str]:
    yield _box(shape, "#ffffff", "#e3d5e1", 8)
    for index, line in enumerate(shape.lines):
        y = shape.y + 4.5 + (index + 1) * LABEL_LINE - 3.4
        if shape.kind == "code":
            yield _text(line, shape.x + LABEL_PAD, y, LABEL, "#6b3a65", mono=True)
        else:
            yield _text(line, shape.x + shape.width / 2, y, LABEL, "#6b3a65", anchor="middle")


def _box(shape: PillAt, fill: str, edge: str, radius: float) -> str:
    return (
        f'<rect x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" height="{_n(shape.height)}" rx="{_n(radius)}" '
        f'fill="{fill}" stroke="{edge}"/>'
    )


def _rounded(points: Sequence[tuple[float, float]]) -> str:
    """Return path data through points at right angles, corners rounded."""
    points = [point for index, point in enumerate(points) if index == 0 or point != points[index - 1]]
    drawn = f"M{_n(points[0][0])} {_n(points[0][1])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        a, b = _towards(corner, before), _towards(corner, after)
        drawn += f"L{_n(a[0])} {_n(a[1])}Q{_n(corner[0])} {_n(corner[1])} {_n(b[0])} {_n(b[1])}"
    return f"{drawn}L{_n(points[-1][0])} {_n(points[-1][1])}"


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    x, y = other[0] - corner[0], other[1] - corner[1]
    length = max(abs(x) + abs(y), 0.001)
    reach = min(CORNER, length / 2)
    return corner[0] + x / length * reach, corner[1] + y / length * reach


def _text(
    text: str,
    x: float,
    y: float,
    size: float,
    colour: str,
    *,
    weight: int = 400,
    mono: bool = False,
    anchor: str = "start",
    spacing: float = 0,
) -> str:
    more = f' font-weight="{weight}"' if weight != 400 else ""
    more += f' font-family="{MONO}"' if mono else ""
    more += f' text-anchor="{anchor}"' if anchor != "start" else ""
    more += f' letter-spacing="{spacing}"' if spacing else ""
    if len(text) > 2:
        # Where the fonts named are missing, a wider one is squeezed into the room that was measured.
        room = width(text, size, mono=mono, bold=weight >= 600) + len(text) * spacing
        more += f' textLength="{_n(room)}" lengthAdjust="spacingAndGlyphs"'
    shown = escape(text, quote=False)
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{colour}"{more} xml:space="preserve">{shown}</text>'


def _n(number: float) -> str:
    """Return a coordinate, as short as it can be."""
    return f"{number:.1f}".rstrip("0").rstrip(".")
