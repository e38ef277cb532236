"""A project folder to a checked project, and one stored definition to its compiled form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from pydantic import BaseModel

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.journey.journey import Journey
from engage.domain.law import LawPack
from engage.domain.project_settings import ProjectSettings
from engage.project.folder import ProjectFolder, SourceFile
from engage.project.kinds import (
    FOLDERS,
    SCENARIOS,
    SETTINGS_FILE,
    TEMPLATES,
    Definition,
    Kind,
    path_of,
    read_definition,
)
from engage.project.problem import Problem, has_errors, in_order
from engage.project.proofs.prove import proofs
from engage.project.references import references
from engage.project.scenario import Scenario, ScenarioReader
from engage.project.scenario.ranges import has_ranges
from engage.project.surroundings import Surroundings
from engage.project.template_files import SHARED, TemplateSource
from engage.project.template_forms import read_template
from engage.project.words.suggest import did_you_mean
from engage.project.yaml.nodes import ListNode, Position
from engage.project.yaml.reader import read

_files_decoder = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Everything a project folder holds. What is wrong with a file is in `problems`, and the file is not in its list."""

    settings: ProjectSettings
    journeys: dict[str, Journey]
    audiences: dict[str, Audience]
    traits: dict[str, ComputedTrait]
    templates: dict[str, TemplateSource]
    """By name; partials and macros under `_shared`."""
    law: dict[str, LawPack] = field(default_factory=dict)
    """Rule packs of the project's own, which replace the built-in ones of the same name."""
    scenarios: tuple[Scenario, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    """Text by `kind/name`, for storing; a template's is JSON of its files. `load_source` reads it back."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it may be published."""
        return not has_errors(self.problems)


def load_project(root: Path, *, scenarios: bool = True, warnings: bool = True) -> Project:
    """Read and check every file of a project folder; all mistakes of all files are reported at once.

    `scenarios`: also read `journeys/tests`. `warnings`: also look for what is allowed but probably not meant.
    Never raises for what the files hold.
    """
    folder = ProjectFolder(root)
    if not folder.exists("journeys"):
        nothing = Problem(
            path=".",
            line=1,
            column=1,
            message="no `journeys` folder here",
            hint=f"looked in {root.resolve()}; `engage init DIR` makes one",
        )
        return _project([], {}, {}, (), [nothing])
    definitions, problems, sources = _definitions(folder)
    templates, template_sources = _templates(folder, problems)
    tests = _scenarios(folder, problems) if scenarios else ()
    surroundings = Surroundings.of(definitions, templates, folder.unread)
    problems.extend(references(definitions, surroundings))
    unread = frozenset(Path(problem.path).stem for problem in (*folder.problems, *problems))
    problems.extend(_unknown_names(tests, surroundings, unread))
    if warnings:
        problems.extend(proofs(definitions, surroundings))
    return _project(
        definitions, templates, {**sources, **template_sources}, tests, [*folder.problems, *problems]
    )


def _project(
    definitions: list[Definition],
    templates: dict[str, TemplateSource],
    sources: dict[str, str],
    scenarios: tuple[Scenario, ...],
    problems: list[Problem],
) -> Project:
    forms = [definition.form for definition in definitions]
    settings = next((form for form in forms if isinstance(form, ProjectSettings)), None)
    return Project(
        settings=settings or ProjectSettings(),
        journeys={form.journey: form for form in forms if isinstance(form, Journey)},
        audiences={form.audience: form for form in forms if isinstance(form, Audience)},
        traits={form.trait: form for form in forms if isinstance(form, ComputedTrait)},
        templates=templates,
        law={form.law: form for form in forms if isinstance(form, LawPack)},
        scenarios=scenarios,
        sources=sources,
        problems=in_order(problems),
    )


def _definitions(folder: ProjectFolder) -> tuple[list[Definition], list[Problem], dict[str, str]]:
    found: list[tuple[Kind, SourceFile]] = [
        (Kind.SETTINGS if file.path == SETTINGS_FILE else kind, file)
        for kind, place in FOLDERS.items()
        for file in folder.yaml_files(place)
    ]
    definitions: list[Definition] = []
    problems: list[Problem] = []
    sources: dict[str, str] = {}
    for kind, file in found:
        definition, wrong = read_definition(kind, file.stem, file.text, file.path)
        definitions.append(definition)
        problems.extend(wrong)
        sources[f"{kind}/{file.stem}"] = file.text
    return definitions, problems, sources


def _templates(
    folder: ProjectFolder, problems: list[Problem]
) -> tuple[dict[str, TemplateSource], dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for name, files in folder.folders_below(TEMPLATES):
        home = SHARED if name.split("/")[0] == SHARED else name
        for file in files:
            inside = file.path.removeprefix(f"{TEMPLATES}/{home}/")
            texts.setdefault(home, {})[inside] = file.text
    templates: dict[str, TemplateSource] = {}
    sources: dict[str, str] = {}
    for name, contents in texts.items():
        templates[name], wrong = read_template(name, contents, path_of(Kind.TEMPLATE, name))
        problems.extend(wrong)
        sources[f"{Kind.TEMPLATE}/{name}"] = encode_files(contents)
    return templates, sources


def _scenarios(folder: ProjectFolder, problems: list[Problem]) -> tuple[Scenario, ...]:
    found: list[Scenario] = []
    for file in folder.yaml_files(SCENARIOS):
        scenarios, wrong = read_scenarios(file.text, file.path)
        found.extend(scenarios)
        problems.extend(wrong)
    return tuple(found)


def _unknown_names(
    scenarios: tuple[Scenario, ...], around: Surroundings, unread: frozenset[str]
) -> list[Problem]:
    """Point out names under `use` that no file of the project has; of those in `unread` more is told elsewhere."""
    known = frozenset().union(*around.names.values(), around.templates)
    return [
        Problem(
            path=scenario.path,
            line=scenario.line,
            column=1,
            message=f"the project has no file `{name}` to `use`",
            hint=did_you_mean(name, known, what="there are"),
        )
        for scenario in scenarios
        for name in scenario.use
        if name not in known and name not in unread
    ]


def read_scenarios(text: str, path: str) -> tuple[list[Scenario], list[Problem]]:
    """Read a file of scenarios. One that is wrong is left out and its mistakes are returned."""
    documents, problems = read(text, path)
    if not documents and not problems:
        problems.append(
            Problem(
                path=path, line=1, column=1, message="the file is empty", hint="it should hold a scenario"
            )
        )
    found: list[Scenario] = []
    ranged = has_ranges(text)
    for document in documents:
        reader = ScenarioReader(document, ranged=ranged)
        scenario = reader.read()
        problems.extend(reader.problems)
        if scenario is not None:
            found.append(scenario)
    return found, in_order(problems)


def encode_files(files: Mapping[str, str]) -> str:
    """Return the files of a template as one text, always the same for the same files."""
    return msgspec.json.encode(dict(sorted(files.items()))).decode()


def place_in_template(project: Project, file: str, where: str) -> Position | None:
    """Return where a value such as `say.0.gather.prompt` stands in a YAML file of a template, named `template/file`.

    None if there is no such file, or it is no YAML.
    """
    name, _, inside = file.rpartition("/")
    text = _files_decoder.decode(project.sources.get(f"{Kind.TEMPLATE}/{name}", "{}")).get(inside)
    documents = [] if text is None else read(text, file)[0]
    if not documents:
        return None
    node = documents[0].root
    for key in where.split("."):
        below = node.child(int(key) if isinstance(node, ListNode) and key.isdigit() else key)
        if below is None:
            break
        node = below
    return node.position


def load_source(kind: str, name: str, text: str) -> tuple[BaseModel | TemplateSource | None, list[Problem]]:
    """Compile one definition as `Project.sources` holds it: what a worker does with what was published.

    Only the definition itself is judged, not what it refers to. Returns None if it is wrong.

    Raises:
        ValueError: there is no such kind.
    """
    which = Kind(kind)
    path = path_of(which, name)
    if which is not Kind.TEMPLATE:
        definition, problems = read_definition(which, name, text, path)
        return definition.form, problems
    try:
        files = _files_decoder.decode(text)
    except msgspec.DecodeError as exc:
        return None, [Problem(path=path, line=1, column=1, message=f"the stored template is damaged: {exc}")]
    template, problems = read_template(name, files, path)
    return (None if has_errors(problems) else template), problems
