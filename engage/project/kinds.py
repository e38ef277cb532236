"""The kinds of definitions a project has: where each lives, and its form."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from engage.domain.audience.audience import Audience, ComputedTrait
from engage.domain.journey.journey import Journey
from engage.domain.law import LawPack
from engage.domain.project_settings import ProjectSettings
from engage.project.problem import Problem, in_order
from engage.project.validate import validate
from engage.project.yaml.nodes import Document, Mapping
from engage.project.yaml.reader import read


class Kind(StrEnum):
    """What a definition is."""

    JOURNEY = "journey"
    AUDIENCE = "audience"
    TRAIT = "trait"
    SETTINGS = "settings"
    LAW = "law"
    TEMPLATE = "template"


FORMS: dict[Kind, type[BaseModel]] = {
    Kind.JOURNEY: Journey,
    Kind.AUDIENCE: Audience,
    Kind.TRAIT: ComputedTrait,
    Kind.SETTINGS: ProjectSettings,
    Kind.LAW: LawPack,
}
FOLDERS: dict[Kind, str] = {
    Kind.JOURNEY: "journeys",
    Kind.AUDIENCE: "journeys/audiences",
    Kind.TRAIT: "journeys/traits",
    Kind.LAW: "journeys/law",
}
_A = {"journey": "a journey", "audience": "an audience", "trait": "a trait", "scenario": "a scenario"}
SCENARIOS = "journeys/tests"
SETTINGS_FILE = "journeys/settings.yaml"
TEMPLATES = "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One file of a project: its tree, and its form unless the file is wrong."""

    kind: Kind
    name: str
    path: str
    document: Document | None
    form: BaseModel | None


def path_of(kind: Kind, name: str) -> str:
    """Return where the definition lives in a project."""
    if kind is Kind.SETTINGS:
        return SETTINGS_FILE
    if kind is Kind.TEMPLATE:
        return f"{TEMPLATES}/{name}"
    return f"{FOLDERS[kind]}/{name}.yaml"


def read_definition(kind: Kind, name: str, text: str, path: str) -> tuple[Definition, list[Problem]]:
    """Read the text of one journey, audience, trait, rule pack or settings file, by itself."""
    documents, problems = read(text, path)
    if len(documents) != 1:
        problems = [*problems, *_not_one(kind, documents, problems, path)]
        if not documents:
            empty = ProjectSettings() if kind is Kind.SETTINGS and not problems else None
            return Definition(kind=kind, name=name, path=path, document=None, form=empty), in_order(problems)
    document = documents[0]
    form, wrong = None, _misplaced(kind, document)
    if not wrong:
        form, wrong = validate(FORMS[kind], document)
        wrong.extend(_named(kind, name, document, wrong))
    problems = in_order([*problems, *wrong])
    return Definition(
        kind=kind, name=name, path=path, document=document, form=None if problems else form
    ), problems


def _not_one(kind: Kind, documents: list[Document], problems: list[Problem], path: str) -> list[Problem]:
    if documents:
        at = documents[1].root.position
        hint = "one definition a file; only scenarios may stand together"
        return [
            Problem(
                path=path, line=at.line, column=at.column, message="a second document begins here", hint=hint
            )
        ]
    if problems or kind is Kind.SETTINGS:
        return []
    return [
        Problem(path=path, line=1, column=1, message="the file is empty", hint=f"it should hold a {kind}")
    ]


def _misplaced(kind: Kind, document: Document) -> list[Problem]:
    """Point out a definition of another kind in this folder, instead of every key it has."""
    root = document.root
    if not isinstance(root, Mapping) or kind in root.keys or kind is Kind.SETTINGS:
        return []
    for other in ("journey", "audience", "trait", "scenario"):
        mark = root.keys.get(other)
        if mark is not None and not (kind is Kind.JOURNEY and "steps" in root.keys):
            folder = SCENARIOS if other == "scenario" else FOLDERS[Kind(other)]
            return [
                Problem(
                    path=document.path,
                    line=mark.line + 1,
                    column=mark.column + 1,
                    message=f"this is {_A[other]} in the folder of {kind}s",
                    hint=f"move the file to `{folder}/`",
                )
            ]
    return []


def _named(kind: Kind, name: str, document: Document, wrong: list[Problem]) -> list[Problem]:
    if kind is Kind.SETTINGS:
        return []
    node = document.root.child(kind)
    if node is None or not isinstance(node.value(), str) or node.value() == name or node in document.broken:
        return []
    at = node.position
    if any((problem.line, problem.column) == (at.line, at.column) for problem in wrong):
        return []
    return [
        Problem(
            path=document.path,
            line=at.line,
            column=at.column,
            message=f"the {kind} is called `{node.value()}`, its file `{name}.yaml`",
            hint="give them the same name",
        )
    ]
