"""Command `simulate`: recorded events on a journey, before anybody real is in it."""

import difflib
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engage.cli.arguments import instant
from engage.cli.plan import sound_project
from engage.cli.session import say_json
from engage.settings import load_settings
from engage.testing.simulation import Outcome, Script, UnplayableError, read_calls, read_people, simulate

BAR = 40
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_COLOURS = {"email": "blue", "sms": "cyan", "voice": "yellow", "whatsapp": "green"}


@click.command("simulate")
@click.argument("journey")
@click.option(
    "--events", type=_FILE, required=True, help="JSON lines of Segment call bodies, each with a `timestamp`."
)
@click.option(
    "--profiles",
    type=_FILE,
    help="JSON lines of `identify` bodies, with `consents: {channel: {topic: true}}`.",
)
@click.option(
    "--from",
    "begins",
    metavar="T",
    help="Go live then; earlier events are history. Default: the first event.",
)
@click.option("--until", "ends", metavar="T", help="Stop then. Default: 30 days after the last event.")
@click.option("--limit", default=50, show_default=True, help="Lines of the table; 0 for all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate_command(
    journey: str,
    events: Path,
    profiles: Path | None,
    begins: str | None,
    ends: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Play recorded events on a journey of the project, on a virtual clock, and tell who would get what and when.

    Nothing is sent and nothing is stored. Providers take everything; opens, clicks and replies do not happen.
    """
    project = sound_project(load_settings().project)
    if journey not in project.journeys:
        close = difflib.get_close_matches(journey, project.journeys, n=1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        raise click.UsageError(f"the project has no journey `{journey}`{hint}")
    zone = project.settings.zone
    columns = (TextColumn("playing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    ) as bar:
        task = bar.add_task("events", total=None)
        try:
            script = Script(
                calls=read_calls(events.read_bytes().splitlines()),
                people=[] if profiles is None else read_people(profiles.read_bytes().splitlines()),
                begins=None if begins is None else instant(begins, zone),
                ends=None if ends is None else instant(ends, zone),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
            outcome = simulate(project, journey, script)
        except UnplayableError as exc:
            raise click.ClickException(str(exc)) from exc
    if as_json:
        say_json(outcome)
        return
    for line in outcome_lines(outcome, zone, limit):
        click.echo(line)


def outcome_lines(outcome: Outcome, zone: ZoneInfo, limit: int) -> Iterator[str]:
    """Yield what came of a simulation as a person reads it."""
    begins, ends = (at.astimezone(zone) for at in (outcome.begins, outcome.ends))
    yield f"{click.style(outcome.journey, bold=True)}  {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} ({zone.key})"
    yield f"  entered {outcome.entered:,}, inside {outcome.active:,}, goal {outcome.goals:,}"
    for title, counts in (("ended", outcome.ended), ("not entered", outcome.refused)):
        if counts:
            told = ", ".join(
                f"{reason} {count:,}" for reason, count in sorted(counts.items(), key=lambda i: -i[1])
            )
            yield f"  {title}: {told}"
    for channel, counts in sorted(outcome.totals.items()):
        told = ", ".join(
            f"{what.replace('_', ' ')} {count:,}"
            for what, count in sorted(counts.items(), key=lambda i: (i[0] != "sent", -i[1]))
        )
        yield f"  {click.style(f'{channel:8}', fg=_COLOURS.get(channel))} {told}"
    if outcome.days:
        yield ""
        yield from _bars(outcome)
    if outcome.got:
        yield ""
        shown = outcome.got if not limit else outcome.got[:limit]
        wide = max(len(one.person) for one in shown)
        for one in shown:
            at = one.at.astimezone(zone)
            why = (
                ""
                if one.reason is None
                else f": {one.reason.replace('_', ' ')}" + (f" ({one.rule})" if one.rule else "")
            )
            word = "sent" if one.status == "accepted" else one.status
            yield f"  {at:%Y-%m-%d %H:%M:%S}  {one.person:{wide}}  {one.channel:8}  {one.template or 'text':24}  {one.step or '':12}  {word}{why}"
        if len(shown) < len(outcome.got):
            yield f"  … and {len(outcome.got) - len(shown):,} more (--limit 0 shows all)"


def _bars(outcome: Outcome) -> Iterator[str]:
    """Yield one bar a day, a piece per channel; days without messages between two others are told in one line."""
    most = max(sum(counts.values()) for counts in outcome.days.values())
    before: datetime | None = None
    for day, counts in sorted(outcome.days.items()):
        at = datetime.fromisoformat(day)
        if before is not None and (at - before).days > 1:
            yield f"  {'⋮':10}"
        before = at
        drawn = "".join(
            click.style("█" * max(1, round(count / most * BAR)), fg=_COLOURS.get(channel))
            for channel, count in sorted(counts.items())
        )
        yield f"  {day}  {drawn} {sum(counts.values()):,}"
