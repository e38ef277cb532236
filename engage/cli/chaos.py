"""`engage chaos`: load, kills and faults on the real stack, then the ledger against the sandbox's record."""

import json
import sys
import time
from random import SystemRandom

import click
import msgspec

from engage.chaos.run import Wish, run
from engage.cli.arguments import ALWAYS_JSON, COUNT, COUNT_OR_NONE, SOME_TIME
from engage.settings import load_settings


@click.command("chaos")
@click.option(
    "--deliveries", type=COUNT, default=1_000, show_default=True, help="Messages to be asked for, about."
)
@click.option(
    "--kills",
    type=COUNT_OR_NONE,
    default=10,
    show_default=True,
    help="Processes and services to kill meanwhile.",
)
@click.option("--seed", type=int, help="Chooses victims, times and who says no; without it a new one.")
@click.option(
    "--minutes", type=SOME_TIME, help="How long load and kills go on; without it as long as the kills need."
)
@ALWAYS_JSON
def chaos_command(deliveries: int, kills: int, seed: int | None, minutes: float | None) -> None:
    """Prove it: load on the real stack, random kills of everything, then every promise is checked. Prints JSON; exits 1 if one was broken.

    Workers, beat and API are killed with SIGKILL or stopped for longer than a lease, the broker loses all it had, PostgreSQL is killed;
    the sandbox refuses, hangs, breaks connections, and its callbacks come twice, late, out of order, forged or never.
    """
    began = time.monotonic()
    wish = Wish(
        deliveries=deliveries,
        kills=kills,
        seed=SystemRandom().randrange(1_000_000) if seed is None else seed,
        minutes=minutes,
    )

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {line}", err=True)

    say(f"again with --seed {wish.seed}")
    verdict, broken = run(wish, load_settings().data_dir / "chaos", say)
    for breach in broken:
        click.echo(f"  {breach}", err=True)
    sys.stdout.write(json.dumps(msgspec.to_builtins(verdict)) + "\n")
    raise SystemExit(0 if verdict.good and not broken else 1)
