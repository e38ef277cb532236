"""Proofs about names: `run.x` that nothing sets, `with.x` that a send does not give."""

import re
from collections.abc import Iterator

from engage.project.compiled import compiled_at
from engage.project.nodes import ListNode, Mapping
from engage.project.outline import Outline, SendAt, text_at
from engage.project.problem import Problem
from engage.project.subject import Subject
from engage.project.suggest import did_you_mean

_PRINTED = re.compile(r"\{\{(?P<body>[^{}]*)\}\}")
_WITH = re.compile(r"\bwith\.([A-Za-z_][A-Za-z0-9_]*)")
_ALWAYS_THERE = frozenset({"key", "entered_at"})


def variable_proofs(subject: Subject, outline: Outline) -> Iterator[Problem]:
    """Yield the names a journey reads, in expressions, texts and templates, that it does not give a value."""
    names = _ALWAYS_THERE | frozenset(_remembered(outline))
    if subject.definition.form is not None:
        told: set[str] = set()
        for found in compiled_at(subject.definition.form, subject.document.root):
            for name in sorted(found.compiled.reads.run_names - names - told):
                told.add(name)
                hint = did_you_mean(name, names - _ALWAYS_THERE, what="set here") or "set it with `remember`"
                yield subject.warning(found.node.position, f"nothing in this journey sets `run.{name}`", hint)
    for step in outline.walk():
        for send in step.sends():
            yield from _given(subject, send)


def _remembered(outline: Outline) -> Iterator[str]:
    for step in outline.walk():
        if step.verb == "remember" and isinstance(step.value, Mapping):
            yield from step.value.keys
        if step.id is not None:
            yield step.id
        branches = step.value.child("branches")
        for node in [step.value, *(branches.children if isinstance(branches, ListNode) else [])]:
            for key in ("as", "save_as"):
                alias = text_at(node, key)
                if alias is not None:
                    yield str(alias.data)


def _given(subject: Subject, send: SendAt) -> Iterator[Problem]:
    if send.template is None:
        return
    template = subject.around.templates.get(str(send.template.data))
    if template is None:
        return
    missing: set[str] = set()
    for name, content in template.files.items():
        if name.startswith((send.channel, "meta")):
            for printed in _PRINTED.finditer(str(content)):
                if "default" not in printed["body"] and " if " not in printed["body"]:
                    missing.update(_WITH.findall(printed["body"]))
    required = template.files.get("meta.yaml")
    already = required.get("required", ()) if isinstance(required, dict) else ()
    for variable in sorted(missing - send.given - set(already)):
        yield subject.warning(
            send.template.position,
            f"the template `{template.name}` prints `with.{variable}`, which is not given here",
            f"add it: `with: {{{variable}: …}}`, or `| default(…)` in the template",
        )
