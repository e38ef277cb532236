"""Proofs about values that mean something else than they look: crons, texts that look like numbers, statuses."""

import re
from collections.abc import Iterator
from decimal import Decimal

from engage.domain.expression import Expression
from engage.domain.project_settings import ProjectSettings
from engage.domain.timing import CronError, parse_cron
from engage.project.compiled import compiled_at
from engage.project.problem import Problem
from engage.project.proofs.outline import CHANNELS, Outline, StepAt, text_at
from engage.project.proofs.subject import Subject
from engage.project.yaml.nodes import ListNode, Node

_TEXT_NUMBER = re.compile(r"[<>]=?\s*(['\"])(?P<number>-?\d+(?:\.\d+)?)\1")
_Bound = tuple[str, str, Decimal]
"""What is compared, how, and with which number."""
_BOUND = re.compile(r"(?P<name>[A-Za-z_][\w.]*) ?(?P<sign>>=|<=|==|>|<) ?(?P<number>-?\d+(?:\.\d+)?)")
_CALLS = frozenset({"answered", "busy", "no_answer", "digits", "voicemail", "completed"})
_MAILS = frozenset({"bounced", "complained"})
_OPENS = frozenset({"opened", "opened_any"})
_NEVER: dict[str, frozenset[str]] = {
    "email": _CALLS,
    "sms": _CALLS | _MAILS | _OPENS,
    "mms": _CALLS | _MAILS | _OPENS,
    "whatsapp": _CALLS | _MAILS,
    "chat": _CALLS | _MAILS,
    "voice": _MAILS | _OPENS | {"clicked", "replied"},
}
"""What never becomes of a message on a channel."""
_KNOWS = {
    "email": "`delivered`, `opened`, `clicked`, `replied`, `bounced`, `failed`",
    "sms": "`delivered`, `clicked`, `replied`, `undelivered`, `failed`",
    "mms": "`delivered`, `replied`, `undelivered`, `failed`",
    "whatsapp": "`delivered`, `opened`, `replied`, `failed`",
    "chat": "`delivered`, `opened`, `replied`, `failed`",
    "voice": "`answered`, `digits`, `completed`, `voicemail`, `busy`, `no_answer`, `failed`",
}


def meant_proofs(subject: Subject, outline: Outline | None) -> Iterator[Problem]:
    """Yield what reads differently from how it counts."""
    root = subject.document.root
    yield from _cron(subject, root)
    yield from _quiet(subject, root)
    if subject.definition.form is not None:
        for found in compiled_at(subject.definition.form, root):
            if isinstance(found.compiled, Expression):
                yield from _text_number(subject, found.node, found.compiled.source)
    if outline is not None:
        yield from _statuses(subject, outline)
        for step in outline.walk():
            if step.verb == "branch":
                yield from _shadowed(subject, step)


def _cron(subject: Subject, root: Node) -> Iterator[Problem]:
    written = text_at(root, "trigger", "schedule", "cron")
    if written is None:
        return
    try:
        cron = parse_cron(str(written.data))
    except CronError:
        return
    if cron.either:
        yield subject.warning(
            written.position,
            f"`{written.data}` runs on those days of the month and also on every such weekday: either is enough",
            'leave one of them `*`; for the first Tuesday of a month write `cron: "5 0 1 * *"` and begin with '
            '`wait_until: {time: "09:00", weekdays: [tue]}`',
        )


def _quiet(subject: Subject, root: Node) -> Iterator[Problem]:
    settings = subject.definition.form
    quiet = settings.quiet_hours if isinstance(settings, ProjectSettings) else None
    written = root.child("quiet_hours")
    if quiet is not None and written is not None and quiet.from_ == quiet.to:
        yield subject.warning(
            written.position,
            f"quiet hours from {quiet.from_:%H:%M} to {quiet.to:%H:%M} are none at all",
            'write `quiet_hours: "off"` if there are to be none; a whole day cannot be quiet',
        )


def _text_number(subject: Subject, node: Node, source: str) -> Iterator[Problem]:
    found = _TEXT_NUMBER.search(source)
    if found is not None:
        number = found["number"]
        yield subject.warning(
            node.position,
            f"`'{number}'` is a text, and no number is ever smaller or larger than a text",
            f"write `{number}` without quotes",
        )


def _statuses(subject: Subject, outline: Outline) -> Iterator[Problem]:
    channels = {
        step.id: step.verb for step in outline.walk() if step.verb in CHANNELS and step.id is not None
    }
    for step in outline.walk():
        if step.verb != "wait_for":
            continue
        for branch in _branches(step):
            named, status = text_at(branch, "step"), text_at(branch, "status")
            if named is None or status is None:
                continue
            channel = channels.get(str(named.data))
            if channel is not None and status.data in _NEVER[channel]:
                yield subject.warning(
                    status.position,
                    f"`{named.data}` is never `{status.data}`: this waits in vain",
                    f"of {channel} is known {_KNOWS[channel]}",
                )


def _shadowed(subject: Subject, step: StepAt) -> Iterator[Problem]:
    """Look for an `if` that is true only where one above it is true already."""
    above: list[tuple[_Bound, str]] = []
    for item in step.value.children if isinstance(step.value, ListNode) else ():
        written = text_at(item, "if")
        if written is None:
            continue
        source = " ".join(str(written.data).split())
        bounds = _bounds(source)
        for wide, shown in above:
            if any(_within(narrow, wide) for narrow in bounds):
                yield subject.warning(
                    written.position,
                    f"nobody comes here: where this is true, `{shown}` above is true already, and the first one wins",
                    "put the narrower one first",
                )
                break
        if len(bounds) == 1 and " and " not in source:
            above.append((bounds[0], source))


def _bounds(source: str) -> list[_Bound]:
    """Return the comparisons with a number that have to hold for a condition; none where it is no plain chain of `and`."""
    if " or " in source or "(" in source or "not " in source:
        return []
    parts = (_BOUND.fullmatch(part.strip()) for part in source.split(" and "))
    return [(part["name"], part["sign"], Decimal(part["number"])) for part in parts if part is not None]


def _within(narrow: _Bound, wide: _Bound) -> bool:
    """Return whether whatever keeps the one bound keeps the other."""
    (name, sign, number), (other, way, limit) = narrow, wide
    if name != other:
        return False
    if way in (">", ">="):
        return sign in (">", ">=", "==") and (
            number > limit or (number == limit and not (way == ">" and sign != ">"))
        )
    if way in ("<", "<="):
        return sign in ("<", "<=", "==") and (
            number < limit or (number == limit and not (way == "<" and sign != "<"))
        )
    return sign == "==" and number == limit


def _branches(step: StepAt) -> Iterator[Node]:
    branches = step.value.child("branches")
    if isinstance(branches, ListNode):
        yield from branches.children
    else:
        yield step.value
