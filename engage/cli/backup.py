"""Commands `backup` and `restore`: everything in one file, and an empty database filled from it."""

from pathlib import Path

import click

from engage.cli.session import opened, operator, say_json
from engage.embedded import EmbeddedError
from engage.embedded.dump import dump, load
from engage.engine.operate import ALL
from engage.services import database, database_is_empty, migrate_schema
from engage.settings import load_settings

SECRETS_APART = (
    "Keep ENGAGE_SECRET_KEY (without it: the file `secrets.env` in ENGAGE_DATA_DIR) with it, but apart: links in messages "
    "that are out, and suppressions of erased people, are checked with it."
)


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backup_command(file: Path, force: bool, as_json: bool) -> None:
    """Write everything to FILE: people, history, consent, runs, deliveries, and what is live. One instant, while all runs on.

    The file holds personal data and is readable by its owner only. Secrets are not in it.
    """
    if file.exists() and not force:
        raise click.ClickException(f"{file} is there already; take another name, or --force")
    if not file.absolute().parent.is_dir():
        raise click.ClickException(f"{file.absolute().parent}: no such folder")
    try:
        with database(load_settings()) as url:
            dump(url, file)
    except EmbeddedError as exc:
        raise click.ClickException(str(exc)) from exc
    size = file.stat().st_size
    if as_json:
        say_json({"file": str(file), "bytes": size})
        return
    click.echo(f"{file}: {size:,} bytes")
    click.echo(SECRETS_APART)


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--stop-sending", is_flag=True, help="Let nothing leave until `engage resume-sending`.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def restore_command(file: Path, stop_sending: bool, as_json: bool) -> None:
    """Fill an empty database from FILE and bring it to this version's schema.

    What was sent after the backup was made is not in it: what is due would be sent again as soon as workers run. With
    --stop-sending that is skipped, with a reason, until you let sends leave again.
    """
    settings = load_settings()
    try:
        with database(settings) as url:
            if not database_is_empty(url):
                raise click.ClickException("the database is not empty; restore into a new one")
            load(url, file)
            migrate_schema(url)
    except EmbeddedError as exc:
        raise click.ClickException(str(exc)) from exc
    with opened(settings) as runtime:
        if stop_sending:
            runtime.operate.stop_sending(ALL, True, operator(runtime))
        stopped = sorted(runtime.operate.stopped())
        due = runtime.reading.queues(runtime.clock.now())
    if as_json:
        say_json({"file": str(file), "stopped": stopped, "queues": due})
        return
    click.echo(f"restored from {file}")
    if stopped:
        click.echo("sending is stopped: what becomes due is skipped until `engage resume-sending`")
    else:
        click.echo("what is due leaves as soon as workers run, also what was sent after the backup was made")
