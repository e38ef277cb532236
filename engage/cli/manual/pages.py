"""Manual: the pages of `docs/reference/`, made from the code itself, so that they cannot be wrong. `scripts/reference` writes them."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields

import click

from engage.cli.main import COMMANDS
from engage.cli.manual.forms import audiences_page, journeys_page, project_settings_page, scenarios_page
from engage.cli.manual.law import law_page
from engage.cli.manual.markdown import prose, table
from engage.cli.manual.templates import templates_page
from engage.cli.manual.words import expressions_page, vocabulary_page
from engage.settings import Settings

MADE = "<!-- Made by scripts/reference from the code; edit the code. -->"


def pages() -> dict[str, str]:
    """Return every page of the reference, by file name; the same code gives the same bytes.

    Raises:
        UndocumentedError: a verb, trigger, function, status … has no words yet.
    """
    made = {
        "commands.md": _commands(),
        "settings.md": _settings(),
        "journeys.md": journeys_page(),
        "audiences-and-traits.md": audiences_page(),
        "project-settings.md": project_settings_page(),
        "templates.md": templates_page(),
        "law.md": law_page(),
        "scenarios.md": scenarios_page(),
        "vocabulary.md": vocabulary_page(),
        "expressions.md": expressions_page(),
    }
    made["README.md"] = _index(made)
    return {name: _page(text) for name, text in made.items()}


def _page(text: str) -> str:
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{MADE}\n{rest}".rstrip() + "\n"


def _index(made: Mapping[str, str]) -> str:
    lines = [
        "# Reference",
        "",
        "Everything by name, made from the code. To learn, begin with the [tutorial](../tutorial.md).",
        "",
    ]
    for name, text in made.items():
        title, _, rest = text.partition("\n")
        lead = rest.strip().partition("\n")[0]
        lines.append(f"- [{title.removeprefix('# ')}]({name}): {lead}")
    lines.append(
        "- [Coverage](coverage.md): Every promise of the language, and the test that fails without it."
    )
    return "\n".join(lines)


def _commands() -> str:
    lines = [
        "# Commands",
        "",
        "`engage COMMAND --help` says the same. Exit codes: 0 ok, 1 found problems, 2 wrong usage.",
        "",
    ]
    lines += table(
        ("command", "does"), [(f"[`{name}`](#engage-{name})", words) for name, (_, words) in COMMANDS.items()]
    )
    for path, command in commands():
        lines += ["", *_command(path, command)]
    return "\n".join(lines)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its words (`profile show`), groups before their commands."""
    for name, (module, _) in COMMANDS.items():
        found: click.Command = getattr(importlib.import_module(module), f"{name.replace('-', '_')}_command")
        yield name, found
        if isinstance(found, click.Group):
            yield from ((f"{name} {below}", found.commands[below]) for below in sorted(found.commands))


def _command(path: str, command: click.Command) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    shown = " ".join(argument.make_metavar(click.Context(command)) for argument in arguments)
    yield f"{'#' * (2 + path.count(' '))} engage {path}"
    yield ""
    if not isinstance(command, click.Group):
        yield f"`engage {' '.join(filter(None, (path, '[OPTIONS]' if options else '', shown)))}`"
        yield ""
    yield prose(command.help or "")
    if options:
        yield ""
        yield from table(("option", "meaning"), [_option(option) for option in options])


def _option(option: click.Option) -> tuple[str, str]:
    names = ", ".join([*option.opts, *option.secondary_opts])
    metavar = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    plain = (
        option.default
        if isinstance(option.default, str | int | float) and not isinstance(option.default, bool)
        else None
    )
    default = f" Default: `{plain}`." if plain not in (None, "") and option.show_default else ""
    needed = " Required." if option.required else ""
    return f"`{names}{metavar}`", f"{option.help or ''}{default}{needed}"


def _settings() -> str:
    lines = [
        "# Environment",
        "",
        "Settings of the processes: environment variables, or lines of `.env`; the environment outweighs the file.",
        "`engage doctor` says which are set. Secrets have no default; local installations generate theirs below `ENGAGE_DATA_DIR`.",
        "",
    ]
    rows = []
    for item in fields(Settings):
        default = item.default if item.default is not MISSING else None
        shown = "" if default in (None, (), "") else f"`{default}`"
        rows.append(
            (
                f"`{item.metadata['name']}`",
                item.metadata["doc"],
                shown,
                "yes" if item.metadata["secret"] else "",
            )
        )
    return "\n".join([*lines, *table(("variable", "meaning", "default", "secret"), rows)])
