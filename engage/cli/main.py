"""The `engage` command: its table of commands, loaded one at a time so that each starts at once."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from engage.cli.terminal import guard_terminal
from engage.domain.errors import EngageError
from engage.settings import SettingsError

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("engage.cli.project", "a new project folder that passes its own tests"),
    "check": ("engage.cli.project", "all mistakes of all files"),
    "schema": ("engage.cli.project", "JSON Schema of a kind of file, for editors"),
    "plan": ("engage.cli.plan.commands", "what publishing would change, step by step"),
    "publish": ("engage.cli.plan.commands", "make the project live"),
    "rollback": ("engage.cli.plan.commands", "make an earlier version of a journey live again"),
    "export": ("engage.cli.plan.commands", "write what is live as a project folder"),
    "graph": ("engage.cli.graph", "picture of a journey"),
    "test": ("engage.cli.testing", "run scenarios"),
    "simulate": ("engage.cli.simulate", "recorded events on a virtual clock: who would get what"),
    "why": ("engage.cli.people", "every decision about a person"),
    "profile": ("engage.cli.profile", "people: one, and files of them"),
    "consent": ("engage.cli.consents", "who allowed what, as a file"),
    "suppression": ("engage.cli.consents", "addresses that must not be used, as a file"),
    "audience": ("engage.cli.audiences", "how large an audience would be, and who is in it"),
    "pause": ("engage.cli.operations", "stop a journey and keep everybody where they are"),
    "resume": ("engage.cli.operations", "let a paused journey go on"),
    "archive": ("engage.cli.operations", "end a journey for everybody"),
    "stop-sending": ("engage.cli.operations", "stop all sends, or one channel"),
    "resume-sending": ("engage.cli.operations", "let sends leave again"),
    "send": ("engage.cli.sending", "one template to one person, outside every journey"),
    "replay": ("engage.cli.sending", "send recorded events out again to destinations"),
    "unknown": ("engage.cli.trouble", "deliveries whose outcome is unknown"),
    "quarantine": ("engage.cli.trouble", "facts that could not be taken"),
    "user": ("engage.cli.access", "who may use the console"),
    "token": ("engage.cli.access", "tokens of the API"),
    "status": ("engage.cli.operations", "queues, lags, who is stuck, quarantine"),
    "doctor": ("engage.cli.doctor", "what is misconfigured"),
    "migrate": ("engage.cli.migrate", "bring the database to this version's schema"),
    "backup": ("engage.cli.backup", "everything in one file"),
    "restore": ("engage.cli.backup", "a backup into an empty database"),
    "up": ("engage.cli.processes", "start everything on this machine"),
    "api": ("engage.cli.processes", "the HTTP API and the console"),
    "worker": ("engage.cli.processes", "a Celery worker"),
    "beat": ("engage.cli.processes", "the clock of the sweeps"),
    "sandbox": ("engage.cli.processes", "twins of Twilio and SendGrid"),
    "demo": ("engage.cli.demo.demo", "a shop's customers on real journeys, an hour a second"),
    "bench": ("engage.cli.bench", "the workloads of the performance budgets"),
    "chaos": (
        "engage.cli.chaos",
        "the proof: load, kills and faults, then the ledger against the provider's record",
    ),
}


PROCESSES = frozenset({"up", "demo", "bench", "chaos", "api", "worker", "beat"})
"""Commands that start Python processes, or are one of those."""


def keep_bytecode() -> None:
    """Where the environment forbids bytecode beside the sources, keep it below the data folder.

    Measured: without it every process compiles its half a million lines anew, four CPU seconds each; a stack of six on
    two cores then takes half a minute to answer instead of a few seconds.
    """
    if not sys.dont_write_bytecode or sys.pycache_prefix is not None:
        return
    folder = Path(os.environ.get("ENGAGE_DATA_DIR") or ".engage").resolve() / "pycache"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(folder)
    sys.dont_write_bytecode = False


class Commands(click.Group):
    """A group whose commands live in modules that are imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all commands, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command; None if there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in PROCESSES:
            keep_bytecode()
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what we know to go wrong is told in one line, never as a traceback."""
        try:
            return super().invoke(ctx)
        except EngageError as exc:
            from engage.ports.storage import StorageAwayError

            told = f"the database cannot be reached: {exc}" if isinstance(exc, StorageAwayError) else str(exc)
            raise click.ClickException(told) from exc
        except OSError as exc:
            if exc.filename is None or ctx.invoked_subcommand in PROCESSES:
                raise  # no file that the caller named: a closed pipe, which click knows, or an accident
            raise click.ClickException(f"{exc.filename}: {exc.strerror}") from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="engage", prog_name="engage")
def engage() -> None:
    """Journeys as files, sent through Twilio and SendGrid: never twice, never lost."""


def main() -> None:
    """Run the command line; exit 0 ok, 1 found problems, 2 usage."""
    guard_terminal()
    try:
        engage(prog_name="engage")
    except SettingsError as exc:
        click.echo(f"engage: {exc}", err=True)
        sys.exit(2)
