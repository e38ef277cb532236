"""Within: whether one of a person's names stands in bytes that nobody has read — as it is, or as JSON writes it."""

import json
import re
from collections.abc import Iterable

SHORTEST = 5
"""Characters; a shorter name stands in too many texts by chance, and counts only as a whole JSON text."""
_MANY_DIGITS = 8


def any_of(names: Iterable[str]) -> str:
    """Return a regular expression — Python's and PostgreSQL's — to be matched without regard to case with `escaped` bytes.

    A phone number is found however it was typed: its last ten digits with up to three other characters between them.
    """
    parts = sorted({part for name in names for part in _parts(name)})
    return "|".join(parts) if parts else "(?!)"


def _parts(name: str) -> list[str]:
    plain = {name, json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]}
    if len(name) < SHORTEST:
        plain = {f'"{text}"' for text in plain}
    found = [re.escape(escaped(text.encode("utf-8", "replace"))) for text in plain]
    digits = re.sub(r"\D", "", name)
    if name.startswith("+") and len(digits) >= _MANY_DIGITS:
        found.append("[^0-9]{0,3}".join(digits[-10:]))
    return found


def escaped(data: bytes) -> str:
    """Return bytes as PostgreSQL's `encode(…, 'escape')` does: a backslash twice, what is no ASCII in octal."""
    return "".join(
        "\\\\" if byte == 0x5C else chr(byte) if 0 < byte < 0x80 else f"\\{byte:03o}" for byte in data
    )


def without(text: str, name: str, instead: str) -> str:
    """Return a JSON text in which `instead` stands for a name: for a short one only where it is a whole text."""
    written = json.dumps(name, ensure_ascii=False)
    whole = text.replace(written, json.dumps(instead))
    return whole.replace(written[1:-1], instead) if len(name) >= SHORTEST else whole
