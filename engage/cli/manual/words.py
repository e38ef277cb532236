"""The reference's pages of words: vocabulary and expressions."""

from collections.abc import Mapping
from enum import StrEnum

from engage.cli.manual import examples as examples
from engage.cli.manual.markdown import table
from engage.domain.decision import EndReason, EntryRefusal
from engage.domain.delivery.delivery import FailReason, HoldReason, Mark, SkipReason
from engage.domain.expression.hints import FILTERS, FUNCTIONS, TESTS
from engage.domain.turn.handle import RESERVED


class UndocumentedError(Exception):
    """Something of the language has no words in `manual_examples`; the text names it."""


def vocabulary_page() -> str:
    """Return the page."""
    lines = ["# Vocabulary", "", "The words that appear on profiles, deliveries, runs and in `why`.", ""]
    lines += ["## Statuses of deliveries", "", *_words(Mark, examples.STATUS_WORDS)]
    lines += [
        "",
        "## Why something was not sent",
        "",
        "The first that applies, in this order.",
        "",
        *_words(SkipReason, examples.SKIP_WORDS),
    ]
    lines += ["", "## Why something is held", "", *_words(HoldReason, examples.HOLD_WORDS)]
    lines += ["", "## Why something failed", "", *_words(FailReason, examples.FAIL_WORDS)]
    lines += [
        "",
        "## Why somebody did not enter",
        "",
        "The first that applies, in this order.",
        "",
        *_words(EntryRefusal, examples.ENTRY_WORDS),
    ]
    lines += [
        "",
        "## How runs end",
        "",
        "Or with the text of `exit` or of `exit_when.reason`.",
        "",
        *_words(EndReason, examples.END_WORDS),
    ]
    lines += [
        "",
        "## Reserved events",
        "",
        "Written by the engine on the profile; a call from outside that uses one is stored apart. A provider's `code` and a caller's",
        "`digits` are text: `event.code == '30003'`.",
        "",
    ]
    lines += [f"- `{name}`" for name in sorted(RESERVED)]
    return "\n".join(lines)


def expressions_page() -> str:
    """Return the page."""
    lines = [
        "# Expressions",
        "",
        "Conditions and values in journeys, audiences and traits; between `{{ }}` also in texts and templates.",
        "",
        "Names: `profile.<trait>`, `event.<property>`, `entry.<property>`, `entry_event`, `run.<name>`, `now`.",
        "Operators: `and or not`, `== != < <= > >=`, `in`, `not in`, `+ - * /`, `a if condition else b`.",
        "Missing and null are none; `<` and `>` with none are false; there is no coercion: `'10' == 10` is false.",
    ]
    for title, known, words, lead in (
        (
            "Functions",
            FUNCTIONS,
            examples.FUNCTIONS,
            "Over events: `within=`, `since=`, `before=`, `where=`; a name may end in `*`.",
        ),
        ("Filters", FILTERS, examples.FILTERS, "After `|`."),
        ("Tests", TESTS, examples.TESTS, "After `is` or `is not`."),
    ):
        rows = []
        for name in sorted(map(str, known)):
            if name not in words:
                raise UndocumentedError(f"{title.lower()[:-1]} `{name}`")
            example, meaning = words[name]
            rows.append((f"`{name}`", meaning, f"`{example}`"))
        lines += ["", f"## {title}", "", lead, "", *table(("name", "gives", "example"), rows)]
    return "\n".join(lines)


def _words(kind: type[StrEnum], words: Mapping[str, str]) -> list[str]:
    return table(("word", "meaning"), [(f"`{name}`", word(words, name, kind.__name__)) for name in kind])


def word(words: Mapping[str, str], name: str, what: str) -> str:
    """Return the words for a name.

    Raises:
        UndocumentedError: there are none.
    """
    if name not in words:
        raise UndocumentedError(f"{what} `{name}`")
    return words[name]
