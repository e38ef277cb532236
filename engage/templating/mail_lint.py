"""What is probably wrong with a mail, although it can be sent: links, pictures, size, and what spam filters dislike."""

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from engage.templating.html_reader import HtmlReader
from engage.templating.pieces import Kind, Piece

CLIP_BYTES = 102 * 1024
"""Gmail shows no more of a mail's HTML and hides the rest, the way to unsubscribe among it."""
LONGEST_SUBJECT = 70
"""Characters; phones show about 40, desktops 60 to 70."""
LEAST_TEXT = 20
"""Characters of words beside pictures; fewer make a picture of a mail, which filters and blocked images hide."""
_STAND_IN = "jjvalue"
_SHORTENERS = frozenset(
    ["bit.ly", "t.co", "tinyurl.com", "goo.gl", "ow.ly", "is.gd", "buff.ly", "rebrand.ly"]
)
_DROPPED = frozenset(["script", "iframe", "form", "object", "embed", "video", "audio"])
_SHOUTED = re.compile(r"[A-Z]{2,}[^a-z]*\Z")
_PICTURE = "[picture]"
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s/]+", re.IGNORECASE)

Doubt = tuple[str, str, str]
"""Message, hint, and the text in the source that it is about ('' where it is about the whole)."""


def lint(pieces: Sequence[Piece], compiled: str, subject: str | None) -> list[Doubt]:
    """Return what is doubtful about a mail: `pieces` as written (partials in place), `compiled` as it will be sent."""
    reader = _Reader()
    reader.feed(_as_rendered(pieces))
    reader.close()
    found = [*reader.found, *_size(compiled), *_subject(subject)]
    if reader.images and len("".join(reader.words)) < LEAST_TEXT:
        found.append(
            ("this mail is a picture: without images there is nothing to read", "say it in words too", "")
        )
    return list(dict.fromkeys(found))


def _as_rendered(pieces: Iterable[Piece]) -> str:
    """The mail as a reader of its markup sees it: a value stands for each `{{ }}`, statements are gone."""
    return "".join(
        _STAND_IN if piece.kind is Kind.PRINT else piece.source
        for piece in pieces
        if piece.kind in (Kind.TEXT, Kind.PRINT)
    )


def _size(compiled: str) -> Iterator[Doubt]:
    size = len(compiled.encode())
    if size > CLIP_BYTES:
        yield (
            f"the HTML has {size // 1024} KB; Gmail clips a mail at 102 KB, and its foot with it",
            "shorten it, or say less in styles",
            "",
        )


def _subject(subject: str | None) -> Iterator[Doubt]:
    if subject is None:
        return
    fixed = re.sub(r"{[{%#].*?[}%#]}", "", subject).strip()
    if len(fixed) > LONGEST_SUBJECT:
        yield (
            f"the subject has {len(fixed)} characters; phones show about 40",
            f"keep it below {LONGEST_SUBJECT}",
            "",
        )
    if len(fixed) > 3 and _SHOUTED.match(fixed):
        yield "the subject shouts", "write it in small letters: filters count capitals", ""
    if fixed.count("!") > 1 or "$$" in fixed:
        yield "the subject looks like spam to filters", "one exclamation mark at most", ""


class _Reader(HtmlReader):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Doubt] = []
        self.images = 0
        self.words: list[str] = []
        self._skipping = 0
        self._link: tuple[str, str] | None = None
        self._linked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        source = self.get_starttag_text() or ""
        if tag in {"style", "head", "title"}:
            self._skipping += 1
        elif tag == "img":
            self._image(values, source)
        elif tag == "a":
            self._link, self._linked = (values["href"] or "", source) if "href" in values else None, []
            self.found += _link(values, source)
        elif tag in _DROPPED:
            self.found.append((f"mail programs drop `<{tag}>`", "link to a page that has it", source))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "head", "title"}:
            self._skipping = max(0, self._skipping - 1)
        elif tag == "a" and self._link is not None:
            href, source = self._link
            shown = _ADDRESS.search(" ".join(self._linked))
            if shown is not None and _host(href) and _host(shown[0]) not in ("", _host(href)):
                message = f"this link shows `{shown[0]}` and goes to `{_host(href)}`: filters take that for phishing"
                self.found.append((message, "show words, or the same address", source))
            if not "".join(self._linked).strip():
                self.found.append(("this link has no words", "say where it leads", source))
            self._link = None

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        if data.strip():
            self.words.append(data.strip())
        if self._link is not None:
            self._linked.append(data)

    def _image(self, values: dict[str, str | None], source: str) -> None:
        if values.get("width") == "1" and values.get("height") == "1":
            return  # a counting pixel
        self.images += 1
        if self._link is not None:
            self._linked.append(_PICTURE)
        if "alt" not in values:
            self.found.append(
                ("this picture has no `alt` text", 'say what it shows, or `alt=""` for decoration', source)
            )
        if (values.get("src") or "").startswith("data:"):
            self.found.append(("mail programs block pictures in `data:`", "put it on a server", source))


def _link(values: dict[str, str | None], source: str) -> Iterator[Doubt]:
    href = (values.get("href") or "").strip()
    if "name" in values and not href:
        return
    host = _host(href)
    if href in {"", "#"}:
        yield "this link leads nowhere", "give it an `href`", source
    elif href.lower().startswith("javascript:"):
        yield "mail programs drop `javascript:` links", "link to a page", source
    elif href.lower().startswith("http://"):
        yield "this link is not encrypted", "write `https://`", source
    if host in _SHORTENERS:
        yield (
            f"filters distrust shortened links (`{host}`)",
            "link to where it leads; we track clicks ourselves",
            source,
        )
    if _is_number(host):
        yield "filters distrust links to bare IP addresses", "use a name", source


def _host(address: str) -> str:
    text = address if "//" in address else f"//{address}"
    try:
        return (urlsplit(text).hostname or "").removeprefix("www.") if _STAND_IN not in text[:20] else ""
    except ValueError:
        return ""


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
