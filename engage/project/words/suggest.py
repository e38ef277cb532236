"""Did you mean: the nearest known word to one that is not known."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

_SYNONYMS = {
    "delay": "wait",
    "sleep": "wait",
    "pause": "wait",
    "condition": "where",
    "filter": "where",
    "mail": "email",
    "call": "voice",
    "name": "title",
    "ttl": "expires",
    "variables": "with",
    "data": "with",
}
_MAX_LISTED = 14


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return the known word that `word` was probably meant to be."""
    synonym = _SYNONYMS.get(word.lower())
    if synonym in known:
        return synonym
    folded = {item.lower().replace("-", "_"): item for item in known}
    found = get_close_matches(word.lower().replace("-", "_").strip(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Collection[str], *, what: str = "known here") -> str:
    """Return a hint: the nearest word, else the known ones if they are few, else nothing."""
    near = nearest(word, known)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"{what}: {listed(sorted(known))}" if 0 < len(known) <= _MAX_LISTED else ""


def listed(words: Iterable[str]) -> str:
    """Return words in backticks, separated by commas."""
    return ", ".join(f"`{word}`" for word in words)
