"""The text part of a mail made from its HTML: what a reader without HTML sees."""

import re
from collections.abc import Sequence

from engage.templating.html_reader import HtmlReader
from engage.templating.pieces import Kind, Piece, protect

_SKIPPED = frozenset({"head", "style", "script", "title", "template", "noscript"})
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "header",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_APART = frozenset({"p", "table", "ul", "ol", "blockquote"}) | _HEADINGS
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_SPACES = re.compile(r"[ \t\r\n\f\xa0]+")
_LINE, _BLOCK, _PARAGRAPH = "\x1d", "\x1e", "\x1f"
"""Marks for a break that was written, for the edge of a block, and for that of a paragraph."""
_GAP = re.compile("[ \n]*[\x1d\x1e\x1f][ \n\x1d\x1e\x1f]*")
_MARKS = re.compile("([\x1d\x1e\x1f][ \n\x1d\x1e\x1f]*)")
_DOUBLE = re.compile("  +")
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_ONLY_AT_RENDER = frozenset({"import", "from", "macro", "call", "filter", "include", "extends", "block"})
_MAKES_MARKUP = re.compile(r"\|\s*(?:safe|lines|escape|e)\b|\w\(")
_KNOWN_CALLS = re.compile(
    r"\b(?:link|confirm_url|range|default|d|ago|ahead|join|round|fixed|strftime|head|tail)\("
)


def text_template(pieces: Sequence[Piece]) -> str | None:
    """Return a text template with the constructs of an HTML one; None where only a rendered mail can be read.

    That is where a construct may itself make HTML: a macro, or `| safe`. What it renders goes through `tidy`.
    """
    if any(_needs_html(piece) for piece in pieces):
        return None
    protected = protect(pieces, lambda kind, place, elements, token: token)
    # What is side by side already is made one here, once, instead of at every rendering.
    read = _GAP.sub(lambda gap: _strongest(gap[0]), _read(protected.text))
    return protected.restored(read)


def text_of_html(html: str) -> str:
    """Return the text of rendered HTML."""
    return tidy(_read(html))


def _read(html: str) -> str:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text()


def tidy(text: str) -> str:
    """Return a derived text with its marks made into line breaks.

    Only now is known which branches were taken, and so which marks stand side by side.
    """
    parts = _MARKS.split(text)
    for at in range(0, len(parts), 2):
        parts[at] = parts[at].strip(" \n")
    for at in range(1, len(parts), 2):
        parts[at] = "\n\n" if _strongest(parts[at]) == _PARAGRAPH else "\n"
    # Texts between two marks may be empty, and then the marks are one.
    joined = "".join(parts)
    while "\n\n\n" in joined:
        joined = joined.replace("\n\n\n", "\n\n")
    return (_DOUBLE.sub(" ", joined) if "  " in joined else joined).strip()


def _strongest(gap: str) -> str:
    return _PARAGRAPH if _PARAGRAPH in gap or gap.count(_LINE) > 1 else _BLOCK


def _needs_html(piece: Piece) -> bool:
    if piece.kind is Kind.STATEMENT:
        words = piece.words
        is_set_block = words[:1] == ["set"] and "=" not in piece.source
        return words[:1] != [] and (words[0] in _ONLY_AT_RENDER or is_set_block)
    return piece.kind is Kind.PRINT and bool(_MAKES_MARKUP.search(_KNOWN_CALLS.sub("", piece.source)))


class _Reader(HtmlReader):
    """Collects text with marks for the breaks around it, and writes a link's address after its text."""

    def __init__(self) -> None:
        super().__init__()
        self._out: list[str] = []
        self._skip: list[str] = []
        self._links: list[tuple[str, int]] = []

    def text(self) -> str:
        return "".join(self._out)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._skip or tag in _SKIPPED or _HIDDEN.search(given.get("style", "")):
            if tag not in _VOID:
                self._skip.append(tag)
            return
        self._at_block(tag)
        if tag == "hr":
            self._out += [_BLOCK, "-" * 20, _BLOCK]
        elif tag == "img":
            self._out.append(given.get("alt", ""))
        elif tag == "li":
            self._out.append("- ")
        elif tag == "a":
            self._links.append((given.get("href", ""), len(self._out)))

    def handle_endtag(self, tag: str) -> None:
        if self._skip:
            if tag in self._skip:
                while self._skip.pop() != tag:
                    pass
            return
        if tag == "a" and self._links:
            address, start = self._links.pop()
            shown = "".join(self._out[start:]).strip()
            if address and not address.startswith(("#", "mailto:", "tel:")) and shown != address:
                self._out.append(f" ({address})" if shown else address)
        self._at_block(tag)

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self._out.append(_SPACES.sub(" ", data))

    def _at_block(self, tag: str) -> None:
        if tag in _APART:
            self._out.append(_PARAGRAPH)
        elif tag in _BLOCKS:
            self._out.append(_BLOCK)
        elif tag == "br":
            self._out.append(_LINE)
        elif tag in {"td", "th"}:
            self._out.append(" ")
