"""Includes and layouts written out at publish, so that CSS and MJML see the whole mail and rendering looks nothing up."""

import re
from collections.abc import Callable, Sequence

from engage.templating.pieces import Kind, Piece, split

MAX_DEPTH = 10
_NAME = r"""(?:"([^"]+)"|'([^']+)')"""
_INCLUDE = re.compile(rf"\{{%[-+]?\s*include\s+{_NAME}(?:\s+with\s+context)?\s*[-+]?%\}}\Z")
_EXTENDS = re.compile(rf"\{{%[-+]?\s*extends\s+{_NAME}\s*[-+]?%\}}\Z")
_SUPER = re.compile(r"\{\{[-+]?\s*super\(\)\s*[-+]?\}\}\Z")
_BEFORE_LAYOUT = frozenset({"import", "from", "set"})

Find = Callable[[str], str | None]
"""The source of a partial by the name it is asked for."""

Blocks = dict[str, list[Piece]]


class CannotFlattenError(Exception):
    """The template uses its partials in a way that only Jinja itself can follow, or in a circle."""


def flatten(source: str, find: Find) -> list[Piece]:
    """Return the pieces of a template with its includes and its layout written out.

    Raises:
        CannotFlattenError: it has to stay as it is.
        TemplateSyntaxError: a construct is not closed.
    """
    return _flat(split(source), find, 0)


def _flat(pieces: Sequence[Piece], find: Find, depth: int) -> list[Piece]:
    if depth > MAX_DEPTH:
        raise CannotFlattenError("partials include each other in a circle")
    layout = _layout_name(pieces)
    if layout is not None:
        return _in_layout(pieces, _partial(layout, find), find, depth)
    flat: list[Piece] = []
    for piece in pieces:
        name = _name(_INCLUDE, piece)
        if name is not None:
            flat += _flat(split(_partial(name, find)), find, depth + 1)
        elif piece.kind is Kind.STATEMENT and piece.words[:1] == ["include"]:
            raise CannotFlattenError("this include depends on the moment")
        else:
            flat.append(piece)
    return flat


def _name(pattern: re.Pattern[str], piece: Piece) -> str | None:
    found = pattern.match(piece.source) if piece.kind is Kind.STATEMENT else None
    return (found[1] or found[2]) if found else None


def _layout_name(pieces: Sequence[Piece]) -> str | None:
    return next((name for piece in pieces if (name := _name(_EXTENDS, piece))), None)


def _partial(name: str, find: Find) -> str:
    source = find(name)
    if source is None:
        raise CannotFlattenError(f"there is no partial `{name}`")
    return source


def _in_layout(
    pieces: Sequence[Piece], layout: str, find: Find, depth: int, over: Blocks | None = None
) -> list[Piece]:
    """Put a template's blocks into its layout, which may have one itself; `over` are the blocks of who extends this one."""
    if depth > MAX_DEPTH:
        raise CannotFlattenError("layouts extend each other in a circle")
    blocks, outside = _blocks(pieces)
    for name, block in (over or {}).items():
        below = blocks.get(name)
        blocks[name] = block if below is None else _with_super(block, below)
    first: list[Piece] = []
    for piece in outside:
        if piece.kind is Kind.STATEMENT and not _name(_EXTENDS, piece):
            words = piece.words
            if words[:1] not in [[word] for word in _BEFORE_LAYOUT] or (
                words[0] == "set" and "=" not in words
            ):
                raise CannotFlattenError(f"`{words[0] if words else ''}` stands outside of a block")
            first.append(piece)
    parent = split(layout)
    above = _layout_name(parent)
    if above is not None:
        return [*first, *_in_layout(parent, _partial(above, find), find, depth + 1, blocks)]
    return _flat([*first, *_filled(parent, blocks)], find, depth + 1)


def _with_super(block: Sequence[Piece], below: Sequence[Piece]) -> list[Piece]:
    whole: list[Piece] = []
    for piece in block:
        whole += below if piece.kind is Kind.PRINT and _SUPER.match(piece.source) else [piece]
    return whole


def _blocks(pieces: Sequence[Piece]) -> tuple[Blocks, list[Piece]]:
    """Return the top-level blocks by name, and what stands outside of them."""
    blocks: Blocks = {}
    outside: list[Piece] = []
    at = 0
    while at < len(pieces):
        name = _block_name(pieces[at])
        if name is None:
            outside.append(pieces[at])
            at += 1
            continue
        end = _end_of(pieces, at)
        blocks[name] = list(pieces[at + 1 : end])
        at = end + 1
    return blocks, outside


def _filled(pieces: Sequence[Piece], blocks: Blocks) -> list[Piece]:
    filled: list[Piece] = []
    at = 0
    while at < len(pieces):
        name = _block_name(pieces[at])
        if name is None:
            filled.append(pieces[at])
            at += 1
            continue
        end = _end_of(pieces, at)
        default = pieces[at + 1 : end]
        # What fills a block may hold blocks itself: a layout in the middle opens new ones.
        others = {other: block for other, block in blocks.items() if other != name}
        filled += _filled(_with_super(blocks.get(name, default), default), others)
        at = end + 1
    return filled


def _block_name(piece: Piece) -> str | None:
    words = piece.words if piece.kind is Kind.STATEMENT else []
    return words[1] if len(words) > 1 and words[0] == "block" else None


def _end_of(pieces: Sequence[Piece], start: int) -> int:
    depth = 0
    for at in range(start, len(pieces)):
        words = pieces[at].words if pieces[at].kind is Kind.STATEMENT else []
        depth += (words[:1] == ["block"]) - (words[:1] == ["endblock"])
        if depth == 0:
            return at
    raise CannotFlattenError("a block is not closed")
