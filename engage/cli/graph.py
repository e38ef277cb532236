"""Command `graph`: a journey as a picture or a diagram."""

import difflib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import click

from engage.bootstrap import Runtime
from engage.cli.plan.commands import sound_project
from engage.cli.session import has_database, opened
from engage.domain.journey.journey import Journey
from engage.ports.reading import JourneyNumbers
from engage.project.graph.data import journey_data
from engage.project.graph.mermaid import journey_mermaid
from engage.project.graph.svg import journey_svg
from engage.project.graph.tree import GraphNumbers, StepCount
from engage.project.load import load_source
from engage.project.plan.meaning import meaning_of
from engage.settings import Settings, load_settings

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SCALE = 2
BROWSER_SECONDS = 60


@click.command("graph")
@click.argument("journey")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="FILE.svg, FILE.png or FILE.mmd."
)
@click.option(
    "--numbers/--no-numbers",
    default=True,
    help="Draw in how many people came and wait, if a database is there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the steps, their ways and numbers as JSON.")
def graph_command(journey: str, output: Path | None, numbers: bool, as_json: bool) -> None:
    """Draw a journey of the project; without -o print its Mermaid text.

    PNG needs a Chromium or Chrome on the machine.
    """
    if as_json and output is not None:
        raise click.UsageError("--json prints; leave `-o` out")
    kind = ".mmd" if output is None else output.suffix.lower()
    if kind not in (".svg", ".png", ".mmd"):
        raise click.UsageError(f"{output} is no picture; name it .svg, .png or .mmd")
    settings = load_settings()
    form = _journey(settings.project, journey)
    live = live_numbers(settings, form) if numbers else None
    if as_json:
        click.echo(json.dumps(journey_data(form, live), ensure_ascii=False))
    elif kind == ".mmd":
        text = journey_mermaid(form, live)
        if output is None:
            click.echo(text, nl=False)
            return
        output.write_text(text)
    else:
        assert output is not None
        svg = journey_svg(form, live)
        if kind == ".svg":
            output.write_text(svg)
        else:
            write_png(svg, output)
    if output is not None:
        click.echo(f"  {output}")


def _journey(project: Path, name: str) -> Journey:
    journeys = sound_project(project).journeys
    if name not in journeys:
        close = difflib.get_close_matches(name, journeys, n=1)
        hint = f"did you mean `{close[0]}`?" if close else "there are: " + ", ".join(sorted(journeys))
        raise click.UsageError(f"the project has no journey `{name}`; {hint}")
    return journeys[name]


def live_numbers(settings: Settings, journey: Journey) -> GraphNumbers | None:
    """Return the numbers of a journey where it is live; none without a database, or where it never was."""
    if settings.database_url is None and not has_database(settings.data_dir):
        return None
    try:
        with opened(settings) as runtime:
            return _numbers(runtime, journey)
    except click.ClickException as exc:
        click.echo(f"without numbers: {exc.format_message()}", err=True)
        return None


def _numbers(runtime: Runtime, journey: Journey) -> GraphNumbers | None:
    with runtime.store.transaction() as tx:
        live = {item.name: item for item in tx.definitions.live() if item.kind == "journey"}.get(journey.name)
    if live is None:
        return None
    found = runtime.reading.journey(journey.name)
    form, _ = load_source("journey", journey.name, live.source)
    same = isinstance(form, Journey) and meaning_of(form) == meaning_of(journey)
    # Positions count steps; in another version they count other steps.
    return graph_numbers(found, journey, live.version if same else None)


def graph_numbers(found: JourneyNumbers, journey: Journey, version: int | None) -> GraphNumbers:
    """Return numbers as a picture takes them; those of steps are of one version (none: of no step)."""
    paths = {node.id: node.path for node in journey.program.walk()}
    counts: dict[str, StepCount] = {}
    for line in found.funnel:
        if line.version == version:
            path = paths.get(line.step, line.step)
            known = counts.get(path, StepCount())
            counts[path] = StepCount(
                entered=line.entered or known.entered, waiting=line.waiting or known.waiting
            )
    inside, ended = sum(found.active.values()), found.ended
    return GraphNumbers(
        entered=inside + sum(ended.values()),
        inside=inside,
        goals=found.goals,
        ended=dict(ended),
        steps=counts,
    )


def write_png(svg: str, output: Path) -> None:
    """Draw an SVG with a headless browser.

    Raises:
        click.ClickException: there is no browser, or it does not draw.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise click.ClickException(
            "a PNG needs Chromium or Chrome on this machine; write a .svg, which needs nothing"
        )
    wide, high = _size(svg)
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        page.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{svg}')
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
            f"--force-device-scale-factor={SCALE}",
            f"--window-size={wide},{high}",
            "--default-background-color=00000000",
            f"--screenshot={shot}",
            page.as_uri(),
        ]
        try:
            subprocess.run(command, capture_output=True, timeout=BROWSER_SECONDS, check=True)  # noqa: S603 - a fixed command
            output.write_bytes(shot.read_bytes())
        except (subprocess.SubprocessError, OSError) as exc:
            raise click.ClickException(f"{browser} did not draw the picture; write a .svg ({exc})") from exc


def _size(svg: str) -> tuple[int, int]:
    """Return the width and height that our own SVG says it has, rounded up."""
    box = svg.partition('viewBox="0 0 ')[2].partition('"')[0].split()
    return int(float(box[0]) + 0.999), int(float(box[1]) + 0.999)
