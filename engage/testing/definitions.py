"""Definitions of a scenario: what is written in it and what it takes from the project's files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from pydantic import BaseModel

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.errors import UnusableSettingsError
from engage.domain.journey.journey import Journey
from engage.domain.law import Law, LawPack
from engage.domain.project_settings import ProjectSettings
from engage.domain.steps.choice import Split
from engage.engine.publish.publish import Source
from engage.project.kinds import Kind, path_of
from engage.project.law_files import law_of
from engage.project.load import Project
from engage.project.plan.meaning import meaning_of
from engage.project.problem import Level
from engage.project.scenario import Publish, Scenario
from engage.project.template_files import TemplateSource
from engage.project.words.suggest import did_you_mean
from engage.testing.errors import ScenarioError

SETTINGS = (str(Kind.SETTINGS), "settings")
_HOUSE_RULES = (Kind.SETTINGS, Kind.LAW)
_NAMED = (Kind.JOURNEY, Kind.AUDIENCE, Kind.TRAIT)
_encoder = msgspec.json.Encoder(decimal_format="number")

Key = tuple[str, str]
"""(kind, name)"""


@dataclass(slots=True)
class Definitions:
    """Everything a scenario can publish, with the compiled form of each."""

    settings: ProjectSettings
    sources: dict[Key, Source] = field(default_factory=dict)
    forms: dict[Key, BaseModel] = field(default_factory=dict)
    templates: dict[str, TemplateSource] = field(default_factory=dict)
    asleep: set[Key] = field(default_factory=set)
    """What exists and is published only by a `publish:` item."""

    def add(self, key: Key, text: str, form: BaseModel) -> Source:
        """Take in a definition, in place of one of the same kind and name."""
        source = Source(kind=key[0], name=key[1], text=text, meaning=meaning_of(form))
        self.sources[key], self.forms[key] = source, form
        return source

    def at_start(self) -> list[Source]:
        """Return what is published at the start."""
        return [source for key, source in self.sources.items() if key not in self.asleep]

    def before_start(self) -> list[Source]:
        """Return what exists before the start: the house rules and the law, and audiences whose members are put in by hand."""
        return [
            source
            for source in self.at_start()
            if source.kind in _HOUSE_RULES or _is_manual(self.forms[source.kind, source.name])
        ]

    @property
    def law(self) -> Law:
        """The law that the settings name.

        Raises:
            ScenarioError: they name a pack that is not there.
        """
        packs = [form for form in self.forms.values() if isinstance(form, LawPack)]
        try:
            return law_of(self.settings.law, {pack.law: pack for pack in packs})
        except UnusableSettingsError as exc:
            raise ScenarioError(f"`settings`: {exc}") from exc

    def named(self, name: str) -> list[Key]:
        """Return the journeys, audiences and traits of that name."""
        return [(str(kind), name) for kind in _NAMED if (str(kind), name) in self.sources]

    def names(self) -> list[str]:
        """Return the names of all journeys, audiences and traits."""
        return [name for kind, name in self.sources if kind not in _HOUSE_RULES]


def _is_manual(form: BaseModel) -> bool:
    return isinstance(form, Audience) and form.manual


def definitions_of(scenario: Scenario, project: Project | None) -> Definitions:
    """Collect the definitions of a scenario; what is written in it goes before a project file of the same name.

    Raises:
        ScenarioError: it uses or publishes a name that is not there, or a file with mistakes.
    """
    definitions = Definitions(settings=_settings(scenario, project))
    definitions.add(SETTINGS, f"of {scenario.path}:{scenario.line}", definitions.settings)
    if scenario.use:
        if project is None:
            raise ScenarioError("`use` takes files of a project, and this scenario does not stand in one")
        _use(definitions, scenario.use, project)
    for key, form in _inline(scenario):
        definitions.add(key, document_text(scenario.documents[key]), form)
    definitions.templates |= {template.name: template for template in scenario.templates}
    if scenario.published is not None:
        _put_to_sleep(definitions, scenario.published)
    _refuse_choices(definitions, scenario)
    return definitions


def document_text(document: Mapping[str, object]) -> str:
    """Return the text under which a document of a scenario is stored."""
    return _encoder.encode(document).decode()


def _settings(scenario: Scenario, project: Project | None) -> ProjectSettings:
    if scenario.settings is not None:
        return scenario.settings
    if scenario.use and project is not None:
        return project.settings
    return ProjectSettings(quiet_hours=None)


def _inline(scenario: Scenario) -> Iterable[tuple[Key, BaseModel]]:
    for audience in scenario.audiences:
        yield (str(Kind.AUDIENCE), audience.name), audience
    for trait in scenario.traits:
        yield (str(Kind.TRAIT), trait.name), trait
    for journey in scenario.journeys:
        yield (str(Kind.JOURNEY), journey.name), journey


def _use(definitions: Definitions, names: Iterable[str], project: Project) -> None:
    forms: dict[Kind, Mapping[str, Journey | Audience | ComputedTrait]] = {
        Kind.JOURNEY: project.journeys,
        Kind.AUDIENCE: project.audiences,
        Kind.TRAIT: project.traits,
    }
    _refuse_mistakes(names, project)
    for name in names:
        found = [(kind, forms[kind][name]) for kind in _NAMED if name in forms[kind]]
        if not found:
            known = [known for kind in _NAMED for known in forms[kind]]
            raise ScenarioError(
                f"`use`: no file is called `{name}`; {did_you_mean(name, known) or 'see `use`'}"
            )
        for kind, form in found:
            definitions.add((str(kind), name), project.sources[f"{kind}/{name}"], form)
    for name, pack in project.law.items():
        definitions.add((str(Kind.LAW), name), project.sources[f"{Kind.LAW}/{name}"], pack)
    definitions.templates |= project.templates


def _refuse_mistakes(names: Iterable[str], project: Project) -> None:
    """Raise with the mistakes of the files that are used; templates and settings are always used."""
    used = {path_of(kind, name) for kind in _NAMED for name in names}
    used.add(path_of(Kind.SETTINGS, "settings"))
    wrong = [
        str(problem)
        for problem in project.problems
        if problem.level is Level.ERROR and (problem.path in used or problem.path.startswith("templates/"))
    ]
    if wrong:
        raise ScenarioError("\n".join(["the project's files have mistakes:", *wrong]))


def _refuse_choices(definitions: Definitions, scenario: Scenario) -> None:
    """Raise if a split or an arm that the scenario fixes is not there, in what it defines or publishes later."""
    later = [item.form for item in scenario.timeline if isinstance(item, Publish) and item.form is not None]
    splits: dict[str, set[str]] = {}
    for form in (*definitions.forms.values(), *later):
        for node in form.program.walk() if isinstance(form, Journey) else ():
            if isinstance(node.step, Split):
                splits.setdefault(node.id, set()).update(node.step.split.arms)
    for step, people in scenario.choices.arms.items():
        if step not in splits:
            hint = did_you_mean(step, splits, what="splits are")
            raise ScenarioError(f"`choose`: there is no split `{step}`" + (f"; {hint}" if hint else ""))
        for arm in sorted(set(people.values()) - splits[step]):
            hint = did_you_mean(arm, splits[step], what="its arms are")
            raise ScenarioError(f"`choose`: the split `{step}` has no arm `{arm}`; {hint}")


def _put_to_sleep(definitions: Definitions, published: frozenset[str]) -> None:
    for name in sorted(published):
        if not definitions.named(name):
            hint = did_you_mean(name, definitions.names())
            raise ScenarioError(f"`published`: nothing is called `{name}`" + (f"; {hint}" if hint else ""))
    definitions.asleep = {
        key for key in definitions.sources if key[0] not in _HOUSE_RULES and key[1] not in published
    }
