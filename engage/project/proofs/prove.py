"""Static proofs: what the language allows and a marketer probably does not mean, as warnings."""

from collections.abc import Iterable

from engage.project.kinds import Definition, Kind
from engage.project.problem import Problem
from engage.project.proofs.chain import chain_proofs
from engage.project.proofs.consent import consent_proofs
from engage.project.proofs.defined import defined_proofs
from engage.project.proofs.feeding import feeding_proofs
from engage.project.proofs.flow import flow_proofs
from engage.project.proofs.law import law_proofs
from engage.project.proofs.meant import meant_proofs
from engage.project.proofs.outline import Outline
from engage.project.proofs.subject import Subject
from engage.project.proofs.traits import trait_proofs
from engage.project.proofs.typed import typed_proofs
from engage.project.proofs.variables import variable_proofs
from engage.project.proofs.words import word_proofs
from engage.project.references import ALL_VERBS
from engage.project.surroundings import Surroundings


def proofs(definitions: Iterable[Definition], around: Surroundings) -> list[Problem]:
    """Return the warnings about the definitions of a project."""
    definitions = list(definitions)
    found: list[Problem] = []
    for definition in definitions:
        if definition.document is None:
            continue
        is_journey = definition.kind is Kind.JOURNEY
        outline = Outline(definition.document.root, ALL_VERBS) if is_journey else None
        subject = Subject(definition, definition.document, outline, around)
        found.extend(word_proofs(subject))
        found.extend(typed_proofs(subject))
        found.extend(law_proofs(subject, outline))
        found.extend(meant_proofs(subject, outline))
        if outline is not None:
            found.extend(consent_proofs(subject, outline))
            found.extend(flow_proofs(subject, outline))
            found.extend(variable_proofs(subject, outline))
            found.extend(defined_proofs(subject, outline))
            found.extend(trait_proofs(subject, outline))
    found.extend(chain_proofs(definitions, around))
    found.extend(feeding_proofs(definitions, around))
    return found
