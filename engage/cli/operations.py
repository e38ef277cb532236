"""Commands of operations: `status`, `pause`, `resume`, `archive`, `stop-sending`, `resume-sending`."""

from collections.abc import Iterator
from typing import Any

import click

from engage.bootstrap import Runtime
from engage.cli.plan import follow
from engage.cli.session import opened, operator, say_json
from engage.domain.catalog import Catalog
from engage.domain.delivery import Channel
from engage.domain.steps.send import Send
from engage.domain.steps.wait_for import WaitFor
from engage.engine.operate import ALL, Wanted
from engage.settings import load_settings


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status_command(as_json: bool) -> None:
    """Show queues and how late they are, what is stopped or paused, who is stuck, and the quarantine."""
    with opened(load_settings()) as runtime:
        found = status_of(runtime)
    if as_json:
        say_json(found)
        return
    for line in _status_lines(found):
        click.echo(line)


def status_of(runtime: Runtime) -> dict[str, Any]:
    """Return what `status` shows: the queues by name, and `lags`, `stopped`, `paused`, `stuck`, `working_on`."""
    catalog, reading = runtime.catalog(), runtime.reading
    now = runtime.clock.now()
    with runtime.store.transaction() as tx:
        jobs = [{"job": job.name, "done": job.done, "total": job.total} for job in tx.jobs.unfinished()]
    return {
        **reading.queues(now),
        "lags": reading.lags(now),
        "stopped": sorted(catalog.stopped),
        "paused": sorted(live.name for live in catalog.journeys.values() if catalog.is_paused(live.name)),
        "stuck": list(stuck_runs(reading.untimed(), catalog)),
        "working_on": jobs,
        "quarantine_reasons": reading.quarantine_reasons(),
    }


def stuck_runs(untimed: dict[tuple[str, int, str | None], int], catalog: Catalog) -> Iterator[dict[str, Any]]:
    """Yield where runs stand that no timer wakes and that wait for nothing a step could name."""
    for (journey, version, step), count in sorted(untimed.items(), key=str):
        if catalog.is_paused(journey) or not catalog.has_version(journey, version):
            continue
        node = catalog.version(journey, version).program.nodes.get(step or "")
        # A send waits for its delivery, and a wait for what it names; everything else needs a timer.
        if node is None or not isinstance(node.step, Send | WaitFor):
            name = step if node is None else node.id
            yield {"journey": journey, "version": version, "step": name, "runs": count}


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
    with opened(load_settings()) as runtime:
        epoch = runtime.operate.set_state(journey, wanted, operator(runtime))
        for job in [name for name in runtime.backfill.open_jobs() if name.endswith(f":{journey}:{epoch}")]:
            follow(runtime, job)
    if as_json:
        say_json({"journey": journey, "action": wanted, "epoch": epoch})
        return
    click.echo(f"{journey}: {_DONE[wanted]}")


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
    with opened(load_settings()) as runtime:
        changed = runtime.operate.stop_sending(channel or ALL, stopped, operator(runtime))
        now_stopped = sorted(runtime.operate.stopped())
    if as_json:
        say_json({"changed": changed, "stopped": now_stopped})
        return
    what = channel or "everything"
    word = "stopped" if stopped else "sends again"
    click.echo(f"{what}: {word}" if changed else f"{what}: was so already")
    if not stopped and now_stopped:
        told = "everything else" if ALL in now_stopped else ", ".join(now_stopped)
        click.echo(f"still stopped: {told}")
