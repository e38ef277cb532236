"""What a definition may refer to: the names of a whole project, those of broken files included."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.journey.journey import Journey
from engage.domain.law import LawPack
from engage.domain.project_settings import ProjectSettings
from engage.project.kinds import Definition, Kind
from engage.project.template_files import TemplateSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Names are known also where the file is wrong: its mistakes are told there, not at everything that names it."""

    names: dict[Kind, frozenset[str]]
    settings: ProjectSettings | None
    """None: the settings file is wrong, and nothing can be said about topics."""
    journeys: dict[str, Journey] = field(default_factory=dict)
    audiences: dict[str, Audience] = field(default_factory=dict)
    traits: dict[str, ComputedTrait] = field(default_factory=dict)
    templates: Mapping[str, TemplateSource] = field(default_factory=dict)
    law: dict[str, LawPack] = field(default_factory=dict)

    @classmethod
    def of(cls, definitions: Iterable[Definition], templates: Mapping[str, TemplateSource]) -> "Surroundings":
        """Collect the names and forms of a project."""
        definitions = list(definitions)
        written = [definition for definition in definitions if definition.kind is Kind.SETTINGS]
        settings: ProjectSettings | None = ProjectSettings()
        if written:
            form = written[0].form
            settings = form if isinstance(form, ProjectSettings) else None
        forms = [definition.form for definition in definitions]
        return cls(
            names={
                kind: frozenset(definition.name for definition in definitions if definition.kind is kind)
                for kind in Kind
            },
            settings=settings,
            journeys={form.journey: form for form in forms if isinstance(form, Journey)},
            audiences={form.audience: form for form in forms if isinstance(form, Audience)},
            traits={form.trait: form for form in forms if isinstance(form, ComputedTrait)},
            templates=templates,
            law={form.law: form for form in forms if isinstance(form, LawPack)},
        )
