"""Proofs about what a message prints of a person: a trait that nobody promises, without a default."""

import re
from collections.abc import Iterable, Iterator

from engage.domain.expression import Expression
from engage.domain.profile.spelling import trait_path
from engage.project.compiled import compiled_at
from engage.project.kinds import Kind
from engage.project.problem import Problem
from engage.project.proofs.defined import Printed, printed_by
from engage.project.proofs.outline import Outline, StepAt, text_at
from engage.project.proofs.subject import Subject
from engage.project.yaml.nodes import Mapping

_ROOTS = frozenset({"profile"})
_TRAIT = re.compile(r"\bprofile\.([A-Za-z_][A-Za-z0-9_]*)")
_PHONES = frozenset({"id", "phone"})
_THERE = {"email": frozenset({"id", "email"}), "chat": frozenset({"id"})}
"""What somebody who gets a message on a channel has: phones have their number."""
_AUDIENCES = (("audience", "entered"), ("audience", "left"), ("schedule", "audience"))


def trait_proofs(subject: Subject, outline: Outline) -> Iterator[Problem]:
    """Yield the messages that whoever lacks a trait will not get, where the journey asks nowhere whether it is there."""
    if subject.definition.form is None:
        return
    asked = {*_asked(subject), *_written(outline.walk()), *subject.around.names[Kind.TRAIT]}
    known = frozenset(trait_path((name,))[0] for name in asked)
    told: set[Printed] = set()
    for step in outline.walk():
        for send in step.sends():
            place = send.text or send.template
            there = known | _THERE.get(send.channel, _PHONES)
            for printed in sorted(printed_by(subject, send, _ROOTS) - told):
                told.add(printed)
                if place is not None and trait_path((printed.name,))[0] not in there:
                    yield subject.warning(
                        place.position,
                        f"`profile.{printed.name}` is printed {printed.where}, and whoever has none gets no message",
                        f"write `profile.{printed.name} | default(…)`, or let only those in who have one: "
                        f"`entry: {{where: profile.{printed.name} is present}}`",
                    )


def _asked(subject: Subject) -> Iterator[str]:
    """Yield the traits that a rule of the journey looks at, or the audience or date that starts it."""
    root = subject.document.root
    for found in compiled_at(subject.definition.form, root):
        if isinstance(found.compiled, Expression):
            yield from _TRAIT.findall(found.compiled.source)
    for keys in _AUDIENCES:
        named = text_at(root, "trigger", *keys)
        audience = None if named is None else subject.around.audiences.get(str(named.data))
        if audience is not None and audience.where is not None:
            yield from _TRAIT.findall(audience.where.source)
    for keys in (("date", "trait"), ("trait", "changed")):
        trait = text_at(root, "trigger", *keys)
        if trait is not None:
            yield str(trait.data)


def _written(steps: Iterable[StepAt]) -> Iterator[str]:
    for step in steps:
        if step.verb == "set" and isinstance(step.value, Mapping):
            yield from step.value.keys
