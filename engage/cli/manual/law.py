"""The page of the law: every rule that comes with the code, its figures, its source, and the form of a pack."""

from collections.abc import Iterator

from engage.cli.manual.forms import form_table
from engage.cli.manual.markdown import prose, table, yaml
from engage.domain.law import LawPack, Rule
from engage.domain.law.rules import Hours, Limit
from engage.domain.timing import format_duration
from engage.project.law_files import BUILT_IN, built_in

_MOST_PLACES = 4
_EXAMPLE = """law: us                              # = file name; takes the place of the built-in pack of that name
version: counsel-2026-12             # stands in every decision
title: United States
rules:
  - id: us-tcpa-hours
    title: Telemarketing only from 8:00 to 21:00 at the called party
    source: 47 CFR 64.1200(c)(1)
    effective: 1992-12-20
    places: [US]
    channels: [sms, mms, voice]
    hours: [{from: "08:00", to: "21:00"}]"""


def law_page() -> str:
    """Return the page."""
    lines = [
        "# Law",
        "",
        "`settings.law` names the rule packs a project keeps; they are data, each rule with its source and first day.",
        "",
        "How they work, and how to replace one: [how-to](../how-to/law.md). None of this is legal advice.",
    ]
    for name in BUILT_IN:
        pack = built_in(name)
        assert pack is not None
        lines += ["", f"## {pack.title} (`{name}`, version {pack.version})", ""]
        lines += [pack.note, ""] if pack.note else []
        rows = [
            (
                f"`{rule.id}`",
                rule.title,
                "; ".join(_says(rule)),
                _places(rule),
                f"{rule.source}, from {rule.effective}",
            )
            for rule in pack.rules
        ]
        lines += table(("rule", "what", "here", "where", "source"), rows)
    lines += [
        "",
        "## A pack of your own",
        "",
        "`journeys/law/NAME.yaml`:",
        "",
        *yaml("", _EXAMPLE),
        "",
        *form_table(LawPack),
    ]
    for form in (Rule, Hours, Limit):
        lines += ["", f"### {form.__name__}", "", prose(form.__doc__ or ""), "", *form_table(form)]
    return "\n".join(lines)


def _says(rule: Rule) -> Iterator[str]:
    channels = ", ".join(rule.channels)
    for window in rule.hours:
        days = "/".join(day.name.lower() for day in window.days) or "daily"
        yield f"{channels}: {days} {window.from_:%H:%M}-{window.to:%H:%M}"
    if rule.closed_on:
        yield f"never on {', '.join(rule.closed_on)}"
    if rule.limit is not None:
        about = ", same topic" if rule.limit.same_topic else ""
        yield f"{channels}: at most {rule.limit.count} per {format_duration(rule.limit.per)}{about}, then {rule.limit.on_limit}"
    if rule.words:
        yield f"a text that is one of: {', '.join(rule.words)}"
    if rule.requires:
        yield f"{channels}: `check` looks for {', '.join(str(item).replace('_', ' ') for item in rule.requires)}"
    if rule.note:
        yield rule.note


def _places(rule: Rule) -> str:
    shown = ", ".join(rule.places[:_MOST_PLACES])
    return (
        shown if len(rule.places) <= _MOST_PLACES else f"{shown} and {len(rule.places) - _MOST_PLACES} more"
    )
