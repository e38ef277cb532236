"""Markdown of the reference: tables, examples, paragraphs."""

from collections.abc import Iterable
from textwrap import indent


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a table."""
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    return lines + [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]


def yaml(key: str, text: str) -> list[str]:
    """Return an example, below a key if one is given."""
    body = f"{key}\n{indent(text, '  ')}" if key else text
    return ["```yaml", *body.splitlines(), "```"]


def prose(text: str) -> str:
    """Return a docstring as paragraphs without line breaks."""
    paragraphs = [" ".join(part.split()) for part in text.replace("\b", "").split("\n\n")]
    return "\n\n".join(filter(None, paragraphs))
