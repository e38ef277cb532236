"""Commands about the files of a project: `init`, `check`, `schema`."""

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import click

from engage.cli.arguments import ALWAYS_JSON
from engage.project.load import Project, load_project
from engage.project.problem import Level, Problem, in_order
from engage.project.schema import KINDS, schema
from engage.settings import load_settings

_STARTER = "starter"
_ALSO = {"template meta": "meta", "template-meta": "meta"}
"""Other names of a kind of file."""


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def init_command(directory: Path) -> None:
    """Make a new project folder with a journey, an audience, a template and scenarios that pass."""
    if directory.exists() and any(directory.iterdir()):
        raise click.UsageError(f"{directory} is not empty; name a new folder")
    source = resources.files("engage.project").joinpath(_STARTER)
    with resources.as_file(source) as starter:
        for file in sorted(path for path in starter.rglob("*") if path.is_file()):
            target = directory / file.relative_to(starter)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
            click.echo(f"  {target}")
    click.echo(f"now: cd {directory} && engage check && engage test")


@click.command("check")
@click.argument("path", type=click.Path(path_type=Path, exists=True), default=None, required=False)
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_command(path: Path | None, strict: bool, as_json: bool) -> None:
    """Report all mistakes of all files, then what is allowed but probably not meant.

    PATH is a project, or a file or folder of one: then only what is wrong there is told.
    """
    root, below = _within(path or load_settings().project)
    project = load_checked(root)
    if below is not None:
        told = [problem for problem in project.problems if Path(problem.path).is_relative_to(below)]
        project = replace(project, problems=told)
    errors = [problem for problem in project.problems if problem.level is Level.ERROR]
    warnings = [problem for problem in project.problems if problem.level is not Level.ERROR]
    if as_json:
        click.echo(json.dumps({"errors": _plain(errors), "warnings": _plain(warnings)}))
    else:
        for problem in project.problems:
            click.echo(str(problem))
        there = ", ".join(
            _counted(len(found), what)
            for found, what in (
                (project.journeys, "journey"),
                (project.audiences, "audience"),
                (project.traits, "trait"),
                (project.templates, "template"),
            )
        )
        faults = f"{_counted(len(errors), 'error')}, {_counted(len(warnings), 'warning')}"
        click.echo(f"{there}: {faults}")
    if errors or (strict and warnings):
        raise SystemExit(1)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _within(path: Path) -> tuple[Path, Path | None]:
    """Return the project a path belongs to, and the path inside it; none for a whole project."""
    place = path.resolve()
    if (place / "journeys").is_dir():
        return path, None
    root = next((folder for folder in place.parents if (folder / "journeys").is_dir()), None)
    return (path, None) if root is None else (root, place.relative_to(root))


def _plain(problems: list[Problem]) -> list[dict[str, object]]:
    return [problem.as_json() for problem in problems]


def load_checked(path: Path) -> Project:
    """Read a project and compile its templates, so that every mistake is on one list."""
    from engage.compiled import template_problems

    project = load_project(path)
    return replace(project, problems=in_order([*project.problems, *template_problems(project)]))


@click.command("schema")
@click.argument("kind", nargs=-1, metavar=f"[{'|'.join(map(str, KINDS))}]")
@ALWAYS_JSON
def schema_command(kind: tuple[str, ...]) -> None:
    """Print the JSON Schema of a kind of file; without a kind, of all. `template meta` is `meta`."""
    named = " ".join(kind)
    named = _ALSO.get(named, named)
    if named and named not in KINDS:
        raise click.UsageError(f"there is no kind `{named}`; there are: {', '.join(KINDS)}")
    found = schema(named) if named else {str(name): schema(name) for name in KINDS}
    click.echo(json.dumps(found, indent=2))
