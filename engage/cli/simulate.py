"""Command `simulate`: recorded events on a journey, before anybody real is in it."""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engage.cli.arguments import COUNT, COUNT_OR_NONE, instant
from engage.cli.plan.commands import sound_project
from engage.cli.plan.planning import live_project
from engage.cli.project import load_checked
from engage.cli.session import opened, say_json
from engage.cli.terminal import screen
from engage.project.export import export_files, write_export
from engage.project.load import Project
from engage.project.words.suggest import did_you_mean
from engage.settings import load_settings
from engage.testing.recorded import Difference, difference, lived, script_of
from engage.testing.simulation import Got, Outcome, Script, UnplayableError, read_calls, read_people, simulate

BAR = 40
LATELY = timedelta(days=30)
"""How far back what was recorded is played when nobody says."""
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_COLOURS = {"email": "blue", "sms": "cyan", "voice": "yellow", "whatsapp": "green"}


@click.command("simulate")
@click.argument("journey")
@click.option("--events", type=_FILE, help="JSON lines of Segment call bodies, each with a `timestamp`.")
@click.option(
    "--profiles",
    type=_FILE,
    help="JSON lines of `identify` bodies, with `consents: {channel: {topic: true}}`.",
)
@click.option(
    "--from",
    "begins",
    metavar="T",
    help="Go live then; earlier events are history. Default: the first event; with --against 30 days ago.",
)
@click.option(
    "--until",
    "ends",
    metavar="T",
    help="Stop then. Default: 30 days after the last event; with --against now.",
)
@click.option(
    "--against",
    type=click.Choice(["live"]),
    help="Play what was recorded on the project and on what is live, and tell the difference.",
)
@click.option(
    "--people", type=COUNT, default=5_000, show_default=True, help="With --against: at most so many of them."
)
@click.option(
    "--limit", type=COUNT_OR_NONE, default=50, show_default=True, help="Lines of the table; 0 for all."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate_command(
    journey: str,
    events: Path | None,
    profiles: Path | None,
    begins: str | None,
    ends: str | None,
    against: str | None,
    people: int,
    limit: int,
    as_json: bool,
) -> None:
    """Play recorded events on a journey of the project, on a virtual clock, and tell who would get what and when.

    Nothing is sent and nothing is stored. Providers take everything; opens, clicks and replies do not happen. With
    `--against live` the events are those the installation keeps, people are as they are today, and signals, which
    nobody keeps, do not happen.
    """
    project = sound_project(load_settings().project)
    if journey not in project.journeys:
        hint = did_you_mean(journey, project.journeys)
        raise click.UsageError(f"the project has no journey `{journey}`" + (f"; {hint}" if hint else ""))
    zone = project.settings.zone
    span = [None if text is None else instant(text, zone) for text in (begins, ends)]
    if span[0] is not None and span[1] is not None and span[0] >= span[1]:
        raise click.UsageError("`--until` is not after `--from`")
    if against is not None:
        if events is not None or profiles is not None:
            raise click.UsageError("with `--against live` events and people are those of the installation")
        found = _against_live(project, journey, span[0], span[1], people)
        if as_json:
            say_json(found)
            return
        for line in difference_lines(found, zone, limit):
            click.echo(line)
        return
    if events is None:
        raise click.UsageError(
            "say what to play: `--events calls.jsonl`, or `--against live` for what was recorded"
        )
    try:
        script = Script(
            calls=read_calls(events.read_bytes().splitlines()),
            people=[] if profiles is None else read_people(profiles.read_bytes().splitlines()),
            begins=span[0],
            ends=span[1],
        )
        outcome = _play(project, journey, script, "playing")
    except UnplayableError as exc:
        raise click.ClickException(str(exc)) from exc
    if as_json:
        say_json(outcome)
        return
    for line in outcome_lines(outcome, zone, limit):
        click.echo(line)


def _play(project: Project, journey: str, script: Script, words: str) -> Outcome:
    """Simulate, with a bar on a terminal."""
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=screen(stderr=True), disable=not sys.stderr.isatty(), transient=True
    ) as bar:
        task = bar.add_task("events", total=None)
        script.progress = lambda done, total: bar.update(task, completed=done, total=total)
        return simulate(project, journey, script)


def _against_live(
    project: Project, journey: str, begins: datetime | None, ends: datetime | None, most: int
) -> Difference:
    """Play what was recorded on the project's journey, and on the live one."""
    with opened(load_settings()) as runtime:
        until = ends or runtime.clock.now()
        since = begins or until - LATELY
        if since >= until:
            raise click.UsageError("`--until` is not after `--from`")
        live = live_project(runtime)
        people = list(islice(lived(runtime.store, runtime.reading, since, until), most))
    computed = frozenset(project.traits) | frozenset(live.catalog.traits)
    script = script_of(people, computed, since, until)
    with TemporaryDirectory() as folder:
        write_export(export_files({key: item.source for key, item in live.stored.items()}), Path(folder))
        published = load_checked(Path(folder))
    try:
        ours = _play(project, journey, script, "the project")
        known = journey in published.journeys
        theirs = _play(published, journey, script, "what is live") if known else None
    except UnplayableError as exc:
        raise click.ClickException(str(exc)) from exc
    return difference(len(people), ours, theirs)


def difference_lines(found: Difference, zone: ZoneInfo, limit: int) -> Iterator[str]:
    """Yield what would be otherwise, as a person reads it."""
    begins, ends = (at.astimezone(zone) for at in (found.begins, found.ends))
    name = click.style(found.project.journey, bold=True)
    yield f"{name}  {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} ({zone.key}), {found.people:,} people"
    if found.live is None:
        yield "  no journey of this name is live: everything it sends is new"
    before = 0 if found.live is None else found.live.entered
    yield f"  entered {found.project.entered:,} (live: {before:,})"
    yield (
        f"  {len(found.gets):,} messages more, {len(found.loses):,} fewer, "
        f"{len(found.moved):,} at another time, {found.same:,} the same"
    )
    for title, colour, lines in (
        ("would get, and do not now", "green", [(one, "") for one in found.gets]),
        ("get now, and would not", "red", [(one, "") for one in found.loses]),
        (
            "at another time",
            "yellow",
            [(one.now, f"  (live: {one.then.at.astimezone(zone):%Y-%m-%d %H:%M:%S})") for one in found.moved],
        ),
    ):
        if lines:
            yield click.style(title, fg=colour, bold=True)
            for one, more in lines if not limit else lines[:limit]:
                yield f"  {_got_line(one, zone, len(one.person))}{more}"
            if limit and len(lines) > limit:
                yield f"  … and {len(lines) - limit:,} more (--limit 0 shows all)"


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
            yield f"  {_got_line(one, zone, wide)}"
        if len(shown) < len(outcome.got):
            yield f"  … and {len(outcome.got) - len(shown):,} more (--limit 0 shows all)"


def _got_line(one: Got, zone: ZoneInfo, wide: int) -> str:
    why = ""
    if one.reason is not None:
        why = f": {one.reason.replace('_', ' ')}" + (f" ({one.rule})" if one.rule else "")
    word = "sent" if one.status == "accepted" else one.status
    what = f"{one.channel:8}  {one.template or 'text':24}  {one.step or '':12}"
    return f"{one.at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {one.person:{wide}}  {what}  {word}{why}"


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
