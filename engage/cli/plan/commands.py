"""Commands that change what is live: `plan`, `publish`, `rollback`, `export`."""

import sys
import time
from pathlib import Path

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engage.bootstrap import Runtime
from engage.cli.plan.planning import FORMAT, Plan, PlanFile, make_plan, plan_rollback
from engage.cli.plan.words import lines_of
from engage.cli.project import load_checked
from engage.cli.session import opened, operator, say_json, settings_for
from engage.cli.terminal import screen
from engage.compiled import sources_of
from engage.engine.publish.publish import Published
from engage.project.export import OutsideError, export_files, write_export
from engage.project.load import Project
from engage.project.problem import Level

POLL_SECONDS = 0.2
_decode = msgspec.json.Decoder(PlanFile).decode


@click.command("plan")
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False), required=False)
@click.option(
    "--env", "environment", metavar="NAME", help="Compare with the installation that `.env.NAME` names."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Keep the plan for `publish`."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan_command(path: Path | None, environment: str | None, output: Path | None, as_json: bool) -> None:
    """Show what publishing would change against what is live, step by step, and what it means for people."""
    settings = settings_for(environment)
    project = sound_project(path or settings.project)
    with opened(settings) as runtime:
        plan = make_plan(runtime, project)
    if output is not None:
        kept = PlanFile(format=FORMAT, plan=plan, sources=sources_of(project))
        output.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    if as_json:
        say_json(plan)
    else:
        show(plan)
        if output is not None:
            click.echo(f"kept in {output}: `engage publish {output}`")
    if plan.blockers:
        raise SystemExit(1)


@click.command("publish")
@click.argument("path", type=click.Path(path_type=Path, exists=True), required=False)
@click.option(
    "--env", "environment", metavar="NAME", help="Publish to the installation that `.env.NAME` names."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--wait/--no-wait",
    default=True,
    help="Follow the backfill to its end (default), or leave it to the workers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; implies --yes.")
def publish_command(path: Path | None, environment: str | None, yes: bool, wait: bool, as_json: bool) -> None:
    """Make a project folder, or a plan kept by `engage plan -o`, live: in one transaction.

    Refused if what is live has changed since the plan. What must follow for everybody (audiences, computed traits) is
    done afterwards, resumably; workers share the work.
    """
    settings = settings_for(environment)
    kept = read_plan(path) if path is not None and path.is_file() else None
    project = None if kept is not None else sound_project(path or settings.project)
    with opened(settings) as runtime:
        if kept is not None:
            plan, sources = kept.plan, kept.sources
        else:
            assert project is not None
            plan, sources = make_plan(runtime, project), sources_of(project)
        agree(plan, "publish this?", yes=yes or as_json, quiet=as_json)
        published = runtime.operate.publish(sources, operator(runtime), epoch=plan.epoch)
        tell(published, as_json=as_json)
        if wait and published.job is not None:
            follow(runtime, published.job)


@click.command("rollback")
@click.argument("journey")
@click.argument("version", type=click.IntRange(1), required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; implies --yes.")
def rollback_command(journey: str, version: int | None, yes: bool, as_json: bool) -> None:
    """Make an earlier version of a journey live again, as its newest version; without VERSION the one before.

    People stay on the version they entered with. Templates, audiences and settings stay as they are.
    """
    with opened(settings_for(None)) as runtime:
        plan, earlier = plan_rollback(runtime, journey, version)
        agree(plan, f"take {journey} back to version {earlier.version}?", yes=yes or as_json, quiet=as_json)
        published, _ = runtime.operate.rollback(journey, earlier.version, operator(runtime), epoch=plan.epoch)
        tell(published, as_json=as_json)
        if published.job is not None:
            follow(runtime, published.job)


@click.command("export")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export_command(directory: Path, as_json: bool) -> None:
    """Write what is live as a project folder, byte for byte as its authors wrote it.

    Files of an earlier export that are not live any more are taken away; files that the export did not write are left alone.
    """
    with opened(settings_for(None)) as runtime, runtime.store.transaction() as tx:
        live = {(item.kind, item.name): item.source for item in tx.definitions.live()}
    try:
        done = write_export(export_files(live), directory)
    except OutsideError as exc:
        raise click.ClickException(str(exc)) from exc
    if as_json:
        say_json(
            {"written": done.written, "unchanged": done.unchanged, "removed": done.removed, "left": done.left}
        )
        return
    for file in done.removed:
        click.echo(f"  - {file}")
    for file in done.left:
        click.echo(f"  ? {file} was changed since it was exported, and is not live: left alone")
    click.echo(
        f"{len(done.written)} files written, {len(done.unchanged)} as they were, {len(done.removed)} removed"
    )


def sound_project(path: Path) -> Project:
    """Return a project without errors; with any, print them and exit 1."""
    project = load_checked(path)
    if not project.ok:
        for problem in project.problems:
            if problem.level is Level.ERROR:
                click.echo(str(problem), err=True)
        raise SystemExit(1)
    return project


def read_plan(path: Path) -> PlanFile:
    """Return a plan that was kept.

    Raises:
        click.UsageError: the file is none.
    """
    try:
        kept = _decode(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        raise click.UsageError(
            f"{path} is no plan of `engage plan -o`; a project is named by its folder"
        ) from exc
    if kept.format != FORMAT:
        raise click.UsageError(f"{path} was made by another version of engage; plan again")
    return kept


def show(plan: Plan) -> None:
    """Print a plan."""
    for line, colour in lines_of(plan):
        click.secho(line, fg=colour)


def agree(plan: Plan, question: str, *, yes: bool, quiet: bool) -> None:
    """Show the plan and ask; exit 1 if it cannot be published or the answer is no."""
    if not quiet:
        show(plan)
    if plan.blockers:
        for blocker in plan.blockers if quiet else ():
            click.echo(f"cannot be published: {blocker}", err=True)
        raise SystemExit(1)
    if plan.changes and not yes:
        click.confirm(question, abort=True)


def tell(published: Published, *, as_json: bool) -> None:
    """Say what has become live."""
    if as_json:
        say_json(
            {
                "epoch": published.epoch,
                "added": published.added,
                "changed": published.changed,
                "removed": published.removed,
                "job": published.job,
            }
        )
    elif published.anything:
        click.echo(f"epoch {published.epoch} is live")
    else:
        click.echo(f"nothing to publish: epoch {published.epoch} is live already")


def follow(runtime: Runtime, job: str) -> None:
    """Do a backfill's turns, together with whoever else does them, until it is finished; Ctrl-C leaves the rest to workers."""
    columns = (
        TextColumn("bringing everybody in line"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = screen(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("backfill", total=None)
        try:
            while True:
                progress = runtime.backfill.turn(job, runtime.clock.now())
                if progress is not None:
                    bar.update(task, completed=progress.done, total=progress.total)
                    if progress.finished:
                        return
                elif job not in runtime.backfill.open_jobs():
                    return
                else:
                    time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            console.print("the workers will finish it")
