"""What the language promises, sentence by sentence, and the scenario, test or wrong file that holds each of them.

One text per page: `# title`, `## section`, a sentence on a line of its own, and below it, indented, what would fail
without it: `scenario NAME`, `gallery TITLE` or `test PATH[::NAME]` (below `tests/`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent
PAGES = ("language", "expressions", "vocabulary", "scenarios")


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that would fail: its kind, and its name."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One promise; `id` is its page's letter and a number."""

    id: str
    page: str
    section: str
    says: str
    held: tuple[Held, ...]


def sentences() -> Iterator[Sentence]:
    """Yield every promise of every page, in order."""
    for page in PAGES:
        yield from _of_page(page, (HERE / f"{page}.txt").read_text(encoding="utf-8").splitlines())


def _of_page(page: str, lines: list[str]) -> Iterator[Sentence]:
    section, number = "", 0
    says, held = "", list[Held]()
    for line in [*lines, "## "]:
        if line.startswith("  "):
            kind, _, name = line.strip().partition(" ")
            held.append(Held(kind, name.strip('"')))
            continue
        if says:
            number += 1
            yield Sentence(f"{page[0].upper()}{number}", page, section, says, tuple(held))
        says, held = "", []
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.strip() and not line.startswith("# "):
            says = line


def proven() -> frozenset[str]:
    """Return the promises on which a mutant was noticed, as `scripts/mutants` found it last."""
    lines = (HERE / "proven.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(lines) & {sentence.says for sentence in sentences()}


def title_of(page: str) -> str:
    """Return the title of a page."""
    return (HERE / f"{page}.txt").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def page() -> str:
    """Return `docs/reference/coverage.md`."""
    found, known = list(sentences()), proven()
    out = [
        "# Coverage",
        "",
        "<!-- Made by scripts/reference from tests/coverage; edit those. -->",
        "",
        f"Every promise of the language ({len(found)}), and what fails without it: a scenario in `tests/scenarios` or `journeys/tests`, a",
        "piece of the gallery of wrong files, or a test. A test fails if one of them is not there. For those with ✓ more is proven: the engine was",
        f"broken in one place, and what holds the promise failed ({len(known)} of them; `scripts/mutants` does it again).",
    ]
    shown = ("", "")
    for sentence in found:
        if sentence.page != shown[0]:
            out += ["", f"## {title_of(sentence.page)}"]
        if (sentence.page, sentence.section) != shown:
            out += ["", f"### {sentence.section}", "", "| | promise | held by |", "| --- | --- | --- |"]
        shown = (sentence.page, sentence.section)
        held = "<br>".join(f"{one.kind}: {_cell(one.name)}" for one in sentence.held)
        mark = " ✓" if sentence.says in known else ""
        out.append(f"| {sentence.id}{mark} | {_cell(sentence.says)} | {held} |")
    return "\n".join(out) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
