"""Command `test`: runs scenarios and tells what did not hold."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import structlog

from engage.testing import UnusablePathError, run_scenarios


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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test_command(paths: tuple[Path, ...], live: bool, as_json: bool) -> None:
    """Run the scenarios of a project, of a folder, or of single files, on a virtual clock.

    Without PATH: those of the project (ENGAGE_PROJECT, else this folder). Exits 0 if all hold, 1 if one does not.
    """
    chosen = paths or (Path(os.environ.get("ENGAGE_PROJECT") or "."),)
    try:
        with _silent():
            report = run_scenarios(chosen, live=live)
    except UnusablePathError as exc:
        raise click.UsageError(str(exc)) from exc
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        for line in report.lines():
            click.echo(line)
    if not report.ok:
        raise SystemExit(1)
