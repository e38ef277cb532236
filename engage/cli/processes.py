"""Commands that are processes: `up`, `api`, `worker`, `beat`, `sandbox`."""

import os
import sys
import warnings
from typing import TYPE_CHECKING

import click

from engage.cli.arguments import COUNT
from engage.settings import Settings, load_settings

if TYPE_CHECKING:
    from engage.cli.forks import ForkServer

QUEUES = "engine,email,sms,voice,sync"


def require_schema(settings: Settings) -> None:
    """Stop where this version cannot work with the database's schema."""
    from engage.services import schema_standing

    standing = schema_standing(settings)
    if not standing.fits:
        raise click.ClickException(standing.advice)


@click.command("up")
@click.option("--workers", type=COUNT, default=1, show_default=True, help="Engine workers to start.")
def up_command(workers: int) -> None:
    """Start everything on this machine: PostgreSQL and Valkey where none are set, API, workers, beat.

    Without Twilio's and SendGrid's credentials the sandbox stands in for both.
    """
    from engage.cli.forks import fork_server
    from engage.cli.ports import require_port

    settings = load_settings()
    require_port(settings)
    with fork_server() as forks:
        _run_all(settings, workers, forks)


def _run_all(settings: Settings, workers: int, forks: "ForkServer | None") -> None:
    from engage.cli.ports import free_port
    from engage.cli.supervise import PROCESSES, Supervisor, environment_for, sandbox_config
    from engage.services import migrate_schema, services

    sandbox = f"127.0.0.1:{free_port(8010)}"
    with services(settings) as running:
        migrate_schema(running.database_url)
        environment = environment_for(settings, running.database_url, running.broker_url, sandbox=sandbox)
        names = [
            process.name
            for process in PROCESSES
            if not process.profile or "TWILIO_API_BASE_URL" in environment
        ]
        with Supervisor(environment, forks=forks) as supervisor:
            extra: dict[str, list[str]] = {}
            if "sandbox" in names:
                extra["sandbox"] = ["--config", str(sandbox_config(environment, settings.data_dir))]
            supervisor.start(
                names,
                copies={"worker-engine": workers},
                extra=extra,
                instead={"sandbox": {"--listen": sandbox}},
            )
            click.echo(f"API and console: http://{environment['ENGAGE_LISTEN']}/console/")
            click.echo(f"write key: {environment['ENGAGE_WRITE_KEYS'].split(',')[0].partition(':')[0]}")
            click.echo(f"API token: {environment['ENGAGE_API_TOKENS'].split(',')[0]}")
            if "TWILIO_API_BASE_URL" in environment:
                click.echo(f"sandbox (phones, mailboxes, calls): {environment['TWILIO_API_BASE_URL']}/")
            click.echo("Ctrl-C stops everything")
            supervisor.watch(running.revive)


@click.command("api")
def api_command() -> None:
    """Serve the HTTP API and the console."""
    from engage.cli.ports import require_port
    from engage.cli.serve import serve

    settings = load_settings()
    require_port(settings)
    require_schema(settings)
    serve(settings)


@click.command("worker")
@click.option("--queues", "-Q", default=QUEUES, show_default=True, help="Queues to work on, comma-separated.")
@click.option("--threads", type=COUNT, default=4, show_default=True, help="Tasks at once.")
@click.option("--name", default="", help="Name of this worker in logs.")
def worker_command(queues: str, threads: int, name: str) -> None:
    """Run a Celery worker: the same as `celery -A workers.app worker -Q …`."""
    _require_queues(queues)
    require_schema(load_settings())
    _run_celery(
        "worker",
        "-Q",
        queues,
        "--concurrency",
        str(threads),
        "--without-gossip",
        "--without-mingle",
        "-n",
        f"{name or queues.replace(',', '-')}-{os.getpid()}@%h",
    )


def _require_queues(named: str) -> None:
    """Stop where a queue is named to which nobody sends: its worker would wait for ever, and look well."""
    from workers import app as workers

    known = workers.QUEUES
    unknown = sorted({name.strip() for name in named.split(",")} - set(known))
    if unknown:
        raise click.UsageError(f"there is no queue `{unknown[0]}`; there are: {', '.join(known)}")


@click.command("beat")
def beat_command() -> None:
    """Run Celery beat, which has the sweep done every second. Two of them do no harm."""
    _run_celery("beat", "--pidfile=")


def _run_celery(*arguments: str) -> None:
    from workers.app import app

    # It asks root to pass --uid, which this command does not have: the tasks that root runs here are ours, in JSON.
    warnings.filterwarnings("ignore", r"\s*You're running the worker with superuser privileges")
    app.start(["--quiet", *arguments, "--loglevel", "WARNING"])


@click.command(
    "sandbox",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
@click.pass_context
def sandbox_command(ctx: click.Context) -> None:
    """Run twins of Twilio and SendGrid (`engage sandbox --help`)."""
    from engage.sandbox.__main__ import main

    sys.exit(main(ctx.args))
