"""Play: the demo's story on real processes, an hour and a half a second, and what came of it."""

import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from engage.bootstrap import Runtime, open_runtime
from engage.cli.client import Client, ClientError
from engage.cli.demo.actors import Actors
from engage.cli.demo.story import story
from engage.cli.demo.table import Verdict, audit, progress, report
from engage.cli.forks import ForkServer
from engage.cli.ports import free_port
from engage.cli.project import load_checked
from engage.cli.supervise import PROCESSES, Supervisor, environment_for, sandbox_config, sandbox_environment
from engage.cli.terminal import screen
from engage.clocks import VARIABLE, TimeLapse
from engage.compiled import sources_of
from engage.engine.publish.publish import Source
from engage.services import KeptServices
from engage.settings import Settings, load_settings

SPEED = 5400.0
"""Shop seconds in a second once the time-lapse begins: an hour and a half."""
LIVE_SECONDS = 8.0
"""Before that, so many seconds at real speed, and until all is done that was due: sign-ups, codes, orders."""
LIVE_SECONDS_MOST = 45.0
SHOP_HOURS = 100.0
"""From a Wednesday's opening until the Sunday letter was read."""
READY_SECONDS = 90.0
READY_POLL_SECONDS = 0.05
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Opening:
    """What is under way when the play begins."""

    settings: Settings
    forks: ForkServer | None
    started: Callable[[], KeptServices]
    """Waits until PostgreSQL and Valkey are there."""
    began: float


@dataclass
class Stage:
    """Where the demo plays."""

    settings: Settings
    environment: dict[str, str]
    clock: TimeLapse
    sandbox: str
    began: float
    ready: float = 0.0


def perform(opening: Opening, *, people: int, once: bool, as_json: bool) -> bool:
    """Play the whole demo; return whether all of it was as it must be. Without `once` it stays up until Ctrl-C."""
    console = screen(stderr=as_json, width=None if sys.stderr.isatty() and sys.stdout.isatty() else 150)
    sources = read_project(opening.settings, console)
    stage = stage_for(opening)
    with (
        open_runtime(stage.settings, connections=3) as runtime,
        Supervisor(
            stage.environment, logs=opening.settings.data_dir / "logs", forks=opening.forks
        ) as processes,
    ):
        runtime.publish.publish(sources)
        start(processes, stage)
        verdict = play(stage, runtime, people, console)
        console.print(report(verdict))
        if as_json:
            sys.stdout.write(json.dumps(verdict.as_json()) + "\n")
            sys.stdout.flush()
        if not once:
            stay(stage, console)
    return verdict.good


def compile_once() -> None:
    """Import what the processes will, so that on a fresh machine it is compiled once and not by six at a time."""
    for module in ("engage.cli.serve", "engage.sandbox.server", "workers.tasks"):
        importlib.import_module(module)


def read_project(settings: Settings, console: Console) -> list[Source]:
    """Return the project as it is published, or say what is wrong with it."""
    project = load_checked(settings.project)
    if not project.ok:
        for problem in project.problems:
            console.print(str(problem), markup=False)
        raise SystemExit(1)
    return sources_of(project)


def stage_for(opening: Opening) -> Stage:
    """Return where to play: what the processes are told, and a clock of their own."""
    services, settings = opening.started(), opening.settings
    real = datetime.now(UTC)
    # A Wednesday so long ago that the whole story is over by now: the sandbox dates what it reports by the real clock,
    # and a receipt that comes from the future counts as having happened when it came.
    days = (real.weekday() - 2) % 7
    opens = (real - timedelta(days=days if days > 5 else days + 7)).replace(
        hour=14, minute=30, second=0, microsecond=0
    )
    clock = TimeLapse.set_up(settings.data_dir / "clock", opens, SPEED)
    listen = f"127.0.0.1:{free_port(8010)}"
    environment = environment_for(settings, services.database_url, services.broker_url)
    environment |= sandbox_environment(settings, listen)
    environment |= {
        VARIABLE: str((settings.data_dir / "clock").resolve()),
        "ENGAGE_PUBLIC_URL": settings.public_url,
        "ENGAGE_SWEEP_SECONDS": "0.2",
        "ENGAGE_LOG_LEVEL": "WARNING",
        "ENGAGE_DEMO": "1",
    }
    os.environ.update(environment)
    if opening.forks is None:
        compile_once()
    return Stage(load_settings(), environment, clock, f"http://{listen}", opening.began)


