"""Command `migrate`; apart from the others, because it needs little and starts at once."""

import click

from engage.services import migrate_schema, schema_is_current, services
from engage.settings import load_settings


@click.command("migrate")
@click.option(
    "--check", "only_check", is_flag=True, help="Only say whether the schema is current (exit 1 if not)."
)
def migrate_command(only_check: bool) -> None:
    """Bring the database to this version's schema."""
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
