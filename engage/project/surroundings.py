"""What a definition may refer to: the names of a whole project, those of broken files included."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.journey.journey import Journey
from engage.domain.law import LawPack
from engage.domain.project_settings import ProjectSettings
from engage.project.kinds import FOLDERS, TEMPLATES, Definition, Kind
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
    half_read: frozenset[str] = frozenset()
    """Templates with a file that could not be read: what they lack may stand there."""

    @classmethod
    def of(
        cls,
        definitions: Iterable[Definition],
        templates: Mapping[str, TemplateSource],
        unread: Mapping[str, bytes] | None = None,
    ) -> "Surroundings":
        """Collect the names and forms of a project; `unread`: the files that are there and could not be read."""
        definitions = list(definitions)
        left = list((unread or {}).items())
        written = [definition for definition in definitions if definition.kind is Kind.SETTINGS]
        settings: ProjectSettings | None = ProjectSettings()
        if any(_is_settings(path) for path, _ in left):
            settings = None
        elif written:
            form = written[0].form
            settings = form if isinstance(form, ProjectSettings) else None
        forms = [definition.form for definition in definitions]
        return cls(
            names={
                kind: frozenset(definition.name for definition in definitions if definition.kind is kind)
                | {name for path, begins in left for name in _names_in(path, begins, kind)}
                for kind in Kind
            },
            settings=settings,
            journeys={form.journey: form for form in forms if isinstance(form, Journey)},
            audiences={form.audience: form for form in forms if isinstance(form, Audience)},
            traits={form.trait: form for form in forms if isinstance(form, ComputedTrait)},
            templates=templates,
            law={form.law: form for form in forms if isinstance(form, LawPack)},
            half_read=frozenset(
                path.removeprefix(f"{TEMPLATES}/").rpartition("/")[0]
                for path, _ in left
                if path.startswith(f"{TEMPLATES}/")
            ),
        )


def _is_settings(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder == FOLDERS[Kind.JOURNEY] and name.partition(".")[0].strip().casefold() == "settings"


def _names_in(path: str, begins: bytes, kind: Kind) -> Iterator[str]:
    """Yield what an unread file may be called: by its own name, and by what it says."""
    folder, _, name = path.rpartition("/")
    if FOLDERS.get(kind) == folder:
        yield name.rpartition(".")[0]
        declared = re.search(
            rf"^{kind}:[ \t]*[\"']?([\w-]+)", begins.decode("utf-8", "replace"), re.MULTILINE
        )
        if declared is not None:
            yield declared[1]
