"""The naive twin's mail: the bench's own letter, read once, without layout or inlining."""

from pathlib import Path

_FILE = Path(__file__).parents[1] / "project" / "templates" / "bench" / "letter" / "email.html"
LETTER = _FILE.read_text()
