"""Commands of operations: `migrate`, `status`."""

import json

import click

from engage.settings import load_settings


@click.command("migrate")
@click.option(
    "--check", "only_check", is_flag=True, help="Only say whether the schema is current (exit 1 if not)."
)
def migrate_command(only_check: bool) -> None:
    """Bring the database to this version's schema."""
    from engage.services import migrate_schema, schema_is_current, services

    settings = load_settings()
    if only_check:
        current = schema_is_current(settings)
        click.echo(
            "the schema is current" if current else "the schema is not this version's; run `engage migrate`"
        )
        raise SystemExit(0 if current else 1)
    with services(settings) as running:
        migrate_schema(running.database_url)
    click.echo("the schema is current")


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status_command(as_json: bool) -> None:
    """Show queues, lags, what is stuck, and the quarantine."""
    from engage.bootstrap import open_runtime

    with open_runtime(load_settings()) as runtime:
        now = runtime.clock.now()
        found = runtime.reading.queues(now)
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        click.echo(f"  {name.replace('_', ' '):28} {value}")
