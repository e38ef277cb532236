"""Command `test`: runs scenarios and tells what did not hold."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import structlog

from engage.cli.people import told_lines
from engage.testing import UnusablePathError, run_scenarios
from engage.testing.report import Result


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the engine's log to itself: what went wrong stands in the report, with the line of the scenario."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


@click.command("test")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--live", is_flag=True, help="Through PostgreSQL instead of memory; the same results.")
@click.option(
    "--why",
    "people",
    metavar="NAME",
    multiple=True,
    help="Tell every decision about this person, as `engage why` does.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test_command(paths: tuple[Path, ...], live: bool, people: tuple[str, ...], as_json: bool) -> None:
    """Run the scenarios of a project, of a folder, or of single files, on a virtual clock.

    Without PATH: those of the project (ENGAGE_PROJECT, else this folder). Exits 0 if all hold, 1 if one does not.
    """
    if people and (live or as_json):
        raise click.UsageError("--why is told from memory, as text: leave out --live and --json")
    chosen = paths or (Path(os.environ.get("ENGAGE_PROJECT") or "."),)
    try:
        with _silent():
            report = run_scenarios(chosen, live=live, why=people)
    except UnusablePathError as exc:
        raise click.UsageError(str(exc)) from exc
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        for line in report.lines(_why):
            click.echo(line)
    if not report.ok:
        raise SystemExit(1)


def _why(result: Result) -> Iterator[str]:
    for one in result.explained:
        if one.told is None:
            yield f"why {one.name}: nobody is called so in this scenario"
            continue
        yield f"why {one.name}   times in {one.zone.key}"
        yield from told_lines(one.told, one.zone)
        if not one.told:
            yield "nothing was decided about this person"
