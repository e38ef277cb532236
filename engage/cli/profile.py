"""Commands about people as files, and about forgetting one: `profile import|export|forget`."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from engage.bootstrap import Runtime
from engage.cli.bringing import bring_in, file_of, format_of, written
from engage.cli.people import find_person, profile_command
from engage.cli.remote import reached
from engage.cli.session import opened, operator, say_json
from engage.domain.fact import Identifier
from engage.engine.accept.accept import Acceptor
from engage.engine.accept.intake import Intake, Piece, Taken
from engage.engine.accept.requests import UnknownPersonError, forgotten, person_named
from engage.engine.canonical.rules import Rules
from engage.engine.people.erase import ERASED
from engage.engine.people.listfile import Format
from engage.engine.people.profiles import Profiles
from engage.engine.people.send_out import SendOut
from engage.ports.clock import NoHints
from engage.ports.trail import AuditEntry
from engage.settings import Settings, load_settings

__all__ = ["profile_command"]

POLL_SECONDS = 0.1

FORMAT = click.option(
    "--format",
    "named",
    type=click.Choice([str(kind) for kind in Format]),
    help="Where the ending does not say it.",
)
ERRORS = click.option(
    "--errors",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where refused rows go, each with what is wrong; else beside FILE, as `FILE.errors.csv`.",
)
AGAIN = click.option("--again", is_flag=True, help="Import the very same file once more.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
SOURCE = click.argument("path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to; else standard output."
)


@profile_command.command("import")
@SOURCE
@FORMAT
@ERRORS
@AGAIN
@click.option("--audience", metavar="A", help="A manual audience that everybody in the file joins.")
@JSON
def profile_import_command(
    path: Path, named: str | None, errors: Path | None, again: bool, audience: str | None, as_json: bool
) -> None:
    """Bring in people from a CSV or JSONL file: identifiers and traits; it is history, and triggers nothing.

    The columns `user_id`, `email`, `phone`, `anonymous_id` and the project's own identifiers name a person; every other column is a
    trait. Plain numbers, `true`, `false` and JSON are read as such; `zip:text`, `age:number`, `vip:boolean`, `tags:json` in the
    header say it. An empty cell changes nothing. A JSONL line holds the same keys, or `ids` and `traits`; null deletes a trait.

    Stopped in the middle, the same command goes on where it stood. Exits 1 if rows were refused: they stand in a report that can be
    mended and imported. With --audience people also join a manual audience, which is as if they were added by hand: it may
    start journeys.
    """
    with opened(load_settings()) as runtime:
        file, now = file_of(path, named), runtime.clock.now()
        catalog = runtime.catalog()
        if audience is not None and not (
            audience in catalog.audiences and catalog.audiences[audience].manual
        ):
            raise click.UsageError(f"no audience `{audience}` with `members: manual` is published")
        if audience is not None:
            file = file.meant_for(audience)
        settings, typed = catalog.settings, file.format is Format.JSONL
        kind = Profiles(Acceptor(lambda: settings), file.content, now, typed=typed, audience=audience)
        bring_in(runtime, file, kind, kind.lanes, errors=errors, again=again, as_json=as_json)


@profile_command.command("export")
@click.argument("profile", metavar="[ID]", required=False)
@click.option("--all", "everybody", is_flag=True, help="Everybody's identifiers, traits and audiences.")
@OUTPUT
@FORMAT
@click.option("--json", "as_json", is_flag=True, help="With --all: JSONL. One person is JSON anyway.")
def profile_export_command(
    profile: str | None, everybody: bool, output: Path | None, named: str | None, as_json: bool
) -> None:
    """Write everything we hold about one person as JSON; or, with --all, everybody as a CSV or JSONL that `import` takes.

    A cell that a spreadsheet would take for a formula begins with a quote, which `import` takes off again.
    """
    if (profile is None) is not everybody:
        raise click.UsageError("name one person, or say `--all`")
    named = named or (Format.JSONL if as_json else None)
    with opened(load_settings()) as runtime:
        out = SendOut(runtime.exporting, runtime.catalog().settings)
        if profile is not None:
            found = find_person(runtime, profile)
            count = written(output, lambda file: out.about(found.id, file))
            told = f"{count:,} rows about {found.id}"
        else:
            kind = Format(named or Format.CSV) if output is None else format_of(output, named)
            count = written(output, lambda file: out.people(file, kind))
            told = f"{count:,} people"
    if output is not None:
        click.echo(f"{told} written to {output}", err=not sys.stdout.isatty())


@profile_command.command("forget")
@click.argument("profile", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def profile_forget_command(profile: str, yes: bool, as_json: bool) -> None:
    """Erase a person from every table: journeys they are in, messages that wait, history, traits, consents.

    The "no" of their addresses stays in force under a keyed hash. What remains is a line on the audit trail, with a proof that says
    nothing about them. Backups are not reached: a restored one must be told again. ID may also be an address that nobody has.
    """
    settings = load_settings()
    if not (yes or as_json):
        click.confirm(f"erase {profile} everywhere, for good?", abort=True)
    done = _forgotten_there(settings, profile) if settings.api_url else _forgotten_here(settings, profile)
    if as_json:
        say_json(done)
        return
    for proof in done["proofs"]:
        click.echo(f"erased: {done['rows']:,} rows; proof {proof}")


def _forgotten_there(settings: Settings, profile: str) -> dict[str, Any]:
    with reached(settings) as there:
        try:
            name = f"id:{there.person(profile)['id']}"
        except click.ClickException:
            name = profile  # an address that nobody has may have left traces all the same
        return there.forget(name)


def _forgotten_here(settings: Settings, profile: str) -> dict[str, Any]:
    with opened(settings) as runtime:
        name, lane = _erased_by(runtime, profile)
        piece = forgotten(name, runtime.clock.now(), operator(runtime).name, lane=lane)
        Intake(runtime.store, NoHints()).store(Taken([piece]))
        proofs = _await(runtime, piece)
    data = proofs[0].data if proofs else {}
    told = {"rows": data.get("rows", 0), "tables": data.get("tables", {})}
    return {"erased": bool(proofs), "proofs": [proof.subject for proof in proofs], **told}


def _erased_by(runtime: Runtime, text: str) -> tuple[Identifier, int | None]:
    """Return the name an erasure goes by, and the person's own lane if there is a person."""
    try:
        found = find_person(runtime, text)
    except click.ClickException:
        try:
            return person_named(text, Rules.of(runtime.catalog().settings)), None
        except UnknownPersonError:
            raise click.ClickException(
                f"nobody is known as `{text}`; write for instance `user_id:ada` or `email:ada@shop.example`"
            ) from None
    return Identifier("id", found.id), found.lane


def _await(runtime: Runtime, piece: Piece) -> list[AuditEntry]:
    """Digest the lane, together with whatever workers there are, until the erasure is done."""
    while True:
        with runtime.store.transaction() as tx:
            proofs = [
                entry
                for entry in tx.trail.newest(1_000)
                if entry.action == ERASED and entry.data.get("request") == piece.fact.message_id
            ]
        if proofs:
            return proofs
        if runtime.digest.turn(piece.fact.lane, runtime.clock.now()).busy:
            time.sleep(POLL_SECONDS)
