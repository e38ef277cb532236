"""Proofs about the way people take: steps nobody reaches, too many messages in a day, replies too late."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from engage.project.problem import Problem
from engage.project.proofs.outline import Outline, StepAt, text_at
from engage.project.proofs.pace import MOST_A_DAY, busiest_day
from engage.project.proofs.subject import Subject, duration_at, names_of
from engage.project.yaml.nodes import ListNode, Mapping, Scalar

REPLY_WINDOW = timedelta(hours=72)
"""How long a reply still belongs to the run that asked (language.md §3, correlation)."""
_REPLIES = ("SMS Received", "WhatsApp Received", "Chat Received")


def flow_proofs(subject: Subject, outline: Outline) -> Iterator[Problem]:
    """Yield what is doubtful about the steps of one journey."""
    yield from _reentry(subject)
    for steps in _lists(outline.steps, outline.on_exit):
        yield from _unreachable(subject, steps)
    for step in outline.walk():
        if step.verb == "wait_for":
            yield from _late_reply(subject, step)
    busiest = busiest_day(outline.steps, lambda send: _is_marketing(subject, send))
    if busiest is not None:
        yield subject.warning(
            busiest.position,
            f"somebody can get {busiest.count} messages within 24 hours here",
            f"more than {MOST_A_DAY} a day: put a `wait` between them, or set `caps`",
        )


def _is_marketing(subject: Subject, topic: Scalar | None) -> bool:
    settings = subject.around.settings
    return settings is None or not settings.is_transactional(subject.topic_of(topic))


def _reentry(subject: Subject) -> Iterator[Problem]:
    trigger = subject.document.root.child("trigger")
    event = None if trigger is None else trigger.child("event")
    entry = subject.document.root.child("entry")
    if event is None or (isinstance(entry, Mapping) and "reentry" in entry.keys):
        return
    yield subject.warning(
        event.position,
        "it does not say whether people may enter again: they never do",
        "write `entry: {reentry: never}` (or `always`, or `7 days`)",
    )


def _lists(*lists: list[StepAt]) -> Iterator[list[StepAt]]:
    for steps in lists:
        yield steps
        for step in steps:
            yield from _lists(*(block for _, block in step.blocks))


def _unreachable(subject: Subject, steps: list[StepAt]) -> Iterator[Problem]:
    for step, following in pairwise(steps):
        if _ends(step):
            yield subject.warning(
                following.position,
                "nobody reaches this step: the one before it ends every run",
                "take it away, or the `exit` above",
            )
            return


def _ends(step: StepAt) -> bool:
    """Return whether no run goes on behind a step."""
    if step.verb == "exit":
        return True
    blocks = {suffix: any(_ends(inner) for inner in block) for suffix, block in step.blocks}
    ways = {suffix: ends for suffix, ends in blocks.items() if not suffix.startswith("if_not_sent.")}
    if step.verb == "branch":
        return "else" in ways and all(ways.values())
    if step.verb == "split":
        arms = step.value.child("arms")
        return isinstance(arms, Mapping) and set(arms.keys) == set(ways) and bool(ways) and all(ways.values())
    if step.verb == "repeat":
        return step.value.child("while") is None and ways.get("steps", False)
    if step.verb == "wait_for":
        branches = step.value.child("branches")
        expected = len(branches.children) if isinstance(branches, ListNode) else 1
        return "on_timeout" in ways and len(ways) == expected + 1 and all(ways.values())
    return False


def _late_reply(subject: Subject, step: StepAt) -> Iterator[Problem]:
    timeout = duration_at(step.value, "timeout")
    if timeout is None or timeout <= REPLY_WINDOW:
        return
    branches = step.value.child("branches")
    for branch in [step.value, *(branches.children if isinstance(branches, ListNode) else [])]:
        status = text_at(branch, "status")
        event = branch.child("event")
        if (status is not None and status.data == "replied") or any(
            name in _REPLIES for name in names_of(event)
        ):
            yield subject.warning(
                branch.position,
                "this waits longer for a reply than replies are taken for one: 72 hours",
                "shorten `timeout` to `3 days`; a later reply goes to the newest message of the sender",
            )
