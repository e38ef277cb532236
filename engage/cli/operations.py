"""Commands of operations: `status`, `pause`, `resume`, `archive`, `stop-sending`, `resume-sending`."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import click

from engage.cli.plan.commands import follow
from engage.cli.remote import reached
from engage.cli.session import opened, operator, say_json
from engage.domain.delivery.delivery import Channel
from engage.engine.operate import ALL, Wanted
from engage.engine.overview import overview
from engage.settings import Settings, load_settings


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status_command(as_json: bool) -> None:
    """Show queues and how late they are, what is stopped or paused, who is stuck or was set aside, and the quarantine."""
    settings = load_settings()
    if settings.api_url is not None:
        with reached(settings) as there:
            found = there.get("/v1/status")
    else:
        with opened(settings) as runtime:
            found = overview(runtime.store, runtime.reading, runtime.catalog(), runtime.clock.now())
    if as_json:
        say_json(found)
        return
    for line in _status_lines(found):
        click.echo(line)


def _status_lines(found: dict[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        if isinstance(value, int | float):
            shown = f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
            yield f"  {name.replace('_', ' '):28} {shown}"
    if found["lags"]:
        lane, age = max(found["lags"].items(), key=lambda item: item[1])
        yield f"  {'lanes with facts':28} {len(found['lags'])}, the oldest {age:,.1f} s (lane {lane})"
    if found["stopped"]:
        told = "all channels" if ALL in found["stopped"] else ", ".join(found["stopped"])
        yield click.style(f"  sending is stopped: {told}", fg="yellow")
    if found["paused"]:
        yield click.style(f"  paused: {', '.join(found['paused'])}", fg="yellow")
    for job in found["working_on"]:
        yield f"  working on {job['job']}: {job['done']:,} of {job['total']:,}"
    for job in found.get("set_aside", ()):  # a server of before does not say
        told = f"{job['people']:,} of {job['job']}, by a mistake of ours; engage why says so of each"
        yield click.style(f"  set aside: {told}", fg="red")
    if found["quarantine_reasons"]:
        told = ", ".join(f"{reason} {count:,}" for reason, count in found["quarantine_reasons"].items())
        yield click.style(f"  in quarantine: {told}; see engage quarantine list", fg="yellow")
    for place in found["stuck"]:
        told = (
            f"{place['runs']:,} runs of {place['journey']} version {place['version']} at step {place['step']}"
        )
        yield click.style(f"  stuck: {told}", fg="red")


# --- journeys and channels


def _set_state(journey: str, wanted: Wanted, as_json: bool) -> None:
    settings = load_settings()
    if settings.api_url is not None:
        with reached(settings) as there:
            done = there.put(f"/v1/journeys/{quote(journey, safe='')}/state", {"action": str(wanted)})
    else:
        done = {"journey": journey, "action": wanted, "epoch": _set_state_here(settings, journey, wanted)}
    if as_json:
        say_json(done)
        return
    click.echo(f"{journey}: {_DONE[wanted]}")


def _set_state_here(settings: Settings, journey: str, wanted: Wanted) -> int:
    """Change a journey's state and see everybody inside through it."""
    with opened(settings) as runtime:
        epoch = runtime.operate.set_state(journey, wanted, operator(runtime))
        for job in [name for name in runtime.backfill.open_jobs() if name.endswith(f":{journey}:{epoch}")]:
            follow(runtime, job)
        return epoch


_DONE = {
    Wanted.PAUSE: "paused; nobody enters, nobody moves, nothing is sent",
    Wanted.RESUME: "goes on; what happened meanwhile was judged first",
    Wanted.ARCHIVE: "archived; every run has ended",
}


@click.command("pause")
@click.argument("journey")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def pause_command(journey: str, as_json: bool) -> None:
    """Stop a journey's entries and sends, and keep everybody where they are."""
    _set_state(journey, Wanted.PAUSE, as_json)


@click.command("resume")
@click.argument("journey")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def resume_command(journey: str, as_json: bool) -> None:
    """Let a paused journey go on: first what happened meanwhile is judged, then overdue timers fire."""
    _set_state(journey, Wanted.RESUME, as_json)


@click.command("archive")
@click.argument("journey")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; implies --yes.")
def archive_command(journey: str, yes: bool, as_json: bool) -> None:
    """End a journey and every run inside it."""
    if not (yes or as_json):
        click.confirm(f"end {journey} for everybody inside?", abort=True)
    _set_state(journey, Wanted.ARCHIVE, as_json)


_CHANNEL = click.Choice([str(channel) for channel in Channel])


@click.command("stop-sending")
@click.option("--channel", type=_CHANNEL, help="Only this channel; without it everything.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stop_sending_command(channel: str | None, as_json: bool) -> None:
    """Stop all sends at once; what would have left is skipped as `sending_stopped`."""
    _sending(channel, stopped=True, as_json=as_json)


@click.command("resume-sending")
@click.option("--channel", type=_CHANNEL, help="Only this channel; without it everything.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def resume_sending_command(channel: str | None, as_json: bool) -> None:
    """Let sends leave again."""
    _sending(channel, stopped=False, as_json=as_json)


def _sending(channel: str | None, *, stopped: bool, as_json: bool) -> None:
    settings = load_settings()
    if settings.api_url is not None:
        with reached(settings) as there:
            done = there.put("/v1/sending", {"channel": channel, "stopped": stopped})
    else:
        with opened(settings) as runtime:
            changed = runtime.operate.stop_sending(channel or ALL, stopped, operator(runtime))
            done = {"changed": changed, "stopped": sorted(runtime.operate.stopped())}
    if as_json:
        say_json(done)
        return
    what = channel or "everything"
    word = "stopped" if stopped else "sends again"
    click.echo(f"{what}: {word}" if done["changed"] else f"{what}: was so already")
    if not stopped and done["stopped"]:
        told = "everything else" if ALL in done["stopped"] else ", ".join(done["stopped"])
        click.echo(f"still stopped: {told}")
