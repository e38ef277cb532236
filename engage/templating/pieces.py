"""A template's source as fixed text and Jinja constructs, and stand-ins that carry the constructs through other tools."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from jinja2 import Environment
from jinja2.lexer import newline_re

# Splits without trimming: what is put together again must be the source.
_LEXER = Environment(keep_trailing_newline=True).lexer  # noqa: S701 - nothing is rendered with it


class Kind(StrEnum):
    """What a piece of a source is."""

    TEXT = "text"
    PRINT = "print"
    """`{{ }}`"""
    STATEMENT = "statement"
    """`{% %}`, or a whole `{% raw %}` block"""
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a source."""

    kind: Kind
    source: str

    @property
    def words(self) -> list[str]:
        """What stands in a construct, split at spaces."""
        return self.source[2:-2].strip("-+ \t\n\r").split()


_BEGINS = {
    "variable_begin": (Kind.PRINT, "variable_end"),
    "block_begin": (Kind.STATEMENT, "block_end"),
    "comment_begin": (Kind.COMMENT, "comment_end"),
    "raw_begin": (Kind.STATEMENT, "raw_end"),
}


def split(source: str) -> list[Piece]:
    """Return the pieces of a source; joined they are the source again (with `\\n` line ends).

    Raises:
        TemplateSyntaxError: a construct is not closed.
    """
    pieces: list[Piece] = []
    kind, end, collected = Kind.TEXT, "", ""
    whole, read = "\n".join(newline_re.split(source)[::2]), 0
    for _, token, value in _LEXER.tokeniter(source, None):
        # Blanks before `{%-` are no token at all.
        begins = whole.index(value, read)
        collected, read = collected + whole[read:begins], begins + len(value)
        if not end and token in _BEGINS:
            if collected:
                pieces.append(Piece(Kind.TEXT, collected))
            kind, end = _BEGINS[token]
            collected = value
            continue
        collected += value
        if token == end:
            pieces.append(Piece(kind, collected))
            kind, end, collected = Kind.TEXT, "", ""
    if collected:
        pieces.append(Piece(Kind.TEXT, collected))
    return pieces


def join(pieces: Iterable[Piece]) -> str:
    """Return the source that the pieces are."""
    return "".join(piece.source for piece in pieces)


class Place(StrEnum):
    """Where in HTML or MJML a construct stands."""

    CONTENT = "content"
    TAG = "tag"
    """Within `<…>`, in an attribute or between attributes."""
    RAW = "raw"
    """In `<style>`, `<script>`, `<title>`, `<textarea>` or a comment."""


_RAW_ELEMENTS = ("style", "script", "title", "textarea", "mj-style")
_ENDS = {
    "!--": re.compile("-->"),
    **{name: re.compile(f"</{name}", re.IGNORECASE) for name in _RAW_ELEMENTS},
}
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_TAG = re.compile(r"<(!--|/?[A-Za-z][A-Za-z0-9-]*)")
_IN_TAG = re.compile(r"[\"'>]")


class Scanner:
    """Follows markup through the fixed texts of a template and knows where the next construct stands."""

    def __init__(self) -> None:
        self.element = ""
        """Of `Place.RAW`: the element, or `!--`."""
        self.open: list[str] = []
        """The elements that are open, outermost first."""
        self.deepest = 0
        """How many were open at once."""
        self._quote = ""
        self._in_tag = False
        self._name = ""

    @property
    def place(self) -> Place:
        """Where we are."""
        return Place.TAG if self._in_tag else Place.RAW if self.element else Place.CONTENT

    def feed(self, text: str) -> None:
        """Go through a fixed text."""
        at = 0
        while at < len(text):
            if self._in_tag:
                at = self._through_tag(text, at)
            elif self.element:
                at = self._through_raw(text, at)
            else:
                found = _TAG.search(text, at)
                if found is None:
                    return
                at = found.end()
                if found[1] == "!--":
                    self.element = "!--"
                else:
                    self._in_tag, self._name = True, found[1].lower()

    def _through_tag(self, text: str, at: int) -> int:
        if self._quote:
            end = text.find(self._quote, at)
            if end < 0:
                return len(text)
            self._quote = ""
            return end + 1
        found = _IN_TAG.search(text, at)
        if found is None:
            return len(text)
        if found[0] != ">":
            self._quote = found[0]
            return found.end()
        self._in_tag = False
        self._close_or_open(is_empty=text[found.start() - 1 : found.start()] == "/")
        return found.end()

    def _close_or_open(self, *, is_empty: bool) -> None:
        name = self._name
        if name.startswith("/"):
            while self.open and self.open.pop() != name[1:]:
                pass
        elif not is_empty and name not in _VOID:
            self.open.append(name)
            self.deepest = max(self.deepest, len(self.open))
            if name in _RAW_ELEMENTS:
                self.element = name

    def _through_raw(self, text: str, at: int) -> int:
        found = _ENDS[self.element].search(text, at)
        if found is None:
            return len(text)
        is_comment, self.element = self.element == "!--", ""
        return found.end() if is_comment else found.start()


@dataclass(frozen=True, slots=True)
class Protected:
    """A source in which stand-ins take the place of the constructs."""

    text: str
    constructs: dict[str, str]
    """Stand-in → construct."""
    order: tuple[str, ...]
    """The stand-ins as they stand in the source, those in `<style>` and the like left out."""
    pattern: re.Pattern[str]
    deepest: int
    """How many elements are open at once."""
    unclosed: str
    """A `<style>`, a comment or the like that goes on to the end, and takes everything with it."""

    def restored(self, text: str) -> str:
        """Return a changed text with the constructs back in their places."""
        return self.pattern.sub(lambda found: self.constructs[found[1] or found[2] or found[3]], text)

    def seen(self, text: str) -> tuple[str, ...]:
        """Return the stand-ins in a text, in order."""
        known = set(self.order)
        found = (match[1] or match[2] or match[3] for match in self.pattern.finditer(text))
        return tuple(token for token in found if token in known)


Dress = Callable[[Kind, Place, list[str], str], str]
"""What stands for a construct: from its kind, its place, the open elements and its stand-in."""


def protect(pieces: Sequence[Piece], dress: Dress) -> Protected:
    """Put stand-ins for the constructs of a source; comments of Jinja go."""
    fixed = join(piece for piece in pieces if piece.kind is Kind.TEXT)
    salt = "jj"
    while salt in fixed:
        salt += "q"
    scanner = Scanner()
    texts: list[str] = []
    constructs: dict[str, str] = {}
    order: list[str] = []
    for piece in pieces:
        if piece.kind is Kind.TEXT:
            scanner.feed(piece.source)
            texts.append(piece.source)
        elif piece.kind is not Kind.COMMENT:
            token = f"{salt}{len(constructs)}x"
            constructs[token] = piece.source
            if scanner.place is not Place.RAW or scanner.element == "!--":
                order.append(token)
            texts.append(dress(piece.kind, scanner.place, scanner.open, token))
    token = rf"({salt}\d+x)"
    pattern = re.compile(rf'<!--{token}-->|{token}=""|{token}')
    return Protected("".join(texts), constructs, tuple(order), pattern, scanner.deepest, scanner.element)
