"""Dark: the same picture for who reads at night. One style sheet that turns the few colours of the light one round."""

from collections.abc import Iterable, Iterator
from colorsys import hls_to_rgb, rgb_to_hls

from engage.project.graph.icons import CARD, EDGE, FAINT, HUES, INK, LINE, PAPER, SOFT

_LIGHT, _DEEP = 0.74, 0.19
"""Lightness of inks and of tints at night; measured against the card: more than 4.5 to 1 for every ink."""
_TEXTS = {INK: "#e8edf3", SOFT: "#b4bfcb", FAINT: "#8b98a7"}
_SURFACES = {PAPER: "#12171d", CARD: "#1b232c", INK: "#2c3c4f"}
_TRIGGER = {"#374556": "#45586e"}
_QUIET = {"#eef1f4": "#2a343f", "#f6f1f6": "#191c26", "#e4eef7": "#1f3347", "#e9f3ec": "#1d3325"}
_STROKES = {EDGE: "#323e4b", LINE: "#5f6d7c", "#e3d5e1": "#4a3a48", "#d9c7d7": "#56465a"}
_WORDS = {"#2d5d8a": "#8fbbe4", "#4b7a58": "#8cc69b", "#6b3a65": "#d3aacd"}


def dark_style() -> str:
    """Return the style sheet; colours are found by the attributes they are written in."""
    rules = [
        *_rules("text", "fill", _TEXTS | _WORDS | {ink: _lit(ink) for ink, _ in HUES}),
        *_rules("rect", "fill", _SURFACES | _TRIGGER | _QUIET | {tint: _sunk(tint) for _, tint in HUES}),
        *_rules("circle", "fill", {tint: _sunk(tint) for _, tint in HUES}),
        *_rules("path", "fill", {LINE: _STROKES[LINE]}),
        *_rules("", "stroke", _STROKES | _WORDS | {ink: _lit(ink) for ink, _ in HUES}),
        *_rules("rect", "stroke", {INK: _SURFACES[INK], CARD: _SURFACES[CARD]}),
        *_rules("rect", "stroke", _QUIET | {tint: _sunk(tint) for _, tint in HUES}),
    ]
    return f"<style>@media (prefers-color-scheme: dark){{{''.join(rules)}}}</style>\n"


def _rules(element: str, attribute: str, colours: dict[str, str]) -> Iterator[str]:
    for before, after in colours.items():
        yield f'{element}[{attribute}="{before}"]{{{attribute}:{after}}}'


def _lit(colour: str) -> str:
    hue, _, saturation = rgb_to_hls(*_parts(colour))
    return _written(hls_to_rgb(hue, _LIGHT, min(saturation * 1.1, 0.7)))


def _sunk(colour: str) -> str:
    hue, _, saturation = rgb_to_hls(*_parts(colour))
    return _written(hls_to_rgb(hue, _DEEP, min(saturation, 0.35)))


def _parts(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _written(parts: Iterable[float]) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)
