"""Text of pictures: how wide it is, without a font at hand, and where its lines break."""

from collections.abc import Callable, Sequence

SANS = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
MONO = "SFMono-Regular, Menlo, Consolas, Liberation Mono, monospace"
_MONO_ADVANCE = 0.602
# Advance widths of Helvetica in thousandths of the size, from U+0020 on: the fonts named above share them.
_ADVANCES = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 "
    "584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 "
    "278 556 500 722 500 500 500 334 260 334 584"
)
_WIDTHS = [int(number) / 1000 for number in _ADVANCES.split()]
_BOLD = 1.07
_WIDE = 1.0
"""Of a character outside the table that is wide, as in Chinese or emoji."""


def width(text: str, size: float, *, mono: bool = False, bold: bool = False) -> float:
    """Return about how wide a line is."""
    if mono:
        return sum(_MONO_ADVANCE if ord(letter) < 0x2E80 else _WIDE for letter in text) * size
    return sum(map(_advance, text)) * size * (_BOLD if bold else 1)


def _advance(letter: str) -> float:
    code = ord(letter) - 32
    if 0 <= code < len(_WIDTHS):
        return _WIDTHS[code]
    return 0.6 if ord(letter) < 0x2E80 else _WIDE


def wrap(
    text: str, size: float, limit: float, *, lines: int, mono: bool = False, bold: bool = False
) -> list[str]:
    """Break a text into at most so many lines of at most that width; what does not fit ends in `…`."""

    def fits(line: str) -> bool:
        return width(line, size, mono=mono, bold=bold) <= limit

    found: list[str] = []
    words = _pieces(text.split(), fits)
    while words:
        line = words.pop(0)
        while words and fits(f"{line} {words[0]}"):
            line = f"{line} {words.pop(0)}"
        if len(found) == lines - 1 and words:
            line = f"{line} {words[0]}"
            while line and not fits(f"{line}…"):
                line = line[:-1].rstrip()
            return [*found, f"{line}…"]
        found.append(line)
    return found


def _pieces(words: Sequence[str], fits: Callable[[str], bool]) -> list[str]:
    """Cut words that are longer than a line, after a sign that joins where there is one."""
    found: list[str] = []
    for word in words:
        while not fits(word):
            cut = next((n for n in range(len(word) - 1, 0, -1) if fits(word[:n])), 1)
            joint = max(word.rfind(sign, 0, cut) for sign in "/.-_(,")
            cut = joint + 1 if joint > cut // 2 else cut
            found.append(word[:cut])
            word = word[cut:]
        found.append(word)
    return found
