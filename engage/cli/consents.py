"""Commands of the ledger: `consent import|export`, `suppression import|export|lift`."""

from pathlib import Path

import click

from engage.cli.bringing import bring_in, file_of, format_of, written
from engage.cli.profile import AGAIN, ERRORS, FORMAT, JSON, OUTPUT, SOURCE
from engage.cli.session import opened, operator, say_json
from engage.domain.delivery.delivery import Channel
from engage.engine.canonical.address import normal_address
from engage.engine.people.consents import CHANNELS, ConsentRows, SuppressionRows
from engage.engine.people.listfile import Format
from engage.engine.people.send_out import SendOut
from engage.settings import load_settings


@click.group("consent")
def consent_command() -> None:
    """Who allowed what: the ledger as a file."""


@consent_command.command("import")
@SOURCE
@FORMAT
@ERRORS
@AGAIN
@JSON
def consent_import_command(
    path: Path, named: str | None, errors: Path | None, again: bool, as_json: bool
) -> None:
    """Bring in consents from a CSV or JSONL file, each with its own time; nothing is triggered.

    Columns: `address` (or `email`, `phone`; or `profile` as `kind:value`), `channel`, `topic` (empty: the whole channel), `state`
    (`subscribed`, `unsubscribed`, `pending`), and `at`, `source`, `proof` if known. What is older than what the ledger has changes
    nothing. A yes to a topic that asks twice is `pending` unless it has a `proof`; a yes for an address that said no to
    the whole channel is refused.
    """
    with opened(load_settings()) as runtime:
        file, now = file_of(path, named), runtime.clock.now()
        kind = ConsentRows(runtime.catalog().settings, file.content, now)
        bring_in(runtime, file, kind, kind.lanes, errors=errors, again=again, as_json=as_json)


@consent_command.command("export")
@OUTPUT
@FORMAT
def consent_export_command(output: Path | None, named: str | None) -> None:
    """Write the present state of every consent as a CSV or JSONL that `import` takes."""
    with opened(load_settings()) as runtime:
        out = SendOut(runtime.exporting, runtime.catalog().settings)
        kind = Format(named or Format.CSV) if output is None else format_of(output, named)
        count = written(output, lambda file: out.consents(file, kind))
    click.echo(f"{count:,} consents", err=output is None)


@click.group("suppression")
def suppression_command() -> None:
    """Addresses that must not be used: the list as a file, and how one comes off it."""


@suppression_command.command("import")
@SOURCE
@FORMAT
@ERRORS
@AGAIN
@JSON
def suppression_import_command(
    path: Path, named: str | None, errors: Path | None, again: bool, as_json: bool
) -> None:
    """Put the addresses of a CSV or JSONL file on the list, for instance a provider's export of bounces.

    Columns: `address` (or `email`, `phone`), and `channel`, `reason`, `at` (or `created`), `source` if known.
    """
    with opened(load_settings()) as runtime:
        file = file_of(path, named)
        kind = SuppressionRows(runtime.catalog().settings, runtime.clock.now())
        bring_in(runtime, file, kind, kind.lanes, errors=errors, again=again, as_json=as_json)


@suppression_command.command("export")
@OUTPUT
@FORMAT
def suppression_export_command(output: Path | None, named: str | None) -> None:
    """Write the list as a CSV or JSONL that `import` takes."""
    with opened(load_settings()) as runtime:
        out = SendOut(runtime.exporting, runtime.catalog().settings)
        kind = Format(named or Format.CSV) if output is None else format_of(output, named)
        count = written(output, lambda file: out.suppressions(file, kind))
    click.echo(f"{count:,} suppressed addresses", err=output is None)


@suppression_command.command("lift")
@click.argument("address")
@click.option(
    "--channel",
    type=click.Choice(CHANNELS),
    help="Which channel; without it e-mail for an address with @, else SMS.",
)
@click.option(
    "--complaint", is_flag=True, help="Also where the person complained: only if they asked you to."
)
@JSON
def suppression_lift_command(address: str, channel: str | None, complaint: bool, as_json: bool) -> None:
    """Take an address off the list, so that it is used again: it was mended, or the person wants it.

    What they said no to stays said. A provider's own list of bounces follows ours; the audit trail says who did it, and never about whom.
    """
    kind = channel or (Channel.EMAIL if "@" in address else Channel.SMS)
    with opened(load_settings()) as runtime:
        plain = normal_address(kind, address, runtime.catalog().settings.region)
        if plain is None:
            raise click.UsageError(f"`{address}` is no address for {kind}")
        why = runtime.operate.lift(kind, plain, operator(runtime), complaint=complaint)
    if as_json:
        say_json({"address": plain, "channel": str(kind), "was": why})
    else:
        click.echo(f"{plain} may be used for {kind} again; it was on the list as {why}")
