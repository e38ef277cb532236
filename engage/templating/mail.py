"""Mail at publish: MJML compiled, CSS inlined, the preview text put in; the Jinja constructs come through untouched."""

import re
from collections.abc import Callable, Sequence

import css_inline
import mrml
from jinja2 import TemplateSyntaxError

from engage.templating.pieces import Kind, Piece, Place, Protected, Scanner, join, protect, split

_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
_STRUCTURE = frozenset(
    {"mj-body", "mj-wrapper", "mj-section", "mj-group", "mj-column", "mj-hero", "mj-navbar", "mj-social"}
    | {"mj-accordion", "mj-carousel", "mj-head", "mjml"}
)
"""MJML elements whose children are elements: between them a statement needs `<mj-raw>`."""
_TABLE = frozenset({"table", "thead", "tbody", "tfoot", "tr"})
_STYLE = re.compile(r"<style\b", re.IGNORECASE)
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_HIDDEN = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden"


MAX_NESTED = 500
"""Elements within elements: both compilers go down them on the stack, and a few thousand end the process."""


class MailError(Exception):
    """The mail's markup cannot be compiled."""


def compile_mjml(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the HTML that the MJML stands for, constructs in their places.

    Raises:
        MailError: it is no MJML, or a construct stands where MJML takes none.
    """
    protected = protect(pieces, _in_mjml)
    if protected.deepest > MAX_NESTED:
        raise MailError(f"MJML: its elements are nested more than {MAX_NESTED} deep")
    html = _compiled("MJML", lambda: mrml.to_html(protected.text).content, protected)
    seen = protected.seen(html)
    if set(seen) != set(protected.order):
        lost = protected.constructs[next(token for token in protected.order if token not in seen)]
        raise MailError(f"MJML has no place for `{lost}` here; put it into <mj-text> or <mj-raw>")
    if _statements(protected, seen) != _statements(protected, protected.order):
        raise MailError("MJML moves the statements of this mail; put each around whole elements")
    return split(protected.restored(html))


def _compiled(what: str, work: Callable[[], str], protected: Protected) -> str:
    """Return what a compiler written in Rust makes of a mail.

    Raises:
        MailError: it refuses, or breaks off where it should refuse.
    """
    try:
        return work()
    except (OSError, ValueError, RuntimeError, css_inline.InlineError) as exc:
        raise MailError(f"{what}: {_plain(str(exc), protected)}") from exc
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":  # Rust's accident, which is no `Exception`
            raise
        raise MailError(f"{what}: something in this mail is not closed") from exc


def _in_mjml(kind: Kind, place: Place, elements: list[str], token: str) -> str:
    is_between = place is Place.CONTENT and bool(elements) and elements[-1] in _STRUCTURE
    # mrml inlines styles with an HTML parser, which moves a text between the rows of a table, but no comment.
    return f"<mj-raw><!--{token}--></mj-raw>" if is_between else token


def _statements(protected: Protected, tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if protected.constructs[token].startswith("{%")]


def inline_css(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the mail with its `<style>` in its elements; at-rules (media queries) stay where they are.

    Where the constructs would not come through in place the mail stays as it is: it works, with its `<style>`.
    """
    if not _STYLE.search(join(pieces)):
        return list(pieces)
    protected = protect(pieces, _in_html)
    if protected.deepest > MAX_NESTED or protected.unclosed:
        return list(pieces)
    html = _compiled("CSS", lambda: _INLINER.inline(_with_bodies(protected)), protected)
    if protected.seen(html) != protected.order or not _is_balanced(protected, html):
        return list(pieces)
    try:
        return split(protected.restored(html))
    except TemplateSyntaxError:  # what the parser dropped had kept apart what is a construct now
        return list(pieces)


def _in_html(kind: Kind, place: Place, elements: list[str], token: str) -> str:
    # A text between the rows of a table would be moved out of it by an HTML parser; a comment stays.
    is_between = kind is Kind.STATEMENT or (bool(elements) and elements[-1] in _TABLE)
    return f"<!--{token}-->" if is_between and place is Place.CONTENT else token


def _with_bodies(protected: Protected) -> str:
    """Write the `<tbody>` that an HTML parser puts in: it must not begin inside a loop that goes over rows."""
    stand_in = protected.pattern.pattern
    rows = re.compile(rf"(<table\b[^>]*>\s*)((?:{stand_in})\s*)+(?=<tr\b)", re.IGNORECASE)
    return rows.sub(lambda found: f"{found[1]}<tbody>{found[0][len(found[1]) :]}", protected.text)


def _is_balanced(protected: Protected, html: str) -> bool:
    """Return whether what a statement begins still ends at the same depth of elements."""
    scanner, depths, at = Scanner(), list[int](), 0
    for found in protected.pattern.finditer(html):
        scanner.feed(html[at : found.start()])
        at = found.end()
        construct = protected.constructs[found[1] or found[2] or found[3]]
        words = construct[2:-2].strip("-+ \n").split() if construct.startswith("{%") else []
        word = words[0] if words else ""
        if word.startswith("end") or word in {"else", "elif"}:
            if not depths or depths[-1] != len(scanner.open):
                return False
            if word.startswith("end"):
                depths.pop()
        elif word in {"if", "for", "with", "filter", "call"}:
            depths.append(len(scanner.open))
    return True


def with_preheader(pieces: Sequence[Piece], preheader: str | None) -> list[Piece]:
    """Return the mail with its preview text at the beginning, where mail programs look for it."""
    if not preheader:
        return list(pieces)
    hidden = f'<div style="{_HIDDEN}">{preheader}</div>'
    source = join(pieces)
    body = _BODY.search(source)
    at = body.end() if body else 0
    return split(source[:at] + hidden + source[at:])


def _plain(message: str, protected: Protected) -> str:
    return protected.restored(message)
