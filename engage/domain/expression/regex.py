"""Regular expressions that cannot run away: RE2, without the parts that PostgreSQL or RE2 would read otherwise."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

import re2

from engage.domain.expression.errors import ExpressionError

IGNORE_CASE = "(?i)"

# In the order of trial; each is refused where it stands.
_REFUSED = (
    (re.compile(r"\(\?<?[=!]"), "looks ahead or behind", "write what the text itself must look like"),
    (re.compile(r"\(\?(?:P?<|P[=>]|')"), "names a group", "use `(…)`"),
    (re.compile(r"\(\?(?!:)"), "sets a flag in the middle", "only `(?i)` at the very start is allowed"),
    (re.compile(r"\\[1-9]"), "refers back to a group", "write the repetition out"),
    (re.compile(r"\\[bB]"), "uses `\\b`", r"write `(^|\W)` before and `(\W|$)` after the word"),
    (
        re.compile(r"\\[CQEkgGZXKR]"),
        "uses an escape that is not available",
        r"use `\d \w \s` and classes such as `[a-z]`",
    ),
    (
        re.compile(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})[?+]"),
        "is lazy or possessive",
        "leave the second sign out",
    ),
)
_SKIPPED = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]", re.DOTALL)


class Pattern(Protocol):
    """A compiled regular expression."""

    def search(self, text: str) -> Match | None:
        """Return the first match anywhere in `text`."""


class Match(Protocol):
    """A match; `group()` is the text that matched."""

    def group(self) -> str: ...


def check_regex(pattern: str) -> None:
    """Refuse a pattern that cannot run in linear time or means different things in different engines.

    Raises:
        ExpressionError: with the offset in `pattern`.
    """
    position = len(IGNORE_CASE) if pattern.startswith(IGNORE_CASE) else 0
    while position < len(pattern):
        for refused, what, hint in _REFUSED:
            if refused.match(pattern, position):
                found = refused.match(pattern, position)
                written = found.group() if found else ""
                raise ExpressionError(
                    f"the regular expression {what}: `{written}`", hint=hint, offset=position
                )
        skipped = _SKIPPED.match(pattern, position)
        position = skipped.end() if skipped else position + 1
    try:
        compiled(pattern)
    except re2.error as exc:
        reason = exc.args[0].decode() if exc.args and isinstance(exc.args[0], bytes) else str(exc)
        raise ExpressionError(
            f"the regular expression cannot be read: {reason}", hint="check the brackets"
        ) from exc
    except UnicodeEncodeError as exc:
        hint = "write the character itself"
        raise ExpressionError("the regular expression holds half a character", hint=hint) from exc


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Pattern:
    """Return `pattern` compiled by RE2; `$` is the end of the text, `.` is no line break, `\\d \\w \\s` are ASCII."""
    result: Pattern = re2.compile(pattern, _options())
    return result


def first_match(pattern: Pattern, text: str) -> str | None:
    """Return the first part of `text` that matches; None if there is none or the text holds half characters."""
    try:
        match = pattern.search(text)
    except UnicodeEncodeError:
        return None
    return None if match is None else match.group()
