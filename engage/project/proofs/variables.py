"""Proofs about names: `run.x` that an expression or a text reads and nothing sets."""

from collections.abc import Iterator

from engage.domain.expression import Expression, Place, Text
from engage.project.compiled import compiled_at
from engage.project.problem import Problem
from engage.project.proofs.defined import names_set, of_text
from engage.project.proofs.outline import Outline
from engage.project.proofs.subject import Subject
from engage.project.words.suggest import did_you_mean

_ALWAYS_THERE = frozenset({"key", "entered_at"})


def variable_proofs(subject: Subject, outline: Outline) -> Iterator[Problem]:
    """Yield the names a journey reads that it does not give a value; what a message prints is told there."""
    if subject.definition.form is None:
        return
    names = _ALWAYS_THERE | frozenset(name for step in outline.walk() for name in names_set(step))
    told: set[str] = set()
    for found in compiled_at(subject.definition.form, subject.document.root):
        for name in sorted(found.compiled.reads.run_names - names - told - _printed(found.compiled)):
            told.add(name)
            hint = did_you_mean(name, names - _ALWAYS_THERE, what="set here") or "set it with `remember`"
            yield subject.warning(found.node.position, f"nothing in this journey sets `run.{name}`", hint)


def _printed(compiled: Expression | Text) -> frozenset[str]:
    if not isinstance(compiled, Text) or compiled.place is not Place.MESSAGE:
        return frozenset()
    return frozenset(name for root, name in of_text(compiled.source) if root == "run")
