"""How many parts a text takes on the air: GSM-7 or UCS-2, alone or concatenated."""

from __future__ import annotations

# 3GPP TS 23.038: the default alphabet, and the characters that cost an escape septet.
GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENDED = frozenset("\f^{}\\[~]|€")
GSM_ALL = GSM_BASIC | GSM_EXTENDED

# 3GPP TS 23.040: septets and UTF-16 units of a single message, and of a part behind a concatenation header.
GSM_SINGLE, GSM_PART = 160, 153
UCS_SINGLE, UCS_PART = 70, 67

# What the provider's "smart encoding" replaces, so that one curly quote does not triple the bill.
SMART = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "–": "-",
        "—": "-",
        "…": "...",
        "\u00a0": " ",
        "\u200b": "",
        "•": "*",
    }
)


def smart_encoded(text: str) -> str:
    """Return `text` with look-alike characters of other alphabets replaced by GSM-7 ones."""
    return text.translate(SMART)


def count_segments(text: str) -> int:
    """Return the number of SMS parts of `text`; an empty text is one part."""
    characters = set(text)
    if characters <= GSM_ALL:
        if len(text) <= GSM_SINGLE // 2 or not characters & GSM_EXTENDED:
            return _parts_of_equal(len(text), GSM_SINGLE, GSM_PART)
        return _parts([2 if c in GSM_EXTENDED else 1 for c in text], GSM_SINGLE, GSM_PART)
    return _parts([2 if ord(c) > 0xFFFF else 1 for c in text], UCS_SINGLE, UCS_PART)


def _parts_of_equal(length: int, single: int, part: int) -> int:
    return 1 if length <= single else -(-length // part)


def _parts(widths: list[int], single: int, part: int) -> int:
    if sum(widths) <= single:
        return 1
    parts, used = 1, 0
    for width in widths:
        # An escape pair or a surrogate pair is never torn apart between two parts.
        if used + width > part:
            parts, used = parts + 1, 0
        used += width
    return parts
