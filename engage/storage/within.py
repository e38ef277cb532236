"""Within: whether one of a person's names stands in bytes that nobody has read — as it is, or as JSON writes it."""

import json
import re
from collections.abc import Iterable

SHORTEST = 5
"""Characters; a shorter name stands in too many texts by chance, and counts only as a whole JSON text."""
_MANY_DIGITS = 8
_LAST_DIGITS = 10
_LONGEST_WORD = 100
_MOST_WORDS = 5_000
_WORD = re.compile(r"[^\W_]+")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_NUMBER = re.compile(r"[0-9](?:[^0-9]{0,3}[0-9])+")


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
        found.append("[^0-9]{0,3}".join(digits[-_LAST_DIGITS:]))
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


def words_of(*texts: str) -> set[str] | None:
    """Return the words of texts that nobody has read, for an index: whoever's `words_in` are among them may stand there.

    Whole words in lower case, JSON's escapes undone; of every number as it may be typed each eight to ten digits in a row.
    None: there are too many to keep.
    """
    found: set[str] = set()
    for text in texts:
        plain = _unescaped(text)
        found.update(word.lower()[:_LONGEST_WORD] for word in _WORD.findall(f"{text} {plain}"))
        for number in _NUMBER.finditer(plain):
            digits = re.sub("[^0-9]", "", number[0])
            for size in range(_MANY_DIGITS, _LAST_DIGITS + 1):
                found.update(digits[at : at + size] for at in range(len(digits) - size + 1))
            if len(found) > _MOST_WORDS:
                return None
    return found if len(found) <= _MOST_WORDS else None


def _unescaped(text: str) -> str:
    """Return a text with JSON's escapes undone, those of two halves too."""
    halves = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def words_in(name: str) -> list[str]:
    """Return the words that all stand where a name does."""
    digits = re.sub(r"\D", "", name)
    if name.startswith("+") and len(digits) >= _MANY_DIGITS:
        return [digits[-_LAST_DIGITS:]]
    return sorted({word.lower()[:_LONGEST_WORD] for word in _WORD.findall(name)})