def start(processes: Supervisor, stage: Stage) -> None:
    """Start every process of the table."""
    config = sandbox_config(
        stage.environment,
        stage.settings.data_dir,
        open_share=0.45,
        click_share=0.2,
        gather_share=0.5,
        delivered_seconds=1.0,
        engage_seconds=8.0,
    )
    processes.start(
        [process.name for process in PROCESSES],
        extra={"sandbox": ["--config", str(config)]},
        instead={"sandbox": {"--listen": stage.sandbox.removeprefix("http://")}},
    )


def play(stage: Stage, runtime: Runtime, people: int, console: Console) -> Verdict:
    """Wait until everything answers, play the story on the clock, and audit what came of it."""
    wait_until_ready(stage)
    warm_up(stage, runtime)
    actors = Actors(stage.settings, stage.clock, stage.sandbox)
    player = threading.Thread(target=actors.perform, args=(story(people),), daemon=True)
    player.start()
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        look = partial(look_at, stage, runtime, live)
        live_until_done(runtime, look)
        speed_up(stage)
        end = stage.clock.now() + timedelta(hours=SHOP_HOURS)
        while stage.clock.now() < end or player.is_alive():
            look()
        settle_down(runtime)
    with Client(stage.sandbox) as sandbox:
        return audit(stage_facts(stage, actors), runtime.reading, sandbox, runtime.clock.now())


def look_at(stage: Stage, runtime: Runtime, live: Live) -> None:
    """Show how far the shop is, and note the first delivery."""
    live.update(progress(runtime.reading.totals(), stage.clock.now()))
    if not stage.ready and runtime.reading.any_delivered():
        stage.ready = time.monotonic() - stage.began
    time.sleep(LOOK_SECONDS if stage.ready else READY_POLL_SECONDS)


def live_until_done(runtime: Runtime, look: Callable[[], None]) -> None:
    """Let the first minutes pass at real speed, until everything that was due is done."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < LIVE_SECONDS_MOST:
        look()
        if passed > LIVE_SECONDS and runtime.reading.is_idle(runtime.clock.now()):
            return


def wait_until_ready(stage: Stage) -> None:
    """Return once the API and the sandbox answer.

    Raises:
        click.ClickException: they do not within a minute and a half.
    """
    deadline = time.monotonic() + READY_SECONDS
    for base, path in ((stage.settings.base_url, "/readyz"), (stage.sandbox, "/_sandbox/stats")):
        while True:
            try:
                with Client(base) as client:
                    client.call("GET", path, timeout=2)
                break
            except ClientError as exc:
                if time.monotonic() > deadline:
                    raise click.ClickException(f"not ready after {READY_SECONDS:.0f} s: {exc}") from exc
                time.sleep(READY_POLL_SECONDS)


def warm_up(stage: Stage, runtime: Runtime) -> None:
    """Have one visitor looked at, so that the shop opens when its workers are there, and not before."""
    with Client(stage.settings.base_url, user=stage.settings.write_keys[0].partition(":")[0]) as client:
        client.call("POST", "/v1/identify", {"anonymousId": "window-shopper", "traits": {}})
    deadline = time.monotonic() + READY_SECONDS
    while not runtime.reading.is_idle(runtime.clock.now()) and time.monotonic() < deadline:
        time.sleep(READY_POLL_SECONDS)


def speed_up(stage: Stage) -> None:
    """Begin the time-lapse, for us and for the sandbox."""
    stage.clock.begin(datetime.now(UTC) + timedelta(seconds=1))
    time.sleep(1.0)
    with Client(stage.sandbox) as sandbox:
        sandbox.call("POST", "/_sandbox/clock", {"speed": SPEED})


def settle_down(runtime: Runtime) -> None:
    """Wait until nothing that is due is left undone."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    quiet = 0
    while time.monotonic() < deadline and quiet < 4:
        quiet = quiet + 1 if runtime.reading.is_idle(runtime.clock.now()) else 0
        time.sleep(0.25)


def stage_facts(stage: Stage, actors: Actors) -> dict[str, Any]:
    """Return what the audit must know of the performance."""
    return {
        "errors": actors.errors,
        "ready": stage.ready,
        "total": time.monotonic() - stage.began,
    }


def stay(stage: Stage, console: Console) -> None:
    """Say where to look, and stay up until Ctrl-C."""
    console.print(f"console  {stage.settings.base_url}/console/", markup=False)
    console.print(f"sandbox  {stage.sandbox}/   (phones, mailboxes, calls)", markup=False)
    console.print("Ctrl-C stops everything", markup=False)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("stopping")
