"""Commands about audiences: `audience preview`, `audience export`."""

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engage.api.shapes import identifier_shape
from engage.bootstrap import Runtime
from engage.cli.bringing import written
from engage.cli.plan.planning import catalog_of_project
from engage.cli.session import opened, say_json
from engage.cli.terminal import screen
from engage.domain.catalog import Catalog
from engage.domain.fact import Identifier
from engage.domain.ids import ProfileId
from engage.engine.people.listfile import Format, Writer
from engage.engine.publish.preview import Estimate, count_audience, estimate_audiences
from engage.project.load import load_project
from engage.settings import Settings, load_settings

COLUMNS = ("user_id", "email", "phone", "anonymous_id")


@click.group("audience")
def audience_command() -> None:
    """Audiences: how large one would be, and who is in it."""


@audience_command.command("preview")
@click.argument("audience", metavar="A")
@click.option(
    "--sample", type=click.IntRange(0, 100), default=10, show_default=True, help="Show so many of them."
)
@click.option("--exact", is_flag=True, help="Look at everybody, with progress, instead of a sample.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def preview_command(audience: str, sample: int, exact: bool, as_json: bool) -> None:
    """Show how many people an audience would hold, and some of them, without publishing it.

    The rule is the one in this project's files; else the one that is live. An estimate says between what the number lies,
    with 95 % confidence. An exact count that was stopped goes on where it stood, if asked for again within an hour.
    """
    settings = load_settings()
    with opened(settings) as runtime:
        catalog = _catalog_with(settings, runtime, audience)
        began = time.monotonic()
        estimate = _counted(runtime, catalog, audience) if exact else _estimated(runtime, catalog, audience)
        seconds = time.monotonic() - began
        people = [_shown(runtime, key) for key in estimate.some[:sample]]
    low, high = estimate.between
    if as_json:
        say_json(
            {
                "audience": audience,
                "size": estimate.about,
                "low": low,
                "high": high,
                "error": max(estimate.about - low, high - estimate.about),
                "exact": estimate.exact,
                "looked_at": estimate.looked_at,
                "everybody": estimate.everybody,
                "seconds": round(seconds, 3),
                "sample": people,
            }
        )
        return
    if estimate.exact:
        click.echo(f"{audience}: {estimate.about:,} of {estimate.everybody:,} people")
    else:
        click.echo(
            f"{audience}: about {estimate.about:,} of {estimate.everybody:,} people, between {low:,} and {high:,}"
            f" ({estimate.looked_at:,} were looked at; `--exact` looks at all)"
        )
    for person in people:
        click.echo(f"  {' '.join(person['ids']) or person['profile']}")


def _catalog_with(settings: Settings, runtime: Runtime, audience: str) -> Catalog:
    """Return the catalog of the project's files if the audience is in them, else the live one.

    Raises:
        click.ClickException: it is in neither, or its file has mistakes.
    """
    project = load_project(settings.project)
    if audience in project.audiences:
        return catalog_of_project(project)
    mistakes = [str(problem) for problem in project.problems if f"{audience}.yaml" in problem.path]
    if mistakes:
        raise click.ClickException("\n".join(mistakes))
    live = runtime.catalog()
    if audience in live.audiences:
        return live
    known = sorted({*project.audiences, *live.audiences})
    told = (
        f"there are: {', '.join(known)}" if known else "there are none; write `journeys/audiences/NAME.yaml`"
    )
    raise click.ClickException(f"there is no audience `{audience}`; {told}")


def _estimated(runtime: Runtime, catalog: Catalog, audience: str) -> Estimate:
    return estimate_audiences(runtime.store, catalog, [audience], runtime.clock.now())[audience]


def _counted(runtime: Runtime, catalog: Catalog, audience: str) -> Estimate:
    columns = (TextColumn("counting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = screen(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("counting", total=None)
        for counted in count_audience(runtime.store, catalog, audience, runtime.clock.now()):
            bar.update(task, completed=counted.done, total=counted.total)
    some = (
        counted.some or _estimated(runtime, catalog, audience).some
    )  # what went on showed others the first time
    return Estimate(counted.matching, counted.done, counted.done, tuple(some))


def _shown(runtime: Runtime, key: ProfileId) -> dict[str, Any]:
    profile = runtime.reading.profile(key)
    names = () if profile is None else profile.identifiers
    return {"profile": key, "ids": [identifier_shape(name) for name in names]}


@audience_command.command("export")
@click.argument("audience", metavar="A")
@click.option(
    "-o", "output", type=click.Path(path_type=Path, dir_okay=False), help="A file; else standard output."
)
def export_command(audience: str, output: Path | None) -> None:
    """Write the members of a live audience as CSV: user_id, email, phone, anonymous_id, the newest of each.

    A cell that a spreadsheet would take for a formula is led by an apostrophe.
    """
    with opened(load_settings()) as runtime:
        if audience not in runtime.catalog().audiences:
            raise click.ClickException(f"there is no live audience `{audience}`")
        count = written(output, partial(_write, runtime, audience))
    click.echo(f"{count:,} people", err=True)


def _write(runtime: Runtime, audience: str, file: BinaryIO) -> int:
    writer, count = Writer(file, Format.CSV, COLUMNS), 0
    writer.header()
    for names in runtime.members(audience):
        writer.row({kind: _newest(names, kind) for kind in COLUMNS})
        count += 1
    return count


def _newest(names: Sequence[Identifier], kind: str) -> str:
    return next((name.value for name in reversed(names) if name.kind == kind), "")
