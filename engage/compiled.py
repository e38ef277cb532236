"""Compiled: what was published, compiled once per epoch and process, as catalog and renderer."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog
from pydantic import BaseModel

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.catalog import Catalog, JourneyState, LiveJourney
from engage.domain.delivery.delivery import Channel
from engage.domain.errors import UnusableSettingsError
from engage.domain.journey.journey import Journey
from engage.domain.law import Law, LawPack
from engage.domain.project_settings import ProjectSettings
from engage.engine.publish.publish import Source
from engage.ports.storage import StoredDefinition, Transaction
from engage.ports.templating import Renderer
from engage.project.kinds import Kind
from engage.project.law_files import law_of
from engage.project.load import Project, load_source, place_in_template
from engage.project.plan.meaning import meaning_of
from engage.project.problem import Level, Problem
from engage.project.template_files import TemplateSource as TemplateFiles
from engage.templating import TemplateProblem, TemplateSet, TemplateSource, compile_templates, text_problem

log = structlog.get_logger(__name__)

SHARED = "_shared"


@dataclass(frozen=True, slots=True)
class _Live:
    epoch: int
    catalog: Catalog
    templates: TemplateSet


@dataclass(frozen=True, slots=True)
class LiveTemplate:
    """What somebody must know who sends one by hand."""

    channels: frozenset[Channel]
    required: tuple[str, ...]
    """What it reads as `with.<name>` and cannot do without."""


class CompiledProject:
    """Compiles the live definitions; asks for the epoch in every transaction and compiles again when it moved.

    A definition that no longer compiles (an older or newer version of this code wrote it) is left out and logged: it
    must never stop the others. Thread-safe.
    """

    def __init__(self, public_url: str = "", user_secrets: Mapping[str, str] | None = None) -> None:
        """`user_secrets` are what `secret('NAME')` gives."""
        self._public_url, self._secrets = public_url, dict(user_secrets or {})
        self._lock = threading.Lock()
        self._forms: dict[tuple[str, str, str], object] = {}
        self._live: _Live | None = None

    def catalog_of(self, tx: Transaction) -> Catalog:
        """Return the catalog that is live in this transaction."""
        return self._at(tx).catalog

    def renderer_of(self, tx: Transaction) -> Renderer:
        """Return the renderer of the templates that are live in this transaction."""
        return self._at(tx).templates

    def templates_of(self, tx: Transaction) -> dict[str, LiveTemplate]:
        """Return what can be sent by name in this transaction."""
        templates = self._at(tx).templates
        return {
            name: LiveTemplate(templates.channels(name), templates.required(name)) for name in templates.names
        }

    @staticmethod
    def text_problem(text: str) -> str | None:
        """Return what is wrong with a text that is sent as it is written, None if nothing is."""
        return text_problem(text)

    def keep(self, kind: str, name: str, checksum: str, form: object) -> None:
        """Remember a compiled form, so that publishing what was just checked compiles nothing again."""
        self._forms[kind, name, checksum] = form

    def _at(self, tx: Transaction) -> _Live:
        epoch = tx.definitions.epoch()
        live = self._live
        if live is not None and live.epoch == epoch:
            return live
        with self._lock:
            if self._live is None or self._live.epoch != epoch:
                self._live = self._compile(tx, epoch)
            return self._live

    def _compile(self, tx: Transaction, epoch: int) -> _Live:
        stored = tx.definitions.live()
        journeys = [
            LiveJourney(form, item.version, JourneyState(item.state))
            for item in stored
            if item.kind == "journey" and isinstance(form := self._form(item), Journey)
        ]
        current = {(live.name, live.version) for live in journeys}
        older = tx.definitions.versions(sorted(tx.definitions.versions_inside() - current))
        forms = [self._form(item) for item in stored if item.kind in ("settings", "law", "audience", "trait")]
        settings = _settings(stored, forms)
        compiled = [self._form(item) for item in (*stored, *older) if item.kind != "template"]
        catalog = Catalog(
            epoch=epoch,
            settings=settings,
            journeys=journeys,
            audiences=[form for form in forms if isinstance(form, Audience)],
            traits=[form for form in forms if isinstance(form, ComputedTrait)],
            pinned={
                (item.name, item.version): form
                for item in older
                if isinstance(form := self._form(item), Journey)
            },
            stopped=tx.definitions.stopped_channels(),
            law=_law(stored, forms, settings),
            whole=None not in compiled,
            folding=tx.definitions.folding(),
        )
        return _Live(epoch, catalog, self._templates(stored))

    def _form(self, stored: StoredDefinition) -> object:
        key = (stored.kind, stored.name, stored.checksum)
        if key not in self._forms:
            form, problems = load_source(stored.kind, stored.name, stored.source)
            if form is None:
                log.error("definition.broken", kind=stored.kind, name=stored.name, problem=str(problems[:1]))
            self._forms[key] = form
        return self._forms[key]

    def _templates(self, stored: list[StoredDefinition]) -> TemplateSet:
        shared: dict[str, str] = {}
        sources: list[TemplateSource] = []
        for item in stored:
            if item.kind != "template":
                continue
            form = self._form(item)
            if not isinstance(form, TemplateFiles):
                continue
            if item.name == SHARED:
                shared = {name: text for name, text in form.files.items() if isinstance(text, str)}
            else:
                sources.append(template_source(form, item.version))
        templates, problems = compile_templates(sources, shared, self._secrets.get)
        for problem in problems:
            say = log.warning if problem.is_warning else log.error
            say("template.broken", file=problem.file, line=problem.line, problem=problem.message)
        return templates


def _settings(stored: list[StoredDefinition], forms: list[object]) -> ProjectSettings:
    """Return the house rules; none published: the defaults. Rules that do not compile are never replaced by defaults:
    consent would be lost with them."""
    found = next((form for form in forms if isinstance(form, ProjectSettings)), None)
    if found is None and any(item.kind == "settings" for item in stored):
        raise UnusableSettingsError(
            "the published settings do not compile with this release; publish them again, or run the release before"
        )
    return found or ProjectSettings()


def _law(stored: list[StoredDefinition], forms: list[object], settings: ProjectSettings) -> Law:
    """Return the law of the settings. A pack that does not compile is never left out: messages would go lawless."""
    own = {form.law: form for form in forms if isinstance(form, LawPack)}
    if broken := {item.name for item in stored if item.kind == "law"} - set(own):
        raise UnusableSettingsError(
            f"the rule pack `{min(broken)}` does not compile with this release; publish it again"
        )
    return law_of(settings.law, own)


def template_source(form: TemplateFiles, version: int) -> TemplateSource:
    """Return a template's files as templating compiles them: texts apart from parsed YAML."""
    documents = {name: content for name, content in form.files.items() if isinstance(content, dict)}
    return TemplateSource(
        name=form.name,
        files={name: content for name, content in form.files.items() if isinstance(content, str)},
        meta=documents.pop("meta.yaml", {}),
        voice=documents.pop("voice.yaml", None),
        documents=documents,
        version=version,
    )


