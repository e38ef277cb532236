"""The words of the language, and what to say to somebody who wrote another one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from engage.domain.expression.tree import FilterName, Fold, TestName

FOLDS = frozenset(Fold)
FUNCTIONS = frozenset(
    {*Fold, "sequence", "in_audience", "subscribed", "changed_at", "ago", "ahead", "bucket", "secret"}
)
LINKS = frozenset({"unsubscribe_url", "preferences_url", "view_url"})
LINK_FUNCTIONS = frozenset({"confirm_url", "link"})
FILTERS = frozenset(FilterName)
TESTS = frozenset(TestName)
NAMES = frozenset({"profile", "event", "entry", "entry_event", "run", "now"})
CONSTANTS = frozenset({"true", "false", "none"})

#: Words that other languages use here.
WORDS = {
    "null": "`none`",
    "nil": "`none`",
    "undefined": "`none`",
    "equals": "`==`",
    "eq": "`==`",
    "ne": "`!=`",
    "gt": "`>`",
    "gte": "`>=`",
    "ge": "`>=`",
    "lt": "`<`",
    "lte": "`<=`",
    "le": "`<=`",
    "xor": "`!=`",
    "contains": "`'x' in …` or `… is containing 'x'`",
    "matches": "`… is matching 'regex'`",
    "like": "`… is matching 'regex'`",
    "exists": "`… is present`",
    "then": "`a if condition else b`",
    "elif": "`a if condition else b`",
    "between": "`a <= x and x <= b`",
    "user": "`profile`",
    "person": "`profile`",
    "traits": "`profile`",
    "customer": "`profile`",
    "contact": "`profile`",
    "properties": "`event` or `entry`",
    "trigger": "`entry`",
    "today": "`now`",
    "timestamp": "`now`",
}

FOREIGN_FILTERS = {
    "int": "`number | round`",
    "float": "`number`",
    "string": "text already prints as text",
    "count": "`length`",
    "size": "`length`",
    "capitalize": "`upper` or `lower`",
    "title": "`upper` or `lower`",
    "strip": "`trim`",
    "first": "`head(1)`, or the function `first('Event', 'property')`",
    "last": "`tail(1)`, or the function `last('Event', 'property')`",
    "truncate": "`head(20)`",
    "d": "`default`",
    "regex": "`extract('regex')`",
    "sum": "the function `sum('Event', 'property')`",
    "min": "the function `min('Event', 'property')`",
    "max": "the function `max('Event', 'property')`",
    "sort": "nothing: `values('Event', 'property')` is sorted already",
    "unique": "nothing: `values('Event', 'property')` has no repeats",
    "datetime": "`date`",
}

FOREIGN_TESTS = {
    "null": "`is none`",
    "undefined": "`is not defined`",
    "blank": "`is empty`",
    "set": "`is present`",
    "exists": "`is present`",
    "in": "`in` without `is`",
    "startswith": "`is starting_with 'x'`",
    "endswith": "`is ending_with 'x'`",
    "contains": "`is containing 'x'`",
    "matches": "`is matching 'regex'`",
    "true": "the value alone, or `== true`",
    "false": "`not …`, or `== false`",
    "equalto": "`==`",
    "eq": "`==`",
    "mapping": "`is present`",
    "text": "`is string`",
}

DATE_UNITS = ("second", "minute", "hour", "day", "week", "month", "year")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean …?` for the known word nearest to `word`, else an empty text."""
    known = sorted(known)
    by_case = [candidate for candidate in known if candidate.lower() == word.lower()]
    near = by_case or get_close_matches(word.lower(), known, n=1, cutoff=0.65)
    return f"did you mean `{near[0]}`?" if near else ""


def listed(words: Iterable[str]) -> str:
    """Return the words sorted, for a hint."""
    return " ".join(sorted(words))
