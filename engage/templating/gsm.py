"""Segments of an SMS: what a text costs on the wire."""

from collections.abc import Set

# The default alphabet and its extension table; 3GPP TS 23.038, 6.2.1.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_GSM7 = _BASIC | _EXTENDED

GSM7_SINGLE, GSM7_PART = 160, 153
"""Septets of a message that stands alone, and of a part of a longer one (3GPP TS 23.040: 7 go to the header)."""
UCS2_SINGLE, UCS2_PART = 70, 67
"""UTF-16 units, likewise."""


LOOK_ALIKES = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019", "'"),
        **dict.fromkeys("\u201c\u201d", '"'),
        **dict.fromkeys("\u2013\u2014", "-"),
        "\u2026": "...",
        "\u00a0": " ",
        "\u200b": "",
        "\u2022": "*",
    }
)
"""What a provider's smart encoding replaces for certain; of what it may replace beyond we promise nothing."""


def plain(text: str) -> str:
    """Return the text as it arrives where the provider replaces look-alikes."""
    return text.translate(LOOK_ALIKES)


def segments(text: str) -> int:
    """Return how many SMS the text needs; an empty one needs one.

    One character outside GSM-7 makes the whole text UCS-2. A character of the extension table takes two septets, one
    outside the Basic Multilingual Plane two units, and neither is torn apart between two parts.
    """
    if is_gsm7(text):
        return _parts(text, _EXTENDED, GSM7_SINGLE, GSM7_PART)
    return _parts(text, {letter for letter in text if letter > "\uffff"}, UCS2_SINGLE, UCS2_PART)


def is_gsm7(text: str) -> bool:
    """Return whether the text fits the default alphabet."""
    return _GSM7.issuperset(text)


def _parts(text: str, double: Set[str], single: int, part: int) -> int:
    """Return how many parts hold the text, whose letters are one unit wide, those of `double` two."""
    if double.isdisjoint(text):
        return 1 if len(text) <= single else -(-len(text) // part)
    widths = [2 if letter in double else 1 for letter in text]
    if sum(widths) <= single:
        return 1
    parts, room = 1, part
    for width in widths:
        if width > room:
            parts, room = parts + 1, part
        room -= width
    return parts