def template_problems(project: Project) -> list[Problem]:
    """Compile a project's templates and return what is wrong with them, by place."""
    shared = project.templates.get(SHARED)
    partials = {} if shared is None else {n: t for n, t in shared.files.items() if isinstance(t, str)}
    sources = [template_source(form, 1) for name, form in project.templates.items() if name != SHARED]
    _, problems = compile_templates(sources, partials)
    # What is wrong with the form of a file has been told by whoever read it.
    wrong = {problem.path for problem in project.problems if problem.level is Level.ERROR}
    told = {(problem.path, problem.message) for problem in project.problems}
    placed = [
        _placed(project, problem)
        for problem in problems
        if not (problem.about_form and f"templates/{problem.file}" in wrong)
    ]
    found = [problem for problem in placed if (problem.path, problem.message) not in told]
    return [*found, *_scenario_problems(project, partials)]


def _scenario_problems(project: Project, partials: Mapping[str, str]) -> Iterator[Problem]:
    """Compile the templates written inside scenarios, and tell what is wrong at their place in the scenario's file."""
    for scenario in project.scenarios:
        forms = {form.name: form for form in scenario.templates}
        shared = forms.pop(SHARED, None)
        own = {} if shared is None else {n: t for n, t in shared.files.items() if isinstance(t, str)}
        sources = [template_source(form, 1) for form in forms.values()]
        _, problems = compile_templates(sources, {**(partials if scenario.use else {}), **own})
        for problem in problems:
            at = scenario.template_places.get(problem.file)
            if not problem.is_warning:
                yield Problem(
                    path=scenario.path,
                    line=scenario.line if at is None else at.line,
                    column=1 if at is None else at.column,
                    message=f"`{problem.file}`: {problem.message}",
                    hint=problem.hint,
                )


def _placed(project: Project, problem: TemplateProblem) -> Problem:
    at = place_in_template(project, problem.file, problem.where) if problem.where else None
    return Problem(
        path=f"templates/{problem.file}",
        line=problem.line if at is None else at.line,
        column=problem.column if at is None else at.column,
        message=problem.message
        if at is not None or not problem.where
        else f"{problem.where}: {problem.message}",
        hint=problem.hint,
        level=Level.WARNING if problem.is_warning else Level.ERROR,
    )


def sources_of(project: Project) -> list[Source]:
    """Return a project's definitions as they are published; an edit without a change of meaning is no change."""
    forms: dict[str, Mapping[str, BaseModel | TemplateFiles]] = {
        Kind.JOURNEY: project.journeys,
        Kind.AUDIENCE: project.audiences,
        Kind.TRAIT: project.traits,
        Kind.LAW: project.law,
        Kind.TEMPLATE: project.templates,
    }
    found: list[Source] = []
    for key, text in project.sources.items():
        kind, _, name = key.partition("/")
        form = project.settings if kind == Kind.SETTINGS else forms[kind].get(name)
        meaning = None if form is None else meaning_of(form)
        found.append(Source(kind=kind, name=name, text=text, meaning=meaning))
    return found
