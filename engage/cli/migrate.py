"""Command `migrate`; apart from the others, because it needs little and starts at once."""

import click

from engage.services import migrate_schema, schema_standing, schema_step, schema_steps, services
from engage.settings import Settings, load_settings


@click.command("migrate")
@click.option(
    "--check", "only_check", is_flag=True, help="Only say whether the schema is current (exit 1 if not)."
)
@click.option(
    "--before",
    is_flag=True,
    help="Only the steps that processes of the version before can live with: run it while they still work.",
)
@click.option("--to", "step", metavar="STEP", help="Go to this step instead, also back: `0002`.")
@click.option(
    "--yes", is_flag=True, help="Do not ask before going back, which deletes what newer steps hold."
)
def migrate_command(only_check: bool, before: bool, step: str | None, yes: bool) -> None:
    """Bring the database to this version's schema. In one transaction; whoever comes second finds it done."""
    if before and step is not None:
        raise click.UsageError("either --before or --to")
    if step is not None and step not in schema_steps():
        raise click.UsageError(f"there is no step {step!r}; there are {', '.join(schema_steps())}")
    settings = load_settings()
    if only_check:
        _check(settings)
        return
    with services(settings) as running:
        present = schema_step(running.database_url)
        if present is not None and present not in schema_steps():
            raise click.ClickException(
                f"the database is at step {present} of a newer version; only that one's `engage migrate` can change it"
            )
        if step is not None and present is not None and step < present and not yes:
            click.confirm(
                f"Back from {present} to {step}: what the steps between hold is deleted. Go?", abort=True
            )
        migrate_schema(running.database_url, to=step, before=before)
        reached = schema_step(running.database_url)
    newest = schema_steps()[-1]
    click.echo("the schema is current" if reached == newest else f"the schema is at {reached} of {newest}")


def _check(settings: Settings) -> None:
    standing = schema_standing(settings)
    if standing.complete:
        click.echo("the schema is current")
        return
    click.echo(
        "this version can run; `engage migrate` has steps left, or a newer version has prepared its coming"
        if standing.fits
        else standing.advice
    )
    raise SystemExit(1)
